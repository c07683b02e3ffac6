"""Conversations: pages, changes, forks, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from raptscallions_ai.testing import Answer, Gate

from .conftest import Chat


@pytest.mark.requirement("E05-T001.AC4")
async def test_pages_of_messages_are_ascending_and_lead_to_the_beginning(chat: Chat) -> None:
    conversation = await chat.begin()
    for n in range(4):
        await chat.events((await chat.send(conversation, f"m{n}"))["stream"])
    whole = await chat.messages(conversation)
    assert [m["seq"] for m in whole] == list(range(1, 9))
    pages: list[list[dict[str, Any]]] = []
    before = None
    while True:
        query = {"limit": 3, **({} if before is None else {"before": before})}
        page = (await chat.http.get(f"/conversations/{conversation}/messages", params=query)).json()
        pages.insert(0, page["items"])
        before = page["next"]
        if before is None:
            break
    assert [len(page) for page in pages] == [2, 3, 3]
    assert [m for page in pages for m in page] == whole
    for query in ({"limit": 0}, {"limit": 201}, {"limit": "x"}):
        reply = await chat.http.get(f"/conversations/{conversation}/messages", params=query)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    for query in ({"before": "x"}, {"leaf": conversation}, {"through": conversation}, {"through": "x"}):
        reply = await chat.http.get(f"/conversations/{conversation}/messages", params=query)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "bad_cursor")


async def test_a_path_through_a_message_goes_on_to_the_newest_below_it(chat: Chat) -> None:
    conversation = await chat.begin()
    first = await chat.send(conversation, "one")
    await chat.events(first["stream"])
    await chat.events((await chat.send(conversation, "two"))["stream"])
    old = [message["id"] for message in await chat.messages(conversation)]
    edit = await chat.send(conversation, "uno", parent_id=None, branch=True)
    await chat.events(edit["stream"])
    new = [edit["message"]["id"], edit["answer"]["id"]]
    for through, path in ((old[0], old), (old[1], old), (old[3], old), (new[0], new), (new[1], new)):
        assert [message["id"] for message in await chat.messages(conversation, through=through)] == path


async def test_pages_of_conversations_have_the_latest_first_and_each_once(chat: Chat) -> None:
    made = [await chat.begin(title=f"c{n}") for n in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({} if cursor is None else {"cursor": cursor})}
        page = (await chat.http.get("/conversations", params=query)).json()
        seen = [item["id"] for item in page["items"]] + seen
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made
    await chat.events((await chat.send(made[0]))["stream"])
    latest = (await chat.http.get("/conversations", params={"limit": 1})).json()["items"]
    assert [item["id"] for item in latest] == [made[0]]


async def test_a_conversation_is_renamed_only_as_it_was_read(chat: Chat) -> None:
    conversation = await chat.begin()
    path = f"/conversations/{conversation}"
    tag = (await chat.http.get(path)).headers["ETag"]
    renamed = await chat.http.patch(path, json={"title": "Mine"}, headers={"If-Match": tag})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Mine")
    late = await chat.http.patch(path, json={"title": "Late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "precondition_failed")
    await chat.events((await chat.send(conversation, "First words"))["stream"])
    assert (await chat.http.get(path)).json()["title"] == "Mine"


async def test_a_completed_conversation_can_be_read_and_forked_only(chat: Chat) -> None:
    conversation = await chat.begin()
    sent = await chat.send(conversation, "One")
    await chat.events(sent["stream"])
    await chat.events((await chat.send(conversation, "Two"))["stream"])
    assert (await chat.http.post(f"/conversations/{conversation}/complete")).json()["state"] == "completed"
    assert (await chat.send(conversation, "No", 409))["error"]["code"] == "conversation_completed"
    fork = await chat.http.post(f"/conversations/{conversation}/fork", json={"message_id": sent["answer"]["id"]})
    assert fork.status_code == 201, fork.text
    assert fork.json()["parent_id"] == conversation
    copied = await chat.messages(fork.json()["id"])
    assert [m["text"] for m in copied] == [m["text"] for m in (await chat.messages(conversation))[:2]]
    await chat.events((await chat.send(fork.json()["id"], "Other"))["stream"])
    assert len(await chat.messages(conversation)) == 4


async def test_a_deleted_conversation_is_gone_and_its_answer_stopped(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("a", "b")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await chat.gateway.until(lambda: len(chat.gateway.requests) == 1)
    assert (await chat.http.delete(f"/conversations/{conversation}")).status_code == 204
    assert await chat.gateway.until(lambda: chat.gateway.open_responses == 0)
    for path in (f"/conversations/{conversation}", f"/conversations/{conversation}/messages"):
        assert (await chat.http.get(path)).status_code == 404
    assert (await chat.http.get("/conversations")).json()["items"] == []
    assert sent["run"]["status"] == "running"


async def test_siblings_are_told_with_each_message(chat: Chat) -> None:
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await chat.events(sent["stream"])
    again = (await chat.http.post(f"/messages/{sent['answer']['id']}/regenerate")).json()
    await chat.events(again["stream"])
    answers = [sent["answer"]["id"], again["answer"]["id"]]
    messages = await chat.messages(conversation)
    assert [m["siblings"] for m in messages] == [[sent["message"]["id"]], answers]


@pytest.mark.requirement("E05-T004.AC2")
async def test_what_is_another_users_is_not_there(chat: Chat) -> None:
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await chat.events(sent["stream"])
    run, message = sent["run"]["id"], sent["answer"]["id"]
    other = {"X-Chat-User": "mallory"}
    for method, path in [
        ("GET", f"/conversations/{conversation}"),
        ("PATCH", f"/conversations/{conversation}"),
        ("DELETE", f"/conversations/{conversation}"),
        ("GET", f"/conversations/{conversation}/messages"),
        ("POST", f"/conversations/{conversation}/messages"),
        ("GET", f"/conversations/{conversation}/stream"),
        ("POST", f"/conversations/{conversation}/fork"),
        ("POST", f"/conversations/{conversation}/complete"),
        ("GET", f"/runs/{run}"),
        ("GET", f"/runs/{run}/events"),
        ("POST", f"/runs/{run}/stop"),
        ("POST", f"/runs/{run}/continue"),
        ("POST", f"/messages/{message}/regenerate"),
    ]:
        body = {"message": "Hi"} if path.endswith("messages") else {}
        reply = await chat.http.request(method, path, headers=other, json=None if method == "GET" else body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found"), (method, path)
    assert (await chat.http.get("/conversations", headers=other)).json()["items"] == []


@pytest.mark.requirement("E05-T004.AC2")
async def test_every_error_has_the_envelope(chat: Chat) -> None:
    conversation = await chat.begin()
    path = f"/conversations/{conversation}/messages"
    json_type = {"Content-Type": "application/json"}
    for status, code, reply in [
        (404, "not_found", await chat.http.get("/nowhere")),
        (405, "method_not_allowed", await chat.http.put("/conversations")),
        (404, "not_found", await chat.http.get("/conversations/nonsense")),
        (404, "not_found", await chat.http.get("/runs/01a22cf5-71d8-70d0-b5a2-f60adbaa0707")),
        (400, "malformed_json", await chat.http.post(path, content=b'{"message": ', headers=json_type)),
        (400, "malformed_json", await chat.http.post(path, content=b'{"message": "\xff"}', headers=json_type)),
        (422, "invalid_request", await chat.http.post(path, json={})),
        (422, "invalid_request", await chat.http.post(path, json={"message": " "})),
        (422, "invalid_request", await chat.http.post(path, json={"message": "Hi", "parts": []})),
        (422, "invalid_request", await chat.http.post(path, json={"message": 1})),
        (422, "invalid_request", await chat.http.post(path, json={"message": "Hi", "on_busy": "wait"})),
        (422, "invalid_request", await chat.http.post(path, json={"message": "Hi", "unknown": 1})),
        (413, "message_too_large", await chat.http.post(path, json={"message": "x" * 300_000})),
    ]:
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert set(error) == {"type", "code", "message", "retryable", "retry_after", "details"}
        assert error["code"] == code
    assert await chat.messages(conversation) == []
