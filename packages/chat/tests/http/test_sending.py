"""Sending: where a message goes, what a busy conversation answers, and requests that come twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from raptscallions_ai.testing import Answer, Gate

from .conftest import Chat


def gated(gate: Gate, *, before: str = "Half ", after: str = "done.") -> tuple[Any, ...]:
    """Return an answer that stops in the middle until a gate opens."""
    whole = Answer((before, after)).stream().steps
    return (whole[0], gate, *whole[1:])


@pytest.mark.requirement("E05-T001.AC1")
async def test_a_message_without_a_parent_follows_the_head_and_an_old_parent_is_stale(chat: Chat) -> None:
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    await chat.events(first["stream"])
    second = await chat.send(conversation, "Two")
    assert second["message"]["parent_id"] == first["answer"]["id"]
    await chat.events(second["stream"])
    head = second["answer"]["id"]
    stale = await chat.send(conversation, "Late", 409, parent_id=first["answer"]["id"])
    assert stale["error"]["code"] == "stale_parent"
    assert stale["error"]["details"] == {"head_id": head}
    assert (await chat.send(conversation, "First?", 409, parent_id=None))["error"]["code"] == "stale_parent"
    foreign = (await chat.send(await chat.begin(), "Elsewhere"))["message"]["id"]
    for parent in (foreign, "01a22cf5-71d8-70d0-b5a2-f60adbaa0707", "nothing"):
        refused = await chat.send(conversation, "Whose?", 422, parent_id=parent)
        assert refused["error"]["code"] == "unknown_parent"
    third = await chat.send(conversation, "Three", parent_id=head)
    assert third["message"]["parent_id"] == head


@pytest.mark.requirement("E05-T001.AC2")
async def test_a_branch_is_an_edit_and_both_branches_can_be_read(chat: Chat) -> None:
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    await chat.events(first["stream"])
    second = await chat.send(conversation, "Two")
    await chat.events(second["stream"])
    edited = await chat.send(conversation, "Two, better", parent_id=first["answer"]["id"], branch=True)
    await chat.events(edited["stream"])
    anew = await chat.send(conversation, "One, better", parent_id=None, branch=True)
    await chat.events(anew["stream"])
    assert [m["text"] for m in await chat.messages(conversation) if m["role"] == "user"] == ["One, better"]
    old = await chat.messages(conversation, leaf=second["answer"]["id"])
    assert [m["text"] for m in old if m["role"] == "user"] == ["One", "Two"]
    middle = await chat.messages(conversation, leaf=edited["message"]["id"])
    assert [m["text"] for m in middle if m["role"] == "user"] == ["One", "Two, better"]


@pytest.mark.requirement("E05-T002.AC5")
async def test_a_busy_conversation_refuses_by_default_and_says_what_to_follow(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.reply(*gated(gate))
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    refused = await chat.send(conversation, "Two", 409)
    assert refused["error"]["code"] == "run_active"
    assert refused["error"]["details"] == {"run_id": first["run"]["id"], "stream": first["stream"]}
    gate.open()
    await chat.events(first["stream"])
    assert len(await chat.messages(conversation)) == 2


@pytest.mark.requirement("E05-T002.AC5")
async def test_enqueued_messages_are_answered_in_order_and_a_full_queue_refuses(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.reply(*gated(gate))
    conversation = await chat.begin()
    sent = [await chat.send(conversation, "0")]
    sent += [await chat.send(conversation, str(n), on_busy="enqueue") for n in range(1, 6)]
    assert {one["run"]["status"] for one in sent[1:]} == {"queued"}
    full = await chat.send(conversation, "6", 429, on_busy="enqueue")
    assert full["error"]["code"] == "queue_full"
    assert full["error"]["retryable"] is True
    gate.open()
    for one in sent:
        assert (await chat.events(one["stream"]))[-1].type == "completed"
    messages = await chat.messages(conversation)
    assert [m["text"] for m in messages if m["role"] == "user"] == ["0", "1", "2", "3", "4", "5"]
    assert [m["seq"] for m in messages] == sorted(m["seq"] for m in messages)


@pytest.mark.requirement("E05-T002.AC5")
async def test_queued_runs_start_whatever_became_of_the_one_before(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.reply(*gated(gate)[:2], b"data: {broken\n\n")
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    second = await chat.send(conversation, "Two", on_busy="enqueue")
    gate.open()
    assert (await chat.events(first["stream"]))[-1].type == "failed"
    assert (await chat.events(second["stream"]))[-1].type == "completed"


@pytest.mark.requirement("E05-T002.AC5")
async def test_an_interrupt_stops_what_runs_and_waits_keeps_what_came_and_runs(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.reply(*gated(gate))
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    await chat.gateway.until(lambda: len(chat.gateway.requests) == 1)
    async with chat.http.stream("GET", first["stream"]) as response:
        async for data in response.aiter_bytes():
            if b"Half" in data:
                break
    queued = await chat.send(conversation, "Two", on_busy="enqueue")
    third = await chat.send(conversation, "Three", on_busy="interrupt")
    ends = [(await chat.events(one["stream"]))[-1] for one in (first, queued, third)]
    assert [end.type for end in ends] == ["stopped", "stopped", "completed"]
    assert [end.data["reason"] for end in ends[:2]] == ["interrupt", "interrupt"]
    messages = {m["id"]: m for m in await chat.messages(conversation)}
    assert (messages[first["answer"]["id"]]["text"], messages[first["answer"]["id"]]["status"]) == ("Half ", "stopped")
    assert (await chat.run(first["run"]["id"]))["stop_reason"] == "interrupt"
    gate.open()


@pytest.mark.requirement("E05-T002.AC5")
async def test_merged_messages_are_all_stored_and_answered_once(chat: Chat) -> None:
    gate = Gate()
    chat.gateway.reply(*gated(gate))
    conversation = await chat.begin()
    first = await chat.send(conversation, "One")
    second = await chat.send(conversation, "Two", on_busy="merge")
    third = await chat.send(conversation, "Three", on_busy="merge")
    assert third["run"]["id"] == second["run"]["id"] != first["run"]["id"]
    assert third["answer"]["id"] == second["answer"]["id"]
    gate.open()
    await chat.events(third["stream"])
    messages = await chat.messages(conversation)
    assert [(m["role"], m["text"]) for m in messages][2:4] == [("user", "Two"), ("user", "Three")]
    assert len(messages) == 5
    assert [m["seq"] for m in messages] == sorted(m["seq"] for m in messages)
    assert len(chat.gateway.requests) == 2
    asked = chat.gateway.requests[1].json["messages"]
    assert [m["content"] for m in asked if m["role"] == "user"] == ["One", "Two", "Three"]


@pytest.mark.requirement("E05-T001.AC5")
async def test_a_request_that_comes_again_gets_the_same_reply_and_sends_nothing(chat: Chat) -> None:
    conversation = await chat.begin()
    path = f"/conversations/{conversation}/messages"
    headers = {"Idempotency-Key": "once"}
    first = await chat.http.post(path, json={"message": "Hi"}, headers=headers)
    again = await chat.http.post(path, json={"message": "Hi"}, headers=headers)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    other = await chat.http.post(path, json={"message": "Ho"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    joined = await chat.events_of_post(path, {"message": "Hi"}, headers)
    assert joined[0].id == f"{first.json()['run']['id']}.1"
    assert joined[-1].type == "completed"
    someone = await chat.http.post("/conversations", json={}, headers={**headers, "X-Chat-User": "someone"})
    assert someone.status_code == 201
    assert len(chat.gateway.requests) == 1
    assert len(await chat.messages(conversation)) == 2


@pytest.mark.requirement("E05-T001.AC5")
async def test_the_same_request_many_times_at_once_is_one_message(chat: Chat) -> None:
    conversation = await chat.begin()
    path = f"/conversations/{conversation}/messages"
    headers = {"Idempotency-Key": "double click"}
    replies = await asyncio.gather(*[chat.http.post(path, json={"message": "Hi"}, headers=headers) for _ in range(8)])
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.content for reply in replies}) == 1
    assert sum("Idempotency-Replayed" in reply.headers for reply in replies) == 7
    await chat.events(replies[0].json()["stream"])
    assert len(chat.gateway.requests) == 1


@pytest.mark.requirement("E05-T001.AC5")
async def test_every_post_can_be_named(chat: Chat) -> None:
    created = [await chat.http.post("/conversations", json={}, headers={"Idempotency-Key": "c"}) for _ in range(2)]
    assert created[0].content == created[1].content
    sent = await chat.send(created[0].json()["id"])
    await chat.events(sent["stream"])
    for path in (f"/messages/{sent['answer']['id']}/regenerate", f"/runs/{sent['run']['id']}/stop"):
        replies = [await chat.http.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert replies[0].status_code in (200, 202), replies[0].text
        assert replies[0].content == replies[1].content
        assert replies[1].headers["Idempotency-Replayed"] == "true"


async def test_nul_and_lone_surrogates_are_replaced_in_events_and_store_alike(chat: Chat) -> None:
    chat.gateway.reply(*Answer(("a\0b", "c")).stream().steps)
    conversation = await chat.begin(title="t\0t")
    sent = await chat.send(conversation, "x\0y")
    events = await chat.events(sent["stream"])
    assert "".join(e.data["content"] for e in events if e.type == "content") == "a\ufffdbc"
    assert [m["text"] for m in await chat.messages(conversation)] == ["x\ufffdy", "a\ufffdbc"]
    raw = await chat.http.post(
        f"/conversations/{conversation}/messages",
        content=rb'{"message": "\ud83d alone"}',
        headers={"Content-Type": "application/json"},
    )
    assert raw.status_code in (202, 422), raw.text
