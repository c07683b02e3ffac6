"""Names, ends, copies and searches of conversations, over HTTP, on both databases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]


class Chat:
    """A user's client of the service."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def begin(self, **fields: Any) -> dict[str, Any]:
        return await self.ok(self.http.post("/conversations", json=fields), 201)

    async def say(self, conversation: dict[str, Any], text: str, **fields: Any) -> dict[str, Any]:
        body = {"message": text, **fields}
        sent = await self.ok(self.http.post(f"/conversations/{conversation['id']}/messages", json=body), 202)
        async with self.http.stream("GET", sent["stream"]) as stream:
            await stream.aread()
        return sent

    async def messages(self, conversation: dict[str, Any]) -> list[dict[str, Any]]:
        page = await self.ok(self.http.get(f"/conversations/{conversation['id']}/messages"), 200)
        return page["items"]

    async def ok(self, request: Awaitable[httpx2.Response], status: int) -> dict[str, Any]:
        reply = await request
        assert reply.status_code == status, reply.text
        return reply.json()

    async def refused(self, request: Awaitable[httpx2.Response], status: int, code: str) -> dict[str, Any]:
        error = (await self.ok(request, status))["error"]
        assert error["code"] == code
        return error["details"]


@pytest.fixture
async def chat(served: Serve, database: Database, database_url: str) -> AsyncIterator[Chat]:
    service = await served(ScriptedClient("One.", "Two.", "Three.", "Four.", "Five."), database_url=database_url)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
        yield Chat(http)


async def test_a_conversation_is_renamed_only_in_the_version_that_was_read(chat: Chat) -> None:
    conversation = await chat.begin()
    place = f"/conversations/{conversation['id']}"
    read = await chat.http.get(place)
    changed = await chat.http.patch(place, json={"title": ' "The sky" '}, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status_code, changed.json()["title"], changed.json()["title_source"]) == (200, "The sky", "user")
    stale = chat.http.patch(place, json={"title": "x"}, headers={"If-Match": read.headers["ETag"]})
    await chat.refused(stale, 412, "precondition_failed")
    await chat.refused(chat.http.patch(place, json={}, headers={"If-Match": '"x"'}), 412, "precondition_failed")
    await chat.say(conversation, "Why is the sky blue?")
    assert (await chat.ok(chat.http.get(place), 200))["title"] == "The sky"
    assert (await chat.ok(chat.http.patch(place, json={"title": ""}), 200))["title"] is None
    await chat.refused(chat.http.patch(place, json={"titel": "x"}), 422, "invalid_request")


async def test_the_current_path_can_be_chosen_among_branches(chat: Chat) -> None:
    conversation = await chat.begin()
    first = await chat.say(conversation, "One?")
    await chat.say(conversation, "Another one?", parent_id=None, branch=True)
    place = f"/conversations/{conversation['id']}"
    await chat.ok(chat.http.patch(place, json={"head_id": first["answer"]["id"]}), 200)
    assert [each["text"] for each in await chat.messages(conversation)] == ["One?", "One."]
    await chat.refused(chat.http.patch(place, json={"head_id": "x"}), 422, "unknown_parent")


async def test_a_completed_conversation_takes_no_messages_until_it_is_opened_again(chat: Chat) -> None:
    conversation = await chat.begin()
    await chat.say(conversation, "Hi")
    place = f"/sessions/{conversation['id']}"
    done = await chat.ok(chat.http.post(f"{place}/complete"), 200)
    assert done["state"] == "completed"
    assert done["completed_at"] is not None
    await chat.refused(chat.http.post(f"{place}/messages", json={"message": "x"}), 409, "conversation_completed")
    await chat.ok(chat.http.patch(place, json={"state": "active"}), 200)
    await chat.say(conversation, "Hello again")


async def test_a_fork_that_is_asked_for_twice_is_made_once(chat: Chat) -> None:
    conversation = await chat.begin()
    place, key = f"/conversations/{conversation['id']}/fork", {"Idempotency-Key": "fork-1"}
    one = await chat.http.post(place, headers=key)
    two = await chat.http.post(place, headers=key)
    assert one.json() == two.json()
    assert two.headers["Idempotency-Replayed"] == "true"
    await chat.refused(chat.http.post(place, json={"message_id": None}, headers=key), 422, "idempotency_mismatch")


async def test_an_export_comes_back_with_all_branches(chat: Chat) -> None:
    conversation = await chat.begin()
    first = await chat.say(conversation, "Which colour has the sky?")
    await chat.http.post(f"/messages/{first['answer']['id']}/regenerate")
    await chat.say(conversation, "Thanks", on_busy="enqueue")
    exported = await chat.http.get(f"/conversations/{conversation['id']}/export")
    assert exported.headers["content-disposition"].startswith("attachment")
    document = exported.json()
    assert document["format"] == "raptscallions-chat/1"
    assert len(document["messages"]) == 5
    back = await chat.ok(chat.http.post("/import", json=document), 201)
    assert back["title"] == "Which colour has the sky?"
    again = (await chat.http.get(f"/conversations/{back['id']}/export")).json()
    shape = [(each["role"], each["text"], each["status"]) for each in document["messages"]]
    assert [(each["role"], each["text"], each["status"]) for each in again["messages"]] == shape
    assert [each["text"] for each in await chat.messages(back)] == [
        each["text"] for each in await chat.messages(conversation)
    ]
    await chat.say(back, "Go on")


async def test_openais_format_goes_out_and_comes_in(chat: Chat) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How warm is it?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "21 C"},
        {"role": "assistant", "content": "It is 21 degrees."},
    ]
    made = await chat.ok(chat.http.post("/import", json={"messages": messages}), 201)
    assert made["title"] == "How warm is it?"
    stored = await chat.messages(made)
    assert [(each["role"], each["text"]) for each in stored] == [
        ("system", "Be brief."),
        ("user", "How warm is it?"),
        ("assistant", "It is 21 degrees."),
    ]
    assert [part["type"] for part in stored[2]["parts"]] == ["tool_call", "text"]
    exported = (await chat.http.get(f"/conversations/{made['id']}/export?format=openai")).json()["messages"]
    assert [each["role"] for each in exported] == ["system", "user", "assistant", "tool", "assistant"]
    assert exported[3] == messages[3]


NO_CONVERSATIONS: list[Any] = [
    [],
    {},
    {"messages": "x"},
    {"messages": [{"role": "king", "content": "x"}]},
    {"messages": [{"role": "tool", "tool_call_id": "1", "content": "x"}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
    {"format": "raptscallions-chat/1", "messages": [{"id": "1", "role": "user"}, {"id": "1", "role": "user"}]},
    {"format": "raptscallions-chat/1", "messages": [{"id": "1", "parent_id": "2", "role": "user"}]},
    {
        "format": "raptscallions-chat/1",
        "messages": [{"id": "1", "role": "assistant", "text": "abc", "parts": [{"type": "text", "size": 2}]}],
    },
]


@pytest.mark.parametrize("document", NO_CONVERSATIONS)
async def test_what_is_no_conversation_is_refused_with_its_place(chat: Chat, document: object) -> None:
    await chat.refused(chat.http.post("/import", content=json.dumps(document)), 422, "invalid_request")
    page = await chat.ok(chat.http.get("/conversations"), 200)
    assert page["items"] == []


async def test_what_is_no_json_is_told_so(chat: Chat) -> None:
    for body in (b"{", b"\xff", b"[" * 10_000):
        await chat.refused(chat.http.post("/import", content=body), 400, "malformed_json")


async def test_messages_are_found_by_their_words(chat: Chat) -> None:
    conversation = await chat.begin()
    await chat.say(conversation, "Why is the sky blue?")
    found = await chat.ok(chat.http.get("/search", params={"q": "sky bl"}), 200)
    assert [(hit["conversation_id"], hit["role"]) for hit in found["items"]] == [(conversation["id"], "user")]
    one = await chat.ok(chat.http.get("/search", params={"q": "one"}), 200)
    assert [hit["role"] for hit in one["items"]] == ["assistant"]
    other = await chat.ok(chat.http.get("/search", params={"q": "sky"}, headers={"X-Chat-User": "bob"}), 200)
    assert other["items"] == []
    await chat.refused(chat.http.get("/search", params={"q": "?!"}), 422, "invalid_request")
    await chat.refused(chat.http.get("/search", params={"q": "a", "before": "x"}), 422, "bad_cursor")


async def test_a_deleted_conversation_is_gone_everywhere_but_in_the_books(chat: Chat) -> None:
    conversation = await chat.begin()
    sent = await chat.say(conversation, "A secret about zebras")
    place = f"/conversations/{conversation['id']}"
    spent = await chat.ok(chat.http.get("/usage"), 200)
    reply = await chat.http.delete(place)
    assert reply.status_code == 204
    for path in (place, f"{place}/messages", f"{place}/export", f"{place}/stream"):
        await chat.refused(chat.http.get(path), 404, "not_found")
    await chat.refused(chat.http.delete(place), 404, "not_found")
    await chat.refused(chat.http.post(f"/messages/{sent['answer']['id']}/regenerate"), 404, "not_found")
    assert (await chat.ok(chat.http.get("/search", params={"q": "zebras"}), 200))["items"] == []
    assert (await chat.ok(chat.http.get("/conversations"), 200))["items"] == []
    assert (await chat.ok(chat.http.get("/usage"), 200))["total"] == spent["total"]
