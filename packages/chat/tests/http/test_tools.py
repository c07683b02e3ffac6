"""Functions of the service that a model calls, and calls that wait for their user across restarts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn

from raptscallions_ai import Tool, ToolCallChunk, tool
from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.app import create_app
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import read_events

RAN: list[str] = []


@tool
async def weather(city: str) -> str:
    """Tell the weather of a city."""
    RAN.append(f"weather {city}")
    return f"21 C in {city}"


@tool(needs_approval=True)
async def send_mail(to: str) -> dict[str, str]:
    """Send a mail."""
    RAN.append(f"mail {to}")
    return {"sent": to}


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@asynccontextmanager
async def serving(client: ScriptedClient, url: str, *tools: Tool[..., Any]) -> AsyncGenerator[httpx2.AsyncClient]:
    app = create_app(ChatSettings.explicit(database_url=url), client=client, functions=tools)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=5))
        running = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with httpx2.AsyncClient(base_url=host, timeout=60) as http:
                yield http
        finally:
            server.should_exit = True
            await running


async def follow(http: httpx2.AsyncClient, stream: str) -> list[dict[str, Any]]:
    async with http.stream("GET", stream) as response:
        return [event.data async for event in read_events(response.aiter_bytes())]


async def send(http: httpx2.AsyncClient, text: str) -> dict[str, Any]:
    conversation = (await http.post("/conversations", json={})).json()
    reply = await http.post(f"/conversations/{conversation['id']}/messages", json={"message": text})
    assert reply.status_code == 202, reply.text
    return {**reply.json(), "conversation": conversation["id"]}


async def test_calls_and_results_are_in_the_stream_and_in_the_store(database: Database, database_url: str) -> None:
    call = ToolCallChunk(0, "call_1", "weather", '{"city":"Rome"}')
    client = ScriptedClient(["Let me look. ", call], "It is 21 degrees.", "You are welcome.")
    async with serving(client, database_url, weather) as http:
        sent = await send(http, "How warm is it in Rome?")
        events = await follow(http, sent["stream"])
        kinds = [event["type"] for event in events if event["type"] not in ("title", "usage")]
        assert kinds[2:] == ["content", "tool_call", "tool_result", "content", "completed"]
        result = next(event for event in events if event["type"] == "tool_result")
        assert (result["id"], result["content"], result["is_error"]) == ("call_1", "21 C in Rome", False)
        page = (await http.get(f"/conversations/{sent['conversation']}/messages")).json()["items"]
        assert page[1]["text"] == "Let me look. It is 21 degrees."
        assert [part["type"] for part in page[1]["parts"]] == ["text", "tool_call", "text"]
        assert page[1]["parts"][1]["result"] == "21 C in Rome"
        run = (await http.get(f"/runs/{sent['run']['id']}")).json()
        assert run["usage"]["total_tokens"] == sum(call.partial.usage.total_tokens for call in client.calls)
        again = await http.post(f"/conversations/{sent['conversation']}/messages", json={"message": "Thanks"})
        await follow(http, again.json()["stream"])
    assert [message["role"] for message in client.calls[2].messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert RAN == ["weather Rome"]


@pytest.mark.parametrize("approve", [True, False])
async def test_a_call_waits_for_its_user_across_a_restart(database: Database, database_url: str, approve: bool) -> None:
    both = [
        "I will write. ",
        ToolCallChunk(0, "call_1", "send_mail", '{"to":"bob"}'),
        ToolCallChunk(1, "call_2", "weather", '{"city":"Rome"}'),
    ]
    async with serving(ScriptedClient(both), database_url, weather, send_mail) as http:
        sent = await send(http, "Write to Bob")
        events = await follow(http, sent["stream"])
        asked = [event for event in events if event["type"] == "approval_requested"]
        assert [(event["id"], event["name"]) for event in asked] == [("call_1", "send_mail")]
        assert (events[-1]["type"], events[-1]["finish_reason"]) == ("completed", "tool_calls")
        refused = await http.post(f"/runs/{sent['run']['id']}/continue")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_to_continue")
    assert RAN == ["weather Rome"]
    client = ScriptedClient("Done.")
    async with serving(client, database_url, weather, send_mail) as http:
        place = f"/runs/{sent['run']['id']}/approvals"
        (waiting,) = (await http.get(place)).json()["items"]
        assert (waiting["call_id"], waiting["arguments"], waiting["decision"]) == ("call_1", '{"to":"bob"}', None)
        bob = {"X-Chat-User": "bob"}
        assert (await http.get(place, headers=bob)).status_code == 404
        assert (await http.post(f"{place}/call_1", json={"approve": True}, headers=bob)).status_code == 404
        assert (await http.post(f"{place}/call_9", json={"approve": True})).status_code == 404
        decision = {"approve": approve} if approve else {"approve": False, "reason": "Not today."}
        decided = await http.post(f"{place}/call_1", json=decision, headers={"Idempotency-Key": "d1"})
        assert decided.status_code == 200, decided.text
        again = await http.post(f"{place}/call_1", json=decision, headers={"Idempotency-Key": "d1"})
        assert again.json() == decided.json()
        events = await follow(http, decided.json()["continued"]["stream"])
        result = next(event for event in events if event["type"] == "tool_result")
        page = (await http.get(f"/conversations/{sent['conversation']}/messages")).json()["items"]
        otherwise = await http.post(f"{place}/call_1", json={"approve": not approve})
        assert (otherwise.status_code, otherwise.json()["error"]["code"]) == (409, "conflict")
    assert (["weather Rome", "mail bob"] if approve else ["weather Rome"]) == RAN
    told = '{"sent": "bob"}' if approve else "The user did not allow this call. Not today."
    assert (result["content"], result["is_error"]) == (told, not approve)
    assert [message["text"] for message in page] == ["Write to Bob", "I will write. Done."]
    messages = client.calls[0].messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[2]["content"] == told
