"""`ScriptedClient`: each call plays the next script, and is recorded."""

import asyncio
import gc
from collections.abc import Sequence
from decimal import Decimal

import pytest

from raptscallions_ai.answer.chunks import ContentChunk, DoneChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import ChatClient
from raptscallions_ai.errors import AiError, ProviderError, RateLimitError, StreamInterruptedError
from raptscallions_ai.messages.message import ChatMessage, user
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.tool_call import ToolCall


async def drain(stream: ChatStream) -> list[StreamChunk]:
    return [chunk async for chunk in stream]


async def test_text_is_streamed_and_counted_in_words() -> None:
    client = ScriptedClient(["Hello", " big world"])
    *deltas, done = await drain(client.stream_chat("How are you?"))
    assert deltas == [ContentChunk("Hello"), ContentChunk(" big world")]
    assert isinstance(done, DoneChunk)
    assert (done.result.content, done.result.finish_reason, done.result.model) == (
        "Hello big world",
        "stop",
        "scripted/model",
    )
    usage = done.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 3, 6)
    assert (usage.cost, usage.cost_source, usage.reported) == (None, "unknown", True)


async def test_the_words_of_parts_are_counted() -> None:
    parts = user([{"type": "text", "text": "two words"}, {"type": "image_url", "image_url": {"url": "data:,"}}])
    result = await ScriptedClient("x").chat([parts, ChatMessage("assistant", None)])
    assert result.usage.prompt_tokens == 2


async def test_a_plain_text_is_one_delta_and_chat_drains_it() -> None:
    client = ScriptedClient("Hi there")
    result = await client.chat("Hello", model="my/model", stream=False)
    assert (result.content, result.model) == ("Hi there", "my/model")
    assert client.calls[0].options == {"model": "my/model", "stream": False}


async def test_a_result_is_played_and_returned_as_it_is() -> None:
    given = ChatResult(
        content="Hi",
        reasoning="Hm.",
        tool_calls=(ToolCall("call_1", "now", "{}"),),
        annotations=({"type": "file"},),
        images=({"type": "image_url"},),
        usage=Usage(1, 2, 3, cost=Decimal("0.5"), cost_source="reported"),
    )
    stream = ScriptedClient(given).stream_chat("Hello")
    kinds = [chunk.type for chunk in await drain(stream)]
    assert kinds == ["reasoning", "annotation", "content", "tool_call", "image", "done"]
    assert await stream.result() is given is stream.partial


async def test_chunks_are_folded() -> None:
    script: Sequence[StreamChunk] = [
        ReasoningChunk("Hm."),
        ToolCallChunk(0, "call_1", "weather"),
        ToolCallChunk(1, "call_2", "now", "{}"),
        ToolCallChunk(0, arguments='{"city":'),
        ToolCallChunk(0, arguments='"Rome"}'),
    ]
    result = await ScriptedClient(script).chat("Weather?")
    assert result.reasoning == "Hm."
    assert [(c.id, c.name, c.raw_arguments) for c in result.tool_calls] == [
        ("call_1", "weather", '{"city":"Rome"}'),
        ("call_2", "now", "{}"),
    ]
    assert result.finish_reason == "tool_calls"


async def test_an_error_at_once_has_nothing_partial() -> None:
    with pytest.raises(RateLimitError) as caught:
        await ScriptedClient(RateLimitError(retry_after=3)).chat("Hello")
    assert (caught.value.partial, caught.value.retry_after) == (None, 3)


async def test_an_error_after_content_carries_it() -> None:
    script = ["Hel", "lo", ProviderError(provider="X")]
    client = ScriptedClient(script, repeat=True)
    for _ in range(2):
        stream = client.stream_chat("Hello")
        received: list[StreamChunk] = []
        with pytest.raises(ProviderError) as caught:
            async for chunk in stream:
                received.append(chunk)
        assert received == [ContentChunk("Hel"), ContentChunk("lo")]
        assert caught.value.partial is not None
        assert (caught.value.partial.content, caught.value.partial.usage.reported) == ("Hello", False)
        with pytest.raises(ProviderError):
            await stream.result()
    assert isinstance(script[-1], AiError) and script[-1].partial is None


async def test_any_exception_can_be_scripted() -> None:
    error = KeyError("x")
    with pytest.raises(KeyError) as caught:
        await ScriptedClient(["a", error]).chat("Hello")
    assert caught.value is error


async def test_an_error_at_once_is_raised_on_entering() -> None:
    client = ScriptedClient(RateLimitError())
    with pytest.raises(RateLimitError):
        async with client.stream_chat("Hello"):
            pytest.fail("entered")
    assert client.calls[0].closed


async def test_a_stream_left_early_is_closed_and_keeps_what_came() -> None:
    client = ScriptedClient(["a", "b", "c"])
    async with client.stream_chat("Hello") as stream:
        text = stream.text_stream
        received = await anext(text)
        [call] = client.calls
        assert (received, stream.partial.content, call.closed) == ("a", "a", False)
    assert (call.closed, call.partial.content) == (True, "a")
    with pytest.raises(StreamInterruptedError) as caught:
        await stream.result()
    assert caught.value.partial is not None and caught.value.partial.content == "a"


async def test_a_stream_that_nobody_holds_is_closed() -> None:
    client = ScriptedClient(["a", "b"])
    async for _ in client.stream_chat("Hello"):
        break
    gc.collect()
    assert client.calls[0].closed


async def test_other_tasks_run_between_chunks() -> None:
    seen: list[str] = []

    async def read(name: str) -> None:
        async for chunk in ScriptedClient(["1", "2"]).stream_chat("Hello"):
            seen.append(name + chunk.type[0])

    await asyncio.gather(read("a"), read("b"))
    assert seen == ["ac", "bc", "ac", "bc", "ad", "bd"]


async def test_running_out_of_scripts_is_said_clearly() -> None:
    client = ScriptedClient("one", "two")
    assert [(await client.chat("x")).content for _ in range(2)] == ["one", "two"]
    with pytest.raises(AssertionError, match=r"call 3 has no script: only 2 were given"):
        client.stream_chat("x")
    with pytest.raises(AssertionError, match="call 1 has no script"):
        await ScriptedClient(repeat=True).chat("x")


async def test_the_last_script_can_repeat() -> None:
    client = ScriptedClient("one", "two", repeat=True)
    assert [(await client.chat("x")).content for _ in range(4)] == ["one", "two", "two", "two"]


async def test_calls_are_recorded_as_they_were_made() -> None:
    client = ScriptedClient("one")
    conversation = [user("Hello"), {"role": "user", "content": "again"}]
    stream = client.stream_chat(conversation, temperature=0.5, tools=[])
    assert (await stream.result()).content == "one"
    conversation.append(user("later"))
    [call] = client.calls
    assert call.messages == [{"role": "user", "content": "Hello"}, {"role": "user", "content": "again"}]
    assert call.options == {"temperature": 0.5, "tools": []}
    assert (call.partial, call.closed) == (await stream.result(), True)
    assert repr(call) == "ScriptedCall(2 messages, options: temperature, tools)"
    assert repr(client) == "ScriptedClient(1 of 1 scripts used)"


async def test_a_closed_client_refuses() -> None:
    async with ScriptedClient("one") as client:
        assert not client.closed
    assert client.closed
    with pytest.raises(AiError, match="closed"):
        client.stream_chat("x")


def test_scripts_are_checked_when_they_are_given() -> None:
    with pytest.raises(TypeError, match="not int"):
        ScriptedClient([1])  # pyright: ignore[reportArgumentType] - the mistake under test
    with pytest.raises(ValueError, match="nothing can follow"):
        ScriptedClient([ProviderError(), "text"])


def test_wrong_options_are_refused_as_by_the_real_client() -> None:
    client: ChatClient = ScriptedClient("x")
    with pytest.raises(TypeError, match=r"unknown option 'max_token'; did you mean 'max_tokens'\?"):
        client.stream_chat("x", max_token=1)  # pyright: ignore[reportCallIssue] - the mistake under test
    with pytest.raises(ValueError, match=r"temperature must be 0 to 2, not 3"):
        client.stream_chat("x", temperature=3)


def test_messages_are_checked() -> None:
    with pytest.raises(TypeError, match="messages must be"):
        ScriptedClient("x").stream_chat(42)  # pyright: ignore[reportArgumentType] - the mistake under test
