"""Streams: resumed at any event, told again after the end, and what a cursor may be."""

from __future__ import annotations

import asyncio
import os

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from raptscallions_ai.testing import Answer, Gate
from raptscallions_chat.testing import ServerEvent, read_events

from .conftest import Chat

REDIS = os.environ.get("CHAT_TEST_REDIS", "redis://127.0.0.1:6379/0")


async def forget_in_redis(run_id: str) -> None:
    redis = Redis.from_url(REDIS)  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
    try:
        await redis.delete(f"chat:{{{run_id}}}:log")
    except (RedisError, OSError):
        pass  # the embedded set needs none
    finally:
        await redis.aclose()


WORDS = [f"word{n} " for n in range(40)]


def text_of(events: list[ServerEvent]) -> str:
    text = ""
    for event in events:
        if event.type == "snapshot":
            text = event.data["text"]
        elif event.type == "content":
            text += event.data["content"]
    return text


@pytest.mark.requirement("E05-T003.AC1")
async def test_a_stream_is_resumed_at_any_event_byte_for_byte(chat: Chat) -> None:
    chat.gateway.stream(*WORDS, interval_s=0.01)
    sent = await chat.send(await chat.begin())
    whole = await chat.events(sent["stream"])
    run = sent["run"]["id"]
    assert [event.id for event in whole] == [f"{run}.{n}" for n in range(1, len(whole) + 1)]
    assert len(whole) > 6
    for position, event in enumerate(whole[:-1], 1):
        by_header = await chat.events(sent["stream"], headers={"Last-Event-ID": event.id})
        by_query = await chat.events(sent["stream"], params={"after": event.id})
        assert by_header == by_query == whole[position:]
    over = await chat.http.get(sent["stream"], params={"after": whole[-1].id})
    assert (over.status_code, over.content) == (204, b"")


@pytest.mark.requirement("E05-T003.AC1")
async def test_many_readers_that_come_and_go_all_read_the_same(chat: Chat) -> None:
    chat.gateway.stream(*WORDS, interval_s=0.02)
    sent = await chat.send(await chat.begin())

    async def restless() -> list[ServerEvent]:
        """Read two events, leave, come back."""
        events: list[ServerEvent] = []
        while not events or events[-1].type != "completed":
            cursor = {"Last-Event-ID": events[-1].id} if events else {}
            taken = 0
            async with chat.http.stream("GET", sent["stream"], headers=cursor) as response:
                assert response.status_code == 200
                async for event in read_events(response.aiter_bytes()):
                    events.append(event)
                    taken += 1
                    if taken == 2:
                        break
        return events

    everybody = await asyncio.gather(chat.events(sent["stream"]), *[restless() for _ in range(5)])
    assert all(events == everybody[0] for events in everybody)
    assert text_of(everybody[0]) == "".join(WORDS)


@pytest.mark.requirement("E05-T003.AC3")
async def test_cursors_of_other_runs_and_beyond_the_end_are_refused(chat: Chat) -> None:
    sent = await chat.send(await chat.begin())
    other = await chat.send(await chat.begin())
    events = await chat.events(sent["stream"])
    for cursor in (f"{other['run']['id']}.1", f"{sent['run']['id']}.{len(events) + 1}", "x", f"{sent['run']['id']}.x"):
        refused = await chat.http.get(sent["stream"], headers={"Last-Event-ID": cursor})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_cursor"), cursor


@pytest.mark.requirement("E05-T003.AC2")
@pytest.mark.requirement("E05-T003.AC3")
async def test_a_run_whose_events_are_gone_is_told_again_with_a_snapshot(chat: Chat) -> None:
    chat.gateway.stream(*WORDS, reasoning=["Hm, ", "well."])
    sent = await chat.send(await chat.begin())
    whole = await chat.events(sent["stream"])
    runtime = chat.served.app.state.services.runtime
    await runtime.store.drop_pieces(-1.0)
    runtime.log.drop([sent["run"]["id"]])
    if hasattr(runtime.log, "_redis"):
        await runtime.log._redis.flushdb()
    told = await chat.events(sent["stream"])
    assert [event.type for event in told] == ["run_started", "message_started", "snapshot", "usage", "completed"]
    assert told[:2] == whole[:2]
    assert [event.id for event in told[-2:]] == [event.id for event in whole[-2:]]
    assert told[-1] == whole[-1]
    snapshot = told[2]
    assert snapshot.id == f"{sent['run']['id']}.{len(whole) - 2}"
    assert snapshot.data["text"] == "".join(WORDS)
    assert snapshot.data["reasoning"] == "Hm, well."
    assert snapshot.data["tool_calls"] == []
    assert await chat.events(sent["stream"], params={"after": snapshot.id}) == told[-2:]


async def test_a_conversation_without_a_run_has_no_stream(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("a", "b")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await chat.begin()
    path = f"/conversations/{conversation}/stream"
    assert (await chat.http.get(path)).status_code == 204
    sent = await chat.send(conversation)
    async with chat.http.stream("GET", path) as response:
        assert response.status_code == 200
        events = read_events(response.aiter_bytes())
        assert (await anext(events)).id == f"{sent['run']['id']}.1"
        gate.open()
        assert [event async for event in events][-1].type == "completed"
    assert (await chat.http.get(path)).status_code == 204


async def test_a_message_that_is_being_written_has_what_readers_have_seen(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("seen ", "later")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    async with chat.http.stream("GET", sent["stream"]) as response:
        async for event in read_events(response.aiter_bytes()):
            if event.type == "content":
                answer = (await chat.messages(conversation))[-1]
                assert (answer["status"], answer["text"]) == ("streaming", "seen ")
                break
    gate.open()
    assert text_of(await chat.events(sent["stream"])) == "seen later"


@pytest.mark.settings(pool_size=1)
@pytest.mark.requirement("E05-T003.AC6")
async def test_with_one_connection_to_the_store_200_open_streams_are_in_nobodys_way(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("a", "b")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await chat.begin()
    sent = await chat.send(conversation)
    opened = asyncio.Event()
    count = 0

    async def reader() -> str:
        nonlocal count
        events: list[ServerEvent] = []
        async with chat.http.stream("GET", sent["stream"]) as response:
            async for event in read_events(response.aiter_bytes()):
                events.append(event)
                if event.type == "content" and event.data["content"] == "a":
                    count += 1
                    if count == 200:
                        opened.set()
        return text_of(events)

    readers = [asyncio.create_task(reader()) for _ in range(200)]
    async with asyncio.timeout(60):
        await opened.wait()
    async with asyncio.timeout(10):
        for _ in range(5):
            assert len(await chat.messages(conversation)) == 2
            await chat.begin()
    gate.open()
    assert set(await asyncio.gather(*readers)) == {"ab"}
