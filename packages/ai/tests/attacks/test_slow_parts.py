"""Deadlines hold against our own parts: stores, limiters, hooks; what is paid for is delivered before it is kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, SupportsFloat

import pytest
from ai_tests import ClientFactory
from key_value.aio.stores.memory import MemoryStore

from raptscallions_ai import AiError, OpenRouterClient, TimeoutError, Timeouts
from raptscallions_ai.errors import CallbackError
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_ai.wrappers import (
    CachedClient,
    HookedClient,
    RateLimitedClient,
    RateLimiter,
    disk_store,
    memory_store,
)

pytestmark = pytest.mark.requirement("E04-T015.AC1")

SOON = 3.0  # seconds, where without a limit it would be forever


class HangingStore(MemoryStore):
    """A store that hangs forever where it is told to, and ignores that it is cancelled."""

    hangs: tuple[str, ...] = ()
    stubborn = False

    async def hang(self, where: str) -> None:
        while where in self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
                await asyncio.sleep(0.3)  # goes on for a while, whoever cancels it
                return

    async def get(self, key: str, *, collection: str | None = None) -> Any:
        await self.hang("get")
        return await super().get(key, collection=collection)

    async def put(
        self, key: str, value: Mapping[str, Any], *, collection: str | None = None, ttl: SupportsFloat | None = None
    ) -> None:
        await self.hang("put")
        await super().put(key, value, collection=collection, ttl=ttl)


def hanging(*where: str, stubborn: bool = False) -> HangingStore:
    store = HangingStore()
    store.hangs, store.stubborn = where, stubborn
    return store


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("where", [["get"], ["put"], ["get", "put"]])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_store_that_hangs_is_as_good_as_none(where: list[str], stubborn: bool, stream: bool) -> None:
    began = monotonic()
    cached = CachedClient(ScriptedClient("Hello", "again"), hanging(*where, stubborn=stubborn), store_timeout=0.1)
    assert (await cached.chat("Hi", stream=stream)).content == "Hello"
    assert (await cached.chat("Ho", stream=stream)).content == "again"
    await cached.aclose()
    assert monotonic() - began < SOON


async def test_a_store_that_hangs_does_not_outlast_the_calls_time(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    cached = CachedClient(client, hanging("get"), store_timeout=60)
    began = monotonic()
    with pytest.raises(TimeoutError) as caught:
        await cached.chat("Hi", timeout=Timeouts(total=0.2))
    assert (caught.value.phase, caught.value.timeout_ms) == ("total", 200)
    assert monotonic() - began < SOON
    assert fake_gateway.requests == []


async def test_the_clients_own_total_counts_as_well(new_client: ClientFactory) -> None:
    cached = CachedClient(new_client(timeout=Timeouts(total=0.2)), hanging("get"), store_timeout=60)
    with pytest.raises(TimeoutError, match="200ms"):
        await cached.chat("Hi")


async def test_what_the_store_takes_is_taken_from_the_calls_time(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("warm").reply(sse(chunk("Hello")), Hang())
    client = new_client()
    await client.chat("Hi")
    cached = CachedClient(client, hanging("get"), store_timeout=1.0)
    began = monotonic()
    with pytest.raises(TimeoutError) as caught:
        await cached.chat("Hi", timeout=Timeouts(total=1.8))
    assert caught.value.phase == "total"
    assert monotonic() - began < 1.8 + 0.8  # and not 2.8
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"


async def test_an_answer_is_there_before_it_is_kept_and_found_by_whoever_asks_next() -> None:
    store = memory_store()
    first, second = (CachedClient(ScriptedClient("Hello"), store, share_between_keys=True) for _ in range(2))
    assert [(await client.chat("Hi")).content for client in (first, second)] == ["Hello", "Hello"]
    assert len(second.inner.calls) == 0  # type: ignore[attr-defined]


async def test_a_slow_store_holds_so_many_answers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raptscallions_ai.wrappers.cached._MOMENT", 0.0)
    cached = CachedClient(ScriptedClient(*(["Hello"] * 100)), hanging("put"), store_timeout=0.5)
    for number in range(100):
        await cached.chat(f"Hi {number}")
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == "raptscallions_ai: keep an answer"]
    assert len(tasks) == 64
    await cached.aclose()


async def test_a_large_answer_is_not_kept() -> None:
    store = memory_store()
    cached = CachedClient(ScriptedClient("x" * 1_000_001, "y"), store)
    await cached.chat("Hi")
    assert (await cached.chat("Hi")).content == "y"


async def test_keys_do_not_share_answers_unless_asked_to(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    store = memory_store()
    keys = ("sk-one", "sk-two", "sk-one")
    for key in keys:
        await CachedClient(new_client(api_key=key), store).chat("Hi")
    assert len(fake_gateway.requests) == 2
    for key in keys:
        await CachedClient(new_client(api_key=key), store, share_between_keys=True).chat("Hi")
    assert len(fake_gateway.requests) == 3


async def test_nor_do_the_keys_of_fallback_clients_or_of_an_sdk_of_ones_own(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    import openai

    prints = [new_client(api_key="sk-one", fallback_clients=[new_client(api_key=key)]) for key in ("sk-a", "sk-b")]
    sdks = [openai.AsyncOpenAI(api_key=key, base_url=fake_gateway.base_url) for key in ("sk-one", "sk-two")]
    clients = [*prints, *(new_client(api_key=None, base_url=None, openai_client=sdk) for sdk in sdks)]
    fingerprints = [client.key_fingerprint for client in clients]
    assert len(set(fingerprints)) == 4
    assert all("sk" not in str(fingerprint) for fingerprint in fingerprints)
    for sdk in sdks:
        await sdk.close()


@pytest.mark.skipif(os.name == "nt", reason="folders have no such owners there")
def test_a_folder_of_another_user_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "answers"
    place.mkdir(0o700)
    disk_store(place)
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    with pytest.raises(ValueError, match="belongs to another user"):
        disk_store(place)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_link_of_another_user_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    disk_store(tmp_path / "link")
    os.lchown(tmp_path / "link", 12345, 12345)
    with pytest.raises(ValueError, match="belongs to another user"):
        disk_store(tmp_path / "link")


async def test_the_store_on_disk_has_a_size_and_its_files_are_private(tmp_path: Path) -> None:
    place = tmp_path / "answers"
    store = disk_store(place, max_entries=50)
    for number in range(101):
        await store.put(f"key-{number}", {"n": number}, collection="answers-1")
    files = [path for path in place.rglob("*.json") if path.parent != place]
    assert 50 <= len(files) <= 51
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert await store.get("key-100", collection="answers-1") == {"n": 100}
    with pytest.raises(ValueError, match="max_entries"):
        disk_store(place, max_entries=0)


async def test_a_hook_that_hangs_is_ended_by_its_limit_and_by_the_calls_time(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    hooked = HookedClient(new_client(), before_call=hang, hook_timeout=0.1)
    with pytest.raises(CallbackError, match="before_call took longer than 0.1 seconds"):
        await hooked.chat("Hi")
    hooked = HookedClient(new_client(timeout=Timeouts(total=0.1)), before_call=hang)
    with pytest.raises(TimeoutError) as caught:
        await hooked.chat("Hi")
    assert caught.value.phase == "total"
    assert fake_gateway.requests == []


@pytest.mark.parametrize("where", ["before_call", "on_chunk", "after_call", "on_error", "on_left"])
@pytest.mark.parametrize("error", [SystemExit(), asyncio.CancelledError(), StopIteration(), GeneratorExit()])
async def test_what_a_hook_of_a_call_raises_is_a_failure_at_most(where: str, error: BaseException) -> None:
    def hook(*_: object) -> None:
        raise error

    hooked = HookedClient(ScriptedClient("Hello", AiError("down"), ["Hel", "lo"]), **{where: hook})  # type: ignore[arg-type]
    stops = where in ("before_call", "on_chunk", "after_call")
    if stops:
        with pytest.raises(CallbackError):
            await hooked.chat("Hi")
        return
    assert (await hooked.chat("Hi")).content == "Hello"
    with pytest.raises(AiError, match="down"):
        await hooked.chat("Hi")
    async for _ in hooked.stream_chat("Hi"):
        break


async def test_a_limiter_counts_to_the_clients_own_total(new_client: ClientFactory) -> None:
    limiter = RateLimiter(max_concurrency=1)
    await limiter.acquire()
    limited = RateLimitedClient(new_client(timeout=Timeouts(total=0.1)), limiter)
    began = monotonic()
    with pytest.raises(AiError):
        await limited.chat("Hi")
    assert monotonic() - began < SOON


async def test_a_gateway_that_tells_of_absurd_usage_stops_no_limiter_for_ever() -> None:
    limiter = RateLimiter(tokens_per_minute=6_000_000)  # a token in 10 microseconds
    expected = await limiter.acquire(10)
    limiter.release(10**15, expected=expected)
    # What the next calls would have to wait for.
    adjustment = limiter._tokens._pending_adjustment()  # pyright: ignore[reportPrivateUsage]
    limiter._tokens.adjust(adjustment)  # pyright: ignore[reportPrivateUsage]
    await limiter.acquire(1, max_wait=61)
    assert limiter._tokens._pending_adjustment() <= 10 * 6_000_000  # pyright: ignore[reportPrivateUsage]
