"""Only content counts: keep-alives and empty deltas never extend a deadline, and each expiry says which it was."""

from __future__ import annotations

import asyncio
import builtins
import time

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import OpenRouterClient, RateLimitError, TimeoutError, Timeouts
from raptscallions_ai.testing import FakeGateway, Gate, Hang, Pause, chunk, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE

HELLO = sse(chunk("Hello"))
EMPTY = sse(chunk(""))


@pytest.fixture
async def warm(new_client: ClientFactory) -> OpenRouterClient:
    client = new_client()
    await client.warm_up()
    return client


@pytest.mark.parametrize("noise", [b"", COMMENT, EMPTY, b": \n\n", b"data:\n\n"], ids=repr)
@pytest.mark.parametrize("phase", ["first_chunk", "idle"])
async def test_noise_does_not_extend_a_wait(
    warm: OpenRouterClient, fake_gateway: FakeGateway, noise: bytes, phase: str
) -> None:
    drip = [step for _ in range(100) for step in (noise, Pause(0.05))] if noise else [Hang()]
    fake_gateway.reply(*([HELLO] if phase == "idle" else [EMPTY]), *drip)
    limits = Timeouts(first_chunk=0.3, idle=0.3)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="^AI request timed out after 300ms$") as caught:
        await warm.chat("Hi", timeout=limits)
    assert time.monotonic() - started < 3
    error = caught.value
    assert isinstance(error, builtins.TimeoutError)
    assert (error.phase, error.timeout_ms, error.status_code) == (phase, 300, 504)
    assert error.details == {"timeout_ms": 300, "phase": phase}
    assert error.partial is not None
    assert error.partial.content == ("Hello" if phase == "idle" else "")
    assert error.partial.id == error.request_id
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


async def test_waiting_chunks_do_not_extend_a_wait(warm: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(HELLO, *[step for _ in range(100) for step in (COMMENT, Pause(0.02))])
    seen: list[str] = []
    with pytest.raises(TimeoutError) as caught:
        async for piece in warm.stream_chat("Hi", timeout=Timeouts(idle=0.3), include_waiting=True):
            seen.append(piece.type)
    assert caught.value.phase == "idle"
    assert seen.count("waiting") >= 2


async def test_steady_content_outlasts_the_idle_limit(warm: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    steady = [step for _ in range(8) for step in (HELLO, Pause(0.1))]
    fake_gateway.reply(*steady, sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
    result = await warm.chat("Hi", timeout=Timeouts(first_chunk=0.5, idle=0.5))
    assert result.content == "Hello" * 8
    assert result.duration is not None
    assert result.duration > 0.5


async def test_total_spans_the_whole_call(warm: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(*[step for _ in range(200) for step in (HELLO, Pause(0.02))])
    with pytest.raises(TimeoutError, match="after 400ms") as caught:
        await warm.chat("Hi", timeout=Timeouts(total=0.4))
    assert caught.value.phase == "total"
    assert caught.value.partial is not None
    assert caught.value.partial.content.startswith("HelloHello")


async def test_silence_before_the_headers_is_the_first_chunk_limit(
    warm: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(Hang(), before_headers=True)
    with pytest.raises(TimeoutError) as caught:
        await warm.chat("Hi", timeout=0.3)
    assert caught.value.phase == "first_chunk"
    assert [attempt.error for attempt in caught.value.attempts] == ["TimeoutError"]


async def test_a_silent_route_is_not_asked_twice(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang(), before_headers=True, times=None)
    client = new_client(max_retries=5)
    await client.warm_up()
    with pytest.raises(TimeoutError):
        await client.chat("Hi", timeout=0.3)
    assert len(fake_gateway.requests) == 1


async def test_opening_a_stream_counts_as_waiting_for_first_content(
    warm: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    headers, content = Gate(), Gate()
    fake_gateway.reply(headers, COMMENT, content, before_headers=True)
    stream = warm.stream_chat("Hi", timeout=Timeouts(first_chunk=1.0))
    asyncio.get_running_loop().call_later(0.7, headers.open)
    async with stream:
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="after 1000ms"):
            await stream.result()
    assert time.monotonic() - began < 0.7


async def test_a_slow_reader_is_not_a_slow_gateway(warm: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(HELLO, gate, sse(chunk("!", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
    stream = warm.stream_chat("Hi", timeout=Timeouts(idle=0.3))
    await anext(stream)
    slow = asyncio.get_running_loop().time() + 0.5
    await asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(max(0.0, slow - time.monotonic())))
    gate.open()
    assert (await stream.result()).content == "Hello!"


async def test_a_retry_that_does_not_fit_the_deadline_is_not_begun(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(429, "slow down", retry_after=30)
    started = time.monotonic()
    with pytest.raises(RateLimitError) as caught:
        await new_client(max_retries=2).chat("Hi", timeout=10.0)
    assert time.monotonic() - started < 5
    assert caught.value.retry_after == 30
    assert len(fake_gateway.requests) == 1


async def test_an_answer_complete_but_for_its_end_mark_does_not_wait_for_it_at_length(
    warm: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(HELLO, sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), Hang())
    started = time.monotonic()
    assert (await warm.chat("Hi", timeout=30.0)).content == "Hello"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("before_headers", [True, False])
async def test_the_list_of_models_has_a_deadline_too(
    new_client: ClientFactory, fake_gateway: FakeGateway, before_headers: bool
) -> None:
    begun = () if before_headers else (b'{"data": [',)
    fake_gateway.route("GET", "/api/v1/models").reply(*begun, Hang(), before_headers=before_headers)
    client = new_client(timeout=0.3)
    await client.warm_up()
    with pytest.raises(TimeoutError, match="after 300ms"):
        await client.models()
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


async def test_keep_alives_do_not_extend_the_wait_for_the_end_mark(
    warm: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    keep_alives = [step for _ in range(200) for step in (COMMENT, Pause(0.1))]
    usage_chunk = sse({"choices": [], "usage": usage()})
    fake_gateway.reply(HELLO, sse(chunk("", finish_reason="stop")), usage_chunk, *keep_alives)
    started = time.monotonic()
    assert (await warm.chat("Hi")).content == "Hello"
    assert time.monotonic() - started < 10


async def test_total_holds_although_the_next_chunk_is_always_there(
    warm: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(*[HELLO] * 400)
    seen = 0
    with pytest.raises(TimeoutError) as caught:
        async for _ in warm.stream_chat("Hi", timeout=Timeouts(total=0.3)):
            seen += 1
            time.sleep(0.02)  # noqa: ASYNC251 - a reader that blocks the loop, so that no timer can fire
    assert caught.value.phase == "total"
    assert caught.value.partial is not None
    assert caught.value.partial.content.startswith("Hello" * seen)


async def test_a_reader_that_comes_late_finds_its_answer(warm: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    import asyncio

    fake_gateway.stream("There")
    async with warm.stream_chat("Hi", timeout=Timeouts(first_chunk=0.3, idle=0.3)) as stream:
        late = time.monotonic() + 0.5
        await asyncio.get_running_loop().run_in_executor(None, lambda: time.sleep(max(0.0, late - time.monotonic())))
        assert (await stream.result()).content == "There"
