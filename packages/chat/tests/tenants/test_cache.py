"""Look-ups that are kept for a few seconds."""

from __future__ import annotations

import asyncio

import pytest

from raptscallions_chat.tenants.cache import ShortCache


class LookUp:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.count = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        count = self.count
        await self.go.wait()
        return count


async def test_those_who_ask_together_share_one_look_up() -> None:
    cache, look_up = ShortCache[int](), LookUp()
    asking = [asyncio.create_task(cache.get("a", look_up)) for _ in range(10)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    look_up.go.set()
    assert await asyncio.gather(*asking) == [1] * 9
    assert await cache.get("a", look_up) == 1


async def test_what_is_old_or_forgotten_is_looked_up_anew() -> None:
    cache, look_up = ShortCache[int](seconds=-1.0), LookUp()
    look_up.go.set()
    assert [await cache.get("a", look_up), await cache.get("a", look_up)] == [1, 2]
    cache = ShortCache[int](seconds=60)
    assert await cache.get("a", look_up) == 3
    cache.forget("a")
    assert await cache.get("a", look_up) == 4
    cache.forget()
    assert await cache.get("a", look_up) == 5


async def test_a_failure_is_not_remembered() -> None:
    cache, failures = ShortCache[int](seconds=60), [RuntimeError("the database is away")]

    async def look_up() -> int:
        if failures:
            raise failures.pop()
        return 1

    with pytest.raises(RuntimeError):
        await cache.get("a", look_up)
    assert await cache.get("a", look_up) == 1


async def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    cache, look_up = ShortCache[int](seconds=60, size=2), LookUp()
    look_up.go.set()
    for key in "abca":
        await cache.get(key, look_up)
    assert look_up.count == 4


def test_another_event_loop_does_not_wait_for_the_first_one() -> None:
    cache = ShortCache[int](seconds=60)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.get("a", LookUp()), 0.01)

    async def one() -> int:
        return 1

    asyncio.run(give_up())
    assert asyncio.run(cache.get("a", one)) == 1
