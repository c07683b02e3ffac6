"""Two processes' worth of service over one PostgreSQL and one Redis: whoever is asked, the answer is the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import Answer, FakeGateway, Gate
from raptscallions_chat.testing import ServerEvent, read_events, serve_chat

from .conftest import Chat

WORDS = [f"word{n} " for n in range(40)]


@pytest.fixture
async def pair(service_set: dict[str, Any]) -> AsyncIterator[tuple[Chat, Chat]]:
    """Two services that share everything outside of them."""
    if "redis_url" not in service_set:
        pytest.skip("one process owns a SQLite file")
    async with AsyncExitStack() as stack:
        gateway = stack.enter_context(FakeGateway())
        client = await stack.enter_async_context(
            OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model, max_retries=0)
        )
        chats: list[Chat] = []
        for _ in range(2):
            served = await stack.enter_async_context(serve_chat(client, **service_set))
            http = await stack.enter_async_context(httpx2.AsyncClient(base_url=served.url, timeout=60.0))
            chats.append(Chat(served, gateway, http))
        yield chats[0], chats[1]


@pytest.mark.requirement("E05-T003.AC1")
async def test_a_reader_that_changes_the_worker_at_each_event_reads_the_same(pair: tuple[Chat, Chat]) -> None:
    here, there = pair
    here.gateway.stream(*WORDS, interval_s=0.02)
    sent = await here.send(await here.begin())

    async def wanderer() -> list[ServerEvent]:
        events: list[ServerEvent] = []
        while not events or events[-1].type != "completed":
            chat = pair[len(events) % 2]
            cursor = {"Last-Event-ID": events[-1].id} if events else {}
            async with chat.http.stream("GET", sent["stream"], headers=cursor) as response:
                assert response.status_code == 200
                async for event in read_events(response.aiter_bytes()):
                    events.append(event)
                    if len(events) % 3 == 0:
                        break
        return events

    everybody = await asyncio.gather(here.events(sent["stream"]), there.events(sent["stream"]), wanderer(), wanderer())
    assert all(events == everybody[0] for events in everybody)
    assert "".join(e.data["content"] for e in everybody[0] if e.type == "content") == "".join(WORDS)


@pytest.mark.requirement("E05-T002.AC4")
async def test_stop_works_from_the_other_worker(pair: tuple[Chat, Chat]) -> None:
    here, there = pair
    gate = Gate()
    steps = Answer(("Half ", "done.")).stream().steps
    here.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await here.begin()
    sent = await here.send(conversation)
    async with there.http.stream("GET", sent["stream"]) as response:
        events = read_events(response.aiter_bytes())
        async for event in events:
            if event.type == "content":
                break
        began = time.monotonic()
        assert (await there.http.post(f"/runs/{sent['run']['id']}/stop")).status_code == 202
        assert await here.gateway.until(lambda: here.gateway.open_responses == 0)
        # Without the signal the heartbeat would tell, 3 seconds later.
        assert time.monotonic() - began < 2.5
        assert [event async for event in events][-1].type == "stopped"
    assert (await there.messages(conversation))[-1]["text"] == "Half "


async def test_the_next_run_of_a_queue_begins_wherever_there_is_room(pair: tuple[Chat, Chat]) -> None:
    here, there = pair
    gate = Gate()
    steps = Answer(("Half ", "done.")).stream().steps
    here.gateway.reply(steps[0], gate, *steps[1:])
    conversation = await here.begin()
    await here.send(conversation)
    second = await there.send(conversation, "Two", on_busy="enqueue")
    gate.open()
    for chat in pair:
        assert (await chat.events(second["stream"]))[-1].type == "completed"
