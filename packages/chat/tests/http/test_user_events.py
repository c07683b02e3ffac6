"""The stream of what happens to a user, without a network."""

from __future__ import annotations

import asyncio

import pytest

from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.log.memory import MemorySignals
from raptscallions_chat.user_events import UserEvents


async def test_a_reader_that_takes_its_time_is_not_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raptscallions_chat.user_events._TICK_S", 0.01)
    closing = False
    events = UserEvents(MemorySignals(), lambda: closing)
    frames = events.follow(Principal("a-tenant", "ada"))
    assert b"ready" in await anext(frames)
    await events.tell("a-tenant", "ada", "title", title="Hello")
    assert b"Hello" in await anext(frames)
    await asyncio.sleep(0.05)  # longer than the stream itself would wait: what the test is about
    await events.tell("a-tenant", "ada", "title", title="Again")
    assert b"Again" in await anext(frames)
    closing = True
    assert [frame async for frame in frames] == [b"retry: 1000\n\n"]
