"""A `RateLimiter` lets through as many calls as it should, in order, and every place is given back."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import Any

import pytest

from raptscallions_ai import OpenRouterClient, RateLimitError, StreamInterruptedError, TimeoutError, Timeouts, user
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE
from raptscallions_ai.wrappers import RateLimitedClient, RateLimiter

pytestmark = pytest.mark.requirement("E04-T005.AC9")


@pytest.fixture
def one_at_a_time(client: OpenRouterClient) -> RateLimitedClient:
    return RateLimitedClient(client, RateLimiter(max_concurrency=1))


async def test_no_more_calls_at_the_same_time_than_allowed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gates = [Gate() for _ in range(5)]
    for gate in gates:
        fake_gateway.reply(sse(chunk("Hel")), gate, sse(chunk("lo", finish_reason="stop", usage=usage())), DONE)
    limited = RateLimitedClient(client, RateLimiter(max_concurrency=2))
    tasks = [asyncio.create_task(limited.chat(f"question {number}")) for number in range(5)]
    for number, gate in enumerate(gates):
        expected = min(number + 2, 5)
        await fake_gateway.until(lambda: len(fake_gateway.requests) == expected)  # noqa: B023 - used at once
        await asyncio.sleep(0)
        assert len(fake_gateway.requests) == expected
        gate.open()
        await tasks[number]
    asked = [request.json["messages"][0]["content"] for request in fake_gateway.requests]
    assert asked == [f"question {number}" for number in range(5)]


@pytest.mark.parametrize("way", ["complete", "failed", "left", "closed", "forgotten", "thread", "cancelled"])
async def test_every_place_is_given_back(one_at_a_time: RateLimitedClient, fake_gateway: FakeGateway, way: str) -> None:
    if way == "complete":
        fake_gateway.stream("Hello")
    else:
        fake_gateway.reply(sse(chunk("Hello")), Cut() if way == "failed" else Hang())
    stream = one_at_a_time.stream_chat("Hi")
    if way == "complete":
        await stream.result()
    elif way == "failed":
        with pytest.raises(StreamInterruptedError):
            await stream.result()
    elif way == "left":
        async for _ in stream:
            break
    elif way == "cancelled":
        task = asyncio.create_task(stream.result())
        await fake_gateway.until(lambda: fake_gateway.open_responses == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await anext(stream)
        if way == "closed":
            await stream.aclose()
        elif way == "thread":
            thread = threading.Thread(target=stream.abandon)
            thread.start()
            thread.join()
        else:
            del stream
            gc.collect()
    assert repr(one_at_a_time.limiter).endswith("1 calls free)")
    async with asyncio.timeout(5):
        assert (await one_at_a_time.chat("Hi")).content


@pytest.mark.parametrize("way", ["cancelled", "closed", "thread"])
async def test_a_call_can_be_left_while_it_waits(
    one_at_a_time: RateLimitedClient, fake_gateway: FakeGateway, way: str
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    first = one_at_a_time.stream_chat("Hi")
    await anext(first)
    second = one_at_a_time.stream_chat("Hi")
    task = asyncio.create_task(second.result())
    await asyncio.sleep(0)
    assert second.being_read
    if way == "cancelled":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        if way == "closed":
            await second.aclose()
        else:
            thread = threading.Thread(target=second.abandon)
            thread.start()
            thread.join()
        async with asyncio.timeout(5):
            with pytest.raises(StreamInterruptedError):
                await task
    await first.aclose()
    assert len(fake_gateway.requests) == 1
    assert repr(one_at_a_time.limiter).endswith("1 calls free)")


async def test_calls_a_minute_are_refused_where_they_must_not_wait() -> None:
    limiter = RateLimiter(requests_per_minute=3, max_wait=0)
    scripted = ScriptedClient("Hi", repeat=True)
    limited = RateLimitedClient(scripted, limiter)
    for _ in range(3):
        await limited.chat("Hi")
    with pytest.raises(RateLimitError) as caught:
        await limited.chat("Hi")
    assert (caught.value.status_code, caught.value.retryable, caught.value.attempts) == (429, True, ())
    assert caught.value.retry_after == pytest.approx(20, abs=1)


async def test_calls_wait_until_there_is_room() -> None:
    limited = RateLimitedClient(ScriptedClient("Hi", repeat=True), RateLimiter(requests_per_minute=600))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.gather(*(limited.chat("Hi") for _ in range(602)))
    assert 0.15 < loop.time() - begun < 5


async def test_what_a_call_used_beyond_the_estimate_the_next_one_waits_for() -> None:
    limited = RateLimitedClient(
        ScriptedClient("word " * 500, repeat=True), RateLimiter(tokens_per_minute=600, max_wait=0)
    )
    await limited.chat("Hi")
    await limited.chat("Hi")
    with pytest.raises(RateLimitError) as caught:
        await limited.chat("word" * 300)
    assert caught.value.retry_after == pytest.approx((600 - 100) / 10, abs=2)


async def test_what_a_call_did_not_use_the_next_ones_are_spared() -> None:
    limited = RateLimitedClient(ScriptedClient("Hi", repeat=True), RateLimiter(tokens_per_minute=2000, max_wait=0))
    image = user([{"type": "image_url", "image_url": {"url": "data:,"}}])
    for _ in range(5):
        assert (await limited.chat([image])).content == "Hi"
        assert (await limited.chat("word" * 500)).content == "Hi"


async def test_a_call_larger_than_the_bucket_takes_a_bucketful() -> None:
    limited = RateLimitedClient(ScriptedClient("Hi", repeat=True), RateLimiter(tokens_per_minute=100, max_wait=0))
    assert (await limited.chat("word " * 1000)).content == "Hi"
    with pytest.raises(RateLimitError):
        await limited.chat("word " * 1000)


async def test_waiting_counts_to_the_total_time_of_a_call(
    one_at_a_time: RateLimitedClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    first = one_at_a_time.stream_chat("Hi")
    await anext(first)
    with pytest.raises(RateLimitError, match="before the call's deadline"):
        await one_at_a_time.chat("Hi", timeout=Timeouts(total=0.05))
    await first.aclose()
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    with pytest.raises(TimeoutError) as caught:
        await one_at_a_time.chat("Hi", timeout=Timeouts(total=0.1))
    assert caught.value.phase == "total"
    assert caught.value.timeout_ms is not None
    assert caught.value.timeout_ms <= 100
    assert repr(one_at_a_time.limiter).endswith("1 calls free)")


async def test_a_closed_client_takes_no_place(one_at_a_time: RateLimitedClient) -> None:
    stream = one_at_a_time.stream_chat("Hi", timeout=Timeouts(total=5))
    await one_at_a_time.aclose()
    with pytest.raises(Exception, match="closed"):
        await stream.result()
    assert repr(one_at_a_time.limiter).endswith("1 calls free)")


def test_a_limiter_serves_several_loops() -> None:
    limiter = RateLimiter(max_concurrency=1, requests_per_minute=10**6, tokens_per_minute=10**9)
    running, most, done = 0, 0, 0
    lock = threading.Lock()

    async def work() -> None:
        nonlocal running, most, done
        client = RateLimitedClient(ScriptedClient(["a", "b", "c"], repeat=True), limiter)

        async def call() -> None:
            nonlocal running, most, done
            async for piece in client.stream_chat("Hi"):
                if piece.type == "content" and piece.content == "a":
                    with lock:
                        running += 1
                        most = max(most, running)
                elif piece.type == "content" and piece.content == "c":
                    with lock:
                        running -= 1
                        done += 1

        await asyncio.gather(*(call() for _ in range(20)))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (most, done) == (1, 60)


@pytest.mark.parametrize(
    "wrong", [{}, {"requests_per_minute": 0}, {"tokens_per_minute": 1.5}, {"max_concurrency": True}]
)
def test_what_is_no_limit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="requests_per_minute"):
        RateLimiter(**wrong)
    with pytest.raises(ValueError, match="max_wait"):
        RateLimiter(requests_per_minute=1, max_wait=-1)


@pytest.mark.requirement("E04-T009.AC3")
def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrate_limiter", None)
    with pytest.raises(ImportError, match=r"missing: pip install 'raptscallions-ai\[limits\]\'"):
        RateLimiter(requests_per_minute=1)
