"""Runs: stopped, continued, generated again, failed; each with its real cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from raptscallions_ai import StreamInterruptedError
from raptscallions_ai.testing import Answer, Gate, Hang, Reply, ScriptedClient, json_reply
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_chat.testing import ServedChat, read_events

from .conftest import Chat

Serve = Callable[..., Awaitable[ServedChat]]
COST = "0.0001234567891"


def books(request: RecordedRequest) -> Reply:
    """Return what the gateway's books say of any generation."""
    entry = {"id": request.query["id"], "total_cost": float(COST), "native_tokens_prompt": 11}
    return json_reply({"data": {**entry, "native_tokens_completion": 3, "model": "m", "provider_name": "p"}})


def half_an_answer(gate: Gate) -> Reply:
    steps = Answer(("Half ", "done."), id="gen-half").stream().steps
    return Reply((steps[0], gate, *steps[1:]), headers={"X-Generation-Id": "gen-half"})


async def until_seen(chat: Chat, stream: str, text: bytes) -> None:
    async with chat.http.stream("GET", stream) as response:
        async for data in response.aiter_bytes():
            if text in data:
                return


async def settled(chat: Chat, run_id: str) -> dict[str, Any]:
    """Return a run once its usage is final."""
    async with asyncio.timeout(20):
        while not (run := await chat.run(run_id))["usage"]["final"]:  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.05)
    return run


@pytest.mark.requirement("E05-T002.AC4")
@pytest.mark.requirement("E05-T002.AC7")
async def test_a_stopped_answer_is_kept_closed_upstream_and_has_its_real_cost(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.add(half_an_answer(gate))
    chat.gateway.route("GET", "/api/v1/generation").add(books, times=None)
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await until_seen(chat, sent["stream"], b"Half")
    path = f"/runs/{sent['run']['id']}/stop"
    stopped = await chat.http.post(path)
    assert stopped.status_code == 202
    assert await chat.gateway.until(lambda: chat.gateway.open_responses == 0, 5)
    events = await chat.events(sent["stream"])
    assert (events[-1].type, events[-1].data["reason"]) == ("stopped", "user")
    again = await chat.http.post(path)
    assert (again.status_code, again.json()["run"]["status"]) == (200, "stopped")
    run = await settled(chat, sent["run"]["id"])
    assert (run["status"], run["stop_reason"]) == ("stopped", "user")
    assert Decimal(run["usage"]["cost"]) == Decimal(COST)
    assert (run["usage"]["cost_source"], run["usage"]["prompt_tokens"]) == ("reported", 11)
    answer = (await chat.messages(conversation))[-1]
    assert (answer["status"], answer["text"]) == ("stopped", "Half ")
    assert answer["usage"] == run["usage"]


@pytest.mark.requirement("E05-T002.AC4")
async def test_a_stop_before_the_first_word_waits_for_the_generations_id(chat: Chat) -> None:
    chat.gateway.reply(b"", Hang(), headers={"X-Generation-Id": "gen-silent"})
    chat.gateway.route("GET", "/api/v1/generation").add(books, times=None)
    sent = await chat.send(await chat.begin())
    await chat.gateway.until(lambda: len(chat.gateway.requests) == 1)
    assert (await chat.http.post(f"/runs/{sent['run']['id']}/stop")).status_code == 202
    assert (await chat.events(sent["stream"]))[-1].type == "stopped"
    run = await settled(chat, sent["run"]["id"])
    assert Decimal(run["usage"]["cost"]) == Decimal(COST)


@pytest.mark.requirement("E05-T002.AC4")
async def test_a_stop_does_not_wait_long_for_headers_that_do_not_come(chat: Chat) -> None:
    chat.gateway.reply(Hang(), before_headers=True)
    sent = await chat.send(await chat.begin())
    await chat.gateway.until(lambda: len(chat.gateway.requests) == 1)
    began = time.monotonic()
    await chat.http.post(f"/runs/{sent['run']['id']}/stop")
    assert (await chat.events(sent["stream"]))[-1].type == "stopped"
    assert time.monotonic() - began < 5


async def test_a_waiting_run_is_stopped_at_once(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.add(half_an_answer(gate))
    conversation = await chat.begin()
    first = await chat.send(conversation)
    second = await chat.send(conversation, on_busy="enqueue")
    stopped = (await chat.http.post(f"/runs/{second['run']['id']}/stop")).json()
    assert stopped["run"]["status"] == "stopped"
    events = await chat.events(second["stream"])
    assert [event.type for event in events] == ["run_started", "message_started", "usage", "stopped"]
    gate.open()
    assert (await chat.events(first["stream"]))[-1].type == "completed"
    assert len(chat.gateway.requests) == 1


@pytest.mark.requirement("E05-T002.AC6")
async def test_continue_goes_on_in_the_same_answer_by_a_new_run(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.add(half_an_answer(gate)).stream("and whole.")
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await until_seen(chat, sent["stream"], b"Half")
    assert (await chat.http.post(f"/runs/{sent['run']['id']}/continue")).status_code == 409
    await chat.http.post(f"/runs/{sent['run']['id']}/stop")
    await chat.events(sent["stream"])
    reply = await chat.http.post(f"/runs/{sent['run']['id']}/continue")
    assert reply.status_code == 202, reply.text
    on = reply.json()
    assert on["answer"]["id"] == sent["answer"]["id"]
    assert on["run"]["continues"] == sent["run"]["id"]
    events = await chat.events(on["stream"])
    assert [event.type for event in events[:3]] == ["run_started", "message_started", "snapshot"]
    assert events[2].data["text"] == "Half "
    answer = (await chat.messages(conversation))[-1]
    assert (answer["status"], answer["text"]) == ("complete", "Half and whole.")
    over = await chat.http.post(f"/runs/{on['run']['id']}/continue")
    assert (over.status_code, over.json()["error"]["code"]) == (409, "nothing_to_continue")
    over = await chat.http.post(f"/runs/{sent['run']['id']}/continue")
    assert (over.status_code, over.json()["error"]["code"]) == (409, "nothing_to_continue")


@pytest.mark.requirement("E05-T002.AC6")
@pytest.mark.parametrize(("model", "prefill"), [("anthropic/claude-sonnet-4", True), ("openai/gpt-4o", False)])
async def test_continue_lets_a_model_go_on_that_can_and_asks_the_others(
    served: Serve, model: str, prefill: bool
) -> None:
    broken = StreamInterruptedError("cut")
    client = ScriptedClient(["Half ", broken], [" and ", "whole."], model=model)
    service = await served(client)
    async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
        conversation = (await http.post("/conversations", json={"model": model})).json()["id"]
        path = f"/conversations/{conversation}/messages"
        run = (await http.post(path, json={"message": "Hi"})).json()["run"]["id"]
        await http.get(f"/runs/{run}/events")
        on = (await http.post(f"/runs/{run}/continue")).json()
        await http.get(on["stream"])
        answer = (await http.get(path)).json()["items"][-1]
    asked = [(message["role"], message["content"]) for message in client.calls[1].messages]
    if prefill:
        # Models refuse a text that ends with a space, and may write it again.
        assert asked == [("user", "Hi"), ("assistant", "Half")]
        assert answer["text"] == "Half and whole."
    else:
        assert asked[:2] == [("user", "Hi"), ("assistant", "Half ")]
        assert asked[2][0] == "user"
        assert answer["text"] == "Half  and whole."


@pytest.mark.requirement("E05-T002.AC6")
async def test_regenerate_makes_a_sibling(chat: Chat) -> None:
    chat.gateway.stream("One.").stream("Two.")
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    await chat.events(sent["stream"])
    reply = (await chat.http.post(f"/messages/{sent['answer']['id']}/regenerate")).json()
    assert reply["answer"]["parent_id"] == sent["message"]["id"]
    assert reply["answer"]["id"] != sent["answer"]["id"]
    assert reply["run"]["regenerates"] == sent["run"]["id"]
    await chat.events(reply["stream"])
    assert [m["text"] for m in await chat.messages(conversation)] == ["Hi", "Two."]
    old = await chat.messages(conversation, leaf=sent["answer"]["id"])
    assert [m["text"] for m in old] == ["Hi", "One."]


@pytest.mark.requirement("E05-T002.AC7")
async def test_a_broken_answer_is_kept_with_its_error_and_its_cost(chat: Chat) -> None:
    steps = Answer(("Half ", "done."), id="gen-cut").stream().steps
    chat.gateway.reply(steps[0])
    chat.gateway.route("GET", "/api/v1/generation").add(books, times=None)
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    events = await chat.events(sent["stream"])
    assert events[-1].type == "failed"
    assert events[-1].data["error"]["type"] == "StreamInterruptedError"
    run = await settled(chat, sent["run"]["id"])
    assert (run["status"], run["error"]) == ("failed", events[-1].data["error"])
    assert Decimal(run["usage"]["cost"]) == Decimal(COST)
    answer = (await chat.messages(conversation))[-1]
    assert (answer["status"], answer["text"]) == ("failed", "Half ")


@pytest.mark.requirement("E05-T002.AC7")
async def test_an_answer_that_never_began_costs_nothing_and_keeps_no_secret(chat: Chat) -> None:
    chat.gateway.error(401, "No auth credentials found")
    sent = await chat.send(await chat.begin())
    end = (await chat.events(sent["stream"]))[-1]
    assert (end.type, end.data["error"]["type"]) == ("failed", "AuthenticationError")
    assert end.data["usage"]["final"] is True
    assert "credentials" not in str(end.data)


@pytest.mark.parametrize(
    ("reason", "status"), [("length", "complete"), ("content_filter", "blocked"), ("stop", "complete")]
)
async def test_how_an_answer_finished_decides_the_messages_status(chat: Chat, reason: str, status: str) -> None:
    chat.gateway.stream("Some.", finish_reason=reason)
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    end = (await chat.events(sent["stream"]))[-1]
    assert (end.type, end.data["finish_reason"]) == ("completed", reason)
    answer = (await chat.messages(conversation))[-1]
    assert (answer["status"], answer["finish_reason"]) == (status, reason)
    assert answer["usage"]["cost"] is not None


async def test_an_answer_without_usage_is_complete_with_usage_unknown(chat: Chat) -> None:
    chat.gateway.stream("Some.", usage=None)
    chat.gateway.route("GET", "/api/v1/generation").json(
        {"error": {"message": "no", "code": 501}}, status=501, times=None
    )
    sent = await chat.send(await chat.begin())
    events = await chat.events(sent["stream"])
    assert events[-1].type == "completed"
    assert (events[-1].data["usage"]["cost"], events[-1].data["usage"]["cost_source"]) == (None, "unknown")


async def test_the_events_are_those_of_the_contract(chat: Chat) -> None:
    from raptscallions_ai import ToolCall

    chat.gateway.stream("A", reasoning=["Hm."], tool_calls=[ToolCall("call_1", "weather", '{"city": "Oslo"}')])
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    events = await chat.events(sent["stream"])
    assert events[0].data == {
        "type": "run_started",
        "run_id": sent["run"]["id"],
        "conversation_id": conversation,
        "message_id": sent["message"]["id"],
        "answer_id": sent["answer"]["id"],
        "attempt": 1,
    }
    assert all(event.data["type"] == event.type for event in events)
    kinds = [event.type for event in events]
    assert {"title", "reasoning", "content", "tool_call"} <= set(kinds)
    assert kinds[-2:] == ["usage", "completed"]
    assert events[-1].data["answer_id"] == sent["answer"]["id"]
    assert events[-1].data["usage"] == events[-2].data["usage"] == (await chat.run(sent["run"]["id"]))["usage"]
    answer = (await chat.messages(conversation))[-1]
    assert [part["type"] for part in answer["parts"]] == ["reasoning", "text", "tool_call"]
    assert answer["parts"][2]["arguments"] == '{"city": "Oslo"}'


async def test_the_same_stream_at_once_if_the_client_accepts_events(chat: Chat) -> None:
    conversation = await chat.begin()
    events = await chat.events_of_post(f"/conversations/{conversation}/messages", {"message": "Hi"}, {})
    assert [events[0].type, events[-1].type] == ["run_started", "completed"]


async def test_an_answer_goes_on_without_its_reader(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.add(half_an_answer(gate))
    conversation = await chat.begin()
    path = f"/conversations/{conversation}/messages"
    async with chat.http.stream("POST", path, json={"message": "Hi"}, headers={"Accept": "text/event-stream"}) as got:
        async for event in read_events(got.aiter_bytes()):
            if event.type == "content":
                break
    gate.open()
    live = await chat.http.get(f"/conversations/{conversation}/stream")
    assert live.status_code in (200, 204)
    assert [m["text"] for m in await chat.messages(conversation)] == ["Hi", "Half done."]
