"""`ChatStream.events`: brackets over a real answer, failures as an event, and the closing that all loops have."""

from __future__ import annotations

import asyncio
import copy

import pytest
from ai_tests import ClientFactory, gone

from raptscallions_ai import AiError, ChatStream, OpenRouterClient, StreamInterruptedError, ToolCall
from raptscallions_ai.events import ErrorEvent, TextDeltaEvent
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_ai.testing.wire import COMMENT, DONE

pytestmark = pytest.mark.requirement("E04-T005.AC5")


async def types_of(stream: ChatStream) -> list[str]:
    return [event.type async for event in stream.events()]


async def test_an_answer_in_brackets(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    call = ToolCall("call_1", "weather", '{"city": "Rome"}')
    fake_gateway.stream("Hel", "lo", reasoning=["Hm."], tool_calls=[call])
    stream = client.stream_chat("Hi")
    text, calls = "", list[ToolCall]()
    kinds = list[str]()
    async for event in stream.events():
        kinds.append(event.type)
        if event.type == "text_delta":
            text += event.delta
            assert event.partial.content == text
        elif event.type == "tool_call_end":
            calls.append(event.tool_call)
        elif event.type == "done":
            assert event.usage.total_tokens == 14
    assert list(dict.fromkeys(kinds)) == [
        *("start", "thinking_start", "thinking_delta", "thinking_end"),
        *("text_start", "text_delta", "text_end"),
        *("tool_call_start", "tool_call_delta", "tool_call_end", "done"),
    ]
    assert (text, calls) == ("Hello", [call])
    assert (await stream.result()).content == "Hello"


async def test_a_call_that_fails_before_there_is_an_answer(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429, "Slow down", retry_after=30)
    stream = client.stream_chat("Hi")
    [event] = [event async for event in stream.events()]
    assert event.type == "error"
    assert event.error.retry_after == 30
    assert event.partial.content == ""
    with pytest.raises(AiError) as caught:
        await stream.result()
    assert caught.value is event.error
    assert await types_of(stream) == ["error"]


async def test_a_failure_in_the_middle_is_the_last_event(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Half an ")), sse(chunk("answer")), Cut())
    events = [event async for event in client.stream_chat("Hi").events()]
    assert [event.type for event in events] == ["start", "text_start", "text_delta", "text_delta", "error"]
    assert isinstance(events[-1], ErrorEvent)
    assert isinstance(events[-1].error, StreamInterruptedError)
    assert events[-1].partial is events[-1].error.partial
    assert events[-1].partial.content == "Half an answer"
    assert [event.partial.content for event in events[:-1]] == ["", "", "Half an ", "Half an answer"]


async def test_an_answer_that_restarts(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut()).stream("Whole")
    stream = new_client(max_retries=1, on_interrupt="restart").stream_chat("Hi")
    kinds = await types_of(stream)
    assert kinds[:4] == ["start", "text_start", "text_delta", "restarted"]
    assert kinds[4:] == ["text_start", "text_delta", "text_end", "done"]


async def test_keep_alives_are_events_if_asked_for(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(COMMENT, gate, sse(chunk("Hi", finish_reason="stop", usage=usage())), DONE)
    kinds: list[str] = []
    async for event in client.stream_chat("Hi", include_waiting=True).events():
        kinds.append(event.type)
        gate.open()
    assert kinds == ["start", "waiting", "text_start", "text_delta", "text_end", "done"]


async def test_leaving_the_loop_closes_the_connection(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang(), times=3)
    stream = client.stream_chat("Hi")
    async for event in stream.events():
        if event.type == "text_delta":
            break
    assert await gone(fake_gateway)
    assert stream.partial.content == "Hello"
    with pytest.raises(KeyError):
        async for _ in client.stream_chat("Hi").events():
            raise KeyError
    assert await gone(fake_gateway)
    # An event that is kept keeps no connection.
    kept = await anext(client.stream_chat("Hi").events())
    assert await gone(fake_gateway)
    assert kept.type == "start"


async def test_cancellation_is_no_event(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    seen: list[str] = []
    arrived = asyncio.Event()

    async def read() -> None:
        async for event in client.stream_chat("Hi").events():
            seen.append(event.type)
            if isinstance(event, TextDeltaEvent):
                arrived.set()

    task = asyncio.create_task(read())
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["start", "text_start", "text_delta"]
    assert await gone(fake_gateway)


async def test_closing_from_another_task_ends_the_loop_quietly(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    seen: list[str] = []
    arrived = asyncio.Event()

    async def read() -> None:
        async for event in stream.events():
            seen.append(event.type)
            if event.type == "text_delta":
                arrived.set()

    task = asyncio.create_task(read())
    await arrived.wait()
    await stream.aclose()
    await task
    assert seen == ["start", "text_start", "text_delta"]


async def test_a_second_reader_is_refused_and_is_no_failure_of_the_answer(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    stream = client.stream_chat("Hi")
    events = stream.events()
    assert [(await anext(events)).type for _ in range(3)] == ["start", "text_start", "text_delta"]
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    with pytest.raises(AiError, match="already being read"):
        await anext(stream.events())
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_an_end_stays_an_end(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hi").error(500, times=1)
    for last in ("done", "error"):
        events = client.stream_chat("Hi").events()
        assert [event.type async for event in events][-1] == last
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_what_is_not_an_ai_error_is_raised() -> None:
    with pytest.raises(KeyError):
        await types_of(ScriptedClient(["a", KeyError("x")]).stream_chat("Hi"))


async def test_events_are_not_copied() -> None:
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copy.copy(ScriptedClient("a").stream_chat("Hi").events())
