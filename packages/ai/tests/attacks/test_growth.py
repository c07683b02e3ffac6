"""Nothing grows with what strangers choose."""

from __future__ import annotations

import sys
from typing import cast

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError
from raptscallions_ai._call.breaker import CircuitBreakers
from raptscallions_ai._guards.bounded import BoundedMap
from raptscallions_ai.testing import FakeGateway, Hang, chunk, sse

pytestmark = pytest.mark.requirement("E04-T014.AC4")


def held(value: object, seen: set[int] | None = None) -> int:
    """Return the bytes of everything that a value holds, classes and functions aside."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, type) or callable(value):
        return 0
    seen.add(id(value))
    parts: list[object] = [*vars(value).values()] if hasattr(value, "__dict__") else []
    if isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        parts += [*mapping.keys(), *mapping.values()]
    elif isinstance(value, list | tuple | set):
        parts += [*cast("list[object]", value)]
    return sys.getsizeof(cast("object", value)) + sum(held(part, seen) for part in parts)


def test_a_bounded_map_drops_what_was_not_used_for_longest() -> None:
    kept: BoundedMap[int] = BoundedMap(2)
    kept.put("a", 1)
    kept.put("b", 2)
    kept.get("a")
    kept.put("c", 3)
    assert [kept.get(name) for name in "abc"] == [1, None, 3]
    assert len(kept) == 2


def test_a_bounded_map_keeps_no_long_name() -> None:
    kept: BoundedMap[int] = BoundedMap(100)
    names = [letter * 200_000 for letter in "\ud800abcdefgh"]
    for number, name in enumerate(names):
        kept.put(name, number)
    assert [kept.get(name) for name in names] == [*range(9)]
    assert held(kept) < 5_000
    kept.drop(names[0])
    assert kept.get(names[0]) is None


def test_breakers_are_made_for_models_that_fail_and_for_so_many_only() -> None:
    breakers = CircuitBreakers()
    for number in range(1000):
        breakers.allows(f"asked-{number}")
        breakers.succeeded(f"answered-{number}")
    assert len(breakers) == 0
    for number in range(2000):
        breakers.failed(f"{number:04}" * 50_000 if number % 100 == 0 else f"down-{number}")
    assert len(breakers) == 256
    assert held(breakers) < 300_000


async def test_names_of_models_leave_nothing_behind_in_a_client(
    fake_gateway: FakeGateway, new_client: ClientFactory
) -> None:
    client = new_client()
    await client.chat("hi")
    before = held(client)
    for number in range(40):
        if number % 2:
            fake_gateway.error(503)
        try:
            await client.chat("hi", model=f"{number:04}" * 50_000)
        except AiError:
            assert number % 2
    assert held(client) - before < 100_000


async def test_lists_of_models_are_kept_for_so_many_queries_only(
    fake_gateway: FakeGateway, new_client: ClientFactory
) -> None:
    client = new_client()
    for number in range(40):
        await client.models(extra_query={"category": str(number)})
    assert len(client._catalogue._lists) == 32  # pyright: ignore[reportPrivateUsage] - what is held
    await client.models(extra_query={"category": "39"})
    assert len(fake_gateway.requests) == 40


async def test_streams_that_are_opened_and_dropped_leave_nothing_behind(
    fake_gateway: FakeGateway, new_client: ClientFactory
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang(), times=None)
    client = new_client()
    await client.warm_up()
    before = held(client)
    for _ in range(30):
        async for _ in client.stream_chat("Hi"):
            break
    await fake_gateway.until(lambda: fake_gateway.open_responses == 0)
    assert len(client._calls) == 0  # pyright: ignore[reportPrivateUsage] - what is held
    assert held(client) - before < 50_000
