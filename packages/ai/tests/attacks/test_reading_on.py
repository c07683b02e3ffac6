"""Whoever reads on after something went wrong is told so; an answer is never silently short."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError, ChatResult, OpenRouterClient, StreamInterruptedError, ToolCall, tool
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_ai.wrappers import CachedClient, HookedClient, memory_store

pytestmark = pytest.mark.requirement("E04-T015.AC2")


@tool
def good() -> str:
    return "fine"


READERS: dict[str, Callable[[OpenRouterClient], AsyncIterator[Any]]] = {
    "chunks": lambda client: aiter(client.stream_chat("Hi")),
    "the stream itself": lambda client: client.stream_chat("Hi"),
    "text": lambda client: aiter(client.stream_chat("Hi").text_stream),
    "a run": lambda client: aiter(client.run_tools("Hi", tools=[good])),
    "the text of a run": lambda client: aiter(client.run_tools("Hi", tools=[good]).text_stream),
    "a cached answer": lambda client: aiter(CachedClient(client, memory_store()).stream_chat("Hi").text_stream),
    "hooks around it": lambda client: aiter(HookedClient(client).stream_chat("Hi").text_stream),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_after_a_wait_that_was_given_up_the_rest_is_an_error(
    client: OpenRouterClient, fake_gateway: FakeGateway, reader: str, how: str
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    reading = READERS[reader](client)
    await anext(reading)
    if how == "timeout":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reading), 0.05)
    else:
        waiting = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    for _ in range(2):
        with pytest.raises(StreamInterruptedError):
            await anext(reading)


async def test_events_say_so_as_an_event(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    events = client.stream_chat("Hi").events()
    while (await anext(events)).type != "text_delta":
        pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(events), 0.05)
    assert (await anext(events)).type == "error"
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_an_iterator_that_nobody_holds_lives_until_its_item_is_there(fake_gateway: FakeGateway) -> None:
    calls = ChatResult(tool_calls=(ToolCall("1", "good", "{}"),), finish_reason="tool_calls")
    client = ScriptedClient(["Hel", "lo"], ["Hel", "lo"], calls, ["Hel", "lo"])
    assert (await anext(aiter(client.stream_chat("Hi")))).type == "content"
    assert await anext(client.stream_chat("Hi").text_stream) == "Hel"
    assert (await anext(aiter(client.run_tools("Hi", tools=[good])))).type == "tool_call"
    assert (await anext(client.stream_chat("Hi").events())).type == "start"


async def test_then_the_connection_is_closed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang(), times=2)
    stream = client.stream_chat("Hi")
    assert (await anext(aiter(stream))).type == "content"
    assert await fake_gateway.requests[0].closed()
    with pytest.raises(StreamInterruptedError):
        await anext(aiter(stream))
    run = client.run_tools("Hi", tools=[good])
    assert (await anext(aiter(run))).type == "content"
    assert await fake_gateway.requests[1].closed()


async def test_an_exception_of_ones_own_between_two_chunks_makes_no_short_answer(new_client: ClientFactory) -> None:
    text = new_client().stream_chat("Hi").text_stream
    pieces: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async for piece in text:
            pieces.append(piece)
            raise ZeroDivisionError
    pieces += [piece async for piece in text]  # nothing was lost, and the iterator is still there
    assert "".join(pieces) == "Hello from the fake gateway."


async def test_a_text_stream_can_be_closed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    text = client.stream_chat("Hi").text_stream
    assert await anext(text) == "Hello"
    await text.aclose()
    assert await fake_gateway.requests[0].closed()
    with pytest.raises((AiError, StopAsyncIteration)):
        await anext(text)
    with pytest.raises(TypeError, match="pickled"):
        import copy

        copy.copy(text)
