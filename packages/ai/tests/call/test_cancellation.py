"""However a loop is left, the gateway notices at once, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc

import pytest
from ai_tests import ClientFactory, gone

from raptscallions_ai import AiError, ChatStream, OpenRouterClient, StreamInterruptedError
from raptscallions_ai.testing import FakeGateway, Gate, Hang, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE


async def test_break_closes_the_connection_although_the_stream_is_still_held(
    client: OpenRouterClient, endless: FakeGateway
) -> None:
    stream = client.stream_chat("Hi")
    async for _ in stream:
        break
    assert await gone(endless)
    assert stream.partial.content == "Hello"


async def test_an_answer_that_was_left_early_never_looks_complete(
    client: OpenRouterClient, endless: FakeGateway
) -> None:
    stream = client.stream_chat("Hi")
    async for _ in stream:
        break
    with pytest.raises(StreamInterruptedError) as caught:
        await stream.result()
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hello"
    with pytest.raises(StreamInterruptedError):
        async for _ in stream:
            pytest.fail("a closed stream was read on")


async def test_break_out_of_the_text_closes_the_connection(client: OpenRouterClient, endless: FakeGateway) -> None:
    async for _ in client.stream_chat("Hi").text_stream:
        break
    assert await gone(endless)


async def test_an_exception_in_the_loop_closes_the_connection(client: OpenRouterClient, endless: FakeGateway) -> None:
    with pytest.raises(KeyError):
        async for _ in client.stream_chat("Hi"):
            raise KeyError
    assert await gone(endless)


async def test_leaving_the_context_closes_the_connection(client: OpenRouterClient, endless: FakeGateway) -> None:
    async with client.stream_chat("Hi") as stream:
        assert (await anext(stream)).type == "content"
    assert await gone(endless)


async def test_a_forgotten_stream_closes_its_connection(client: OpenRouterClient, endless: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    await anext(stream)
    del stream
    gc.collect()
    assert await gone(endless)


async def test_cancelling_the_task_closes_the_connection(client: OpenRouterClient, endless: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    seen = asyncio.Event()

    async def read() -> None:
        async for _ in stream:
            seen.set()

    task = asyncio.create_task(read())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(endless)
    assert task.cancelled()
    assert stream.partial.content == "Hello"


async def test_cancelling_before_the_answer_began(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang(), before_headers=True)
    task = asyncio.create_task(client.chat("Hi"))
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(fake_gateway)


async def test_cancelling_while_waiting_to_try_again(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503, "busy", retry_after=15)
    task = asyncio.create_task(new_client(max_retries=2).chat("Hi"))
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(fake_gateway.requests) == 1


async def test_a_deadline_of_the_caller_works_as_usual(client: OpenRouterClient, endless: FakeGateway) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.chat("Hi")
    assert await gone(endless)


async def test_closing_from_another_task_ends_the_loop_quietly(client: OpenRouterClient, endless: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    seen = asyncio.Event()

    async def read() -> list[str]:
        kinds: list[str] = []
        async for piece in stream:
            kinds.append(piece.type)
            seen.set()
        return kinds

    reader = asyncio.create_task(read())
    await seen.wait()
    await stream.aclose()
    assert await reader == ["content"]
    assert reader.cancelling() == 0
    assert await gone(endless)
    with pytest.raises(StreamInterruptedError):
        await stream.result()


async def test_a_stream_that_was_never_read_sends_nothing(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    await stream.aclose()
    await stream.aclose()
    del stream
    gc.collect()
    assert isinstance(client.stream_chat("Hi"), ChatStream)
    assert fake_gateway.requests == []


async def test_a_hundred_streams_that_are_left_early_leave_nothing(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang(), times=100)

    async def leave_early() -> None:
        async for _ in client.stream_chat("Hi"):
            break

    await asyncio.gather(*(leave_early() for _ in range(100)))
    await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    assert all(request.disconnected for request in fake_gateway.requests)


async def test_a_wait_that_was_given_up_never_looks_like_the_end(
    client: OpenRouterClient, endless: FakeGateway
) -> None:
    stream = client.stream_chat("Hi")
    iterator = aiter(stream)
    await anext(iterator)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(iterator), 0.2)
    with pytest.raises(StreamInterruptedError):
        await anext(iterator)
    assert await gone(endless)


async def test_a_second_reader_is_refused_and_the_first_reads_on(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    gate = Gate()
    end = (sse(chunk("!", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
    fake_gateway.reply(sse(chunk("Hello")), gate, *end)
    stream = client.stream_chat("Hi")
    seen = asyncio.Event()

    async def read() -> list[str]:
        kinds: list[str] = []
        async for piece in stream:
            kinds.append(piece.type)
            seen.set()
        return kinds

    first = asyncio.create_task(read())
    await seen.wait()
    for _ in range(3):
        with pytest.raises(AiError, match="another task"):
            await stream.result()
    gate.open()
    assert await first == ["content", "content", "done"]


async def test_closing_the_client_ends_its_calls(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang(), before_headers=True, times=None)
    client = new_client(max_retries=2)
    call = asyncio.create_task(client.chat("Hi"))
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    await client.aclose()
    with pytest.raises(AiError):
        await call
    assert len(fake_gateway.requests) == 1


async def test_a_stream_of_a_closed_client_opens_nothing(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    await client.aclose()
    with pytest.raises(AiError, match="closed"):
        await stream.result()
    assert fake_gateway.requests == []
