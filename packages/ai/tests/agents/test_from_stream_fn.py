"""Somebody's stream function as a client: what the seed tells people to write, and what goes wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tinyagent import Agent, AgentOptions, agent_types
from tinyagent.agent_types import AssistantMessage, AssistantMessageEvent, TextContent, ToolCallContent

from raptscallions_ai import (
    ProviderError,
    StreamInterruptedError,
    TimeoutError,
    assistant,
    image,
    system,
    tool,
    tool_result,
    user,
)
from raptscallions_ai.agents import from_stream_fn, to_stream_fn
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T030.AC2")


class Answer:
    """A response of a custom provider, which plays events."""

    def __init__(self, *events: Any) -> None:
        self._events = iter(events)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        event = next(self._events, None)
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, asyncio.Event):
            await event.wait()
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self) -> None:
        self.closed = True


class Provider:
    """A stream function that keeps what it was called with."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.calls: list[tuple[Any, Any, Any]] = []

    async def __call__(self, model: Any, context: Any, options: Any) -> Answer:
        self.calls.append((model, context, options))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def event(kind: Any, **fields: Any) -> AssistantMessageEvent:
    return AssistantMessageEvent(type=kind, **fields)


def done(*content: Any, reason: Any = "stop", usage: Any = None) -> AssistantMessageEvent:
    message = AssistantMessage(content=list(content), stop_reason=reason, usage=usage)
    return event("done", reason=reason, message=message)


def text(*deltas: str) -> Answer:
    pieces = [event("text_delta", content_index=0, delta=delta) for delta in deltas]
    usage = {"input": 7, "output": 2, "cache_read": 3, "cost": {"total": 0.25}}
    whole = done(TextContent(text="".join(deltas)), usage=usage)
    return Answer(event("start"), event("text_start", content_index=0), *pieces, whole)


async def test_an_answer_with_its_usage() -> None:
    provider = Provider(text("Hel", "lo"))
    async with from_stream_fn(provider, model="mine/model", provider="mine", api="own") as client:
        chunks = [chunk async for chunk in client.stream_chat([system("Be brief."), user("Hi")], temperature=0.5)]
    assert [chunk.content for chunk in chunks if chunk.type == "content"] == ["Hel", "lo"]
    assert chunks[-1].type == "done"
    usage = chunks[-1].result.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, str(usage.cost)) == (10, 2, 3, "0.25")
    model, context, options = provider.calls[0]
    assert (model.id, model.provider, model.api, options.temperature) == ("mine/model", "mine", "own", 0.5)
    assert (context.system_prompt, context.messages[0].content[0].text) == ("Be brief.", "Hi")


async def test_a_function_that_tells_all_at_the_end() -> None:
    call = ToolCallContent(id="call_1", name="weather", arguments={"city": "Rome"})
    provider = Provider(Answer(done(TextContent(text="Let me see."), call, reason="tool_calls")))
    async with from_stream_fn(provider) as client:
        result = await client.chat("Hi")
    assert (result.content, result.finish_reason) == ("Let me see.", "tool_calls")
    assert [(each.id, each.name, each.arguments) for each in result.tool_calls] == [
        ("call_1", "weather", {"city": "Rome"})
    ]


async def test_tools_run_and_their_results_go_back() -> None:
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"Sunny in {city}"

    call = ToolCallContent(id="call_1", name="weather", arguments={"city": "Rome"})
    begun = AssistantMessage(content=[call])
    calling = Answer(
        event("tool_call_start", content_index=0, partial=begun),
        event("tool_call_delta", content_index=0, delta='{"city": '),
        event("tool_call_delta", content_index=0, delta='"Rome"}'),
        event("tool_call_end", content_index=0, tool_call=call),
        done(call, reason="tool_calls"),
    )
    provider = Provider(calling, text("Sunny."))
    async with from_stream_fn(provider) as client:
        result = await client.run_tools("Weather?", tools=[weather]).result()
    assert result.content == "Sunny."
    first, second = (context for _, context, _ in provider.calls)
    assert (first.tools[0].name, first.tools[0].description) == ("weather", "Tell the weather.")
    assert isinstance(second.messages[1], agent_types.AssistantMessage)
    assert isinstance(second.messages[2], agent_types.ToolResultMessage)
    assert (second.messages[2].tool_name, second.messages[2].content[0].text) == ("weather", "Sunny in Rome")


async def test_a_picture_and_a_level_of_thinking() -> None:
    provider = Provider(text("Blue."))
    async with from_stream_fn(provider) as client:
        await client.chat([user(["Which?", image("https://example.com/a.png")])], reasoning_effort="high")
    model, context, _ = provider.calls[0]
    assert model.thinking_level == agent_types.ThinkingLevel.HIGH
    assert [part.type for part in context.messages[0].content] == ["text", "image"]


async def test_an_end_without_done_is_no_answer() -> None:
    provider = Provider(Answer(event("start"), event("text_delta", content_index=0, delta="Half")))
    async with from_stream_fn(provider) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Half"


@pytest.mark.parametrize(
    "failing",
    [
        Provider(RuntimeError("a secret")),
        Provider(Answer(event("start"), RuntimeError("a secret"))),
        Provider(Answer(event("error", error="the model is away"))),
        Provider(Answer(event("error", error=AssistantMessage(error_message="the model is away")))),
    ],
)
async def test_a_failure_is_typed(failing: Provider) -> None:
    async with from_stream_fn(failing, max_retries=0) as client:
        with pytest.raises(ProviderError) as caught:
            await client.chat("Hi")
    assert "a secret" not in str(caught.value)


async def test_a_silent_function_meets_the_deadline_and_is_stopped() -> None:
    silent = Answer(event("start"), asyncio.Event())
    provider = Provider(silent)
    async with from_stream_fn(provider, timeout=0.05, max_retries=0) as client:
        with pytest.raises(TimeoutError):
            await client.chat("Hi")
    assert silent.closed
    assert provider.calls[0][2].signal.is_set()


async def test_an_option_that_functions_do_not_know_is_refused() -> None:
    async with from_stream_fn(Provider(text("Hi")), max_retries=0) as client:
        with pytest.raises(NotSupportedError):
            await client.chat("Hi", seed=7)


async def test_a_conversation_that_began_elsewhere() -> None:
    provider = Provider(text("Fine."))
    call = ToolCall("call_1", "weather", '{"city": "Rome"}')
    messages = [user("Hi"), assistant("Let me see.", tool_calls=[call]), tool_result("call_1", "Sunny")]
    async with from_stream_fn(provider) as client:
        await client.chat(messages)
    kinds = [type(message).__name__ for message in provider.calls[0][1].messages]
    assert kinds == ["UserMessage", "AssistantMessage", "ToolResultMessage"]


async def test_there_and_back_again() -> None:
    scripted = ScriptedClient("Hello there.")
    async with from_stream_fn(to_stream_fn(scripted)) as client:
        agent = Agent(AgentOptions(stream_fn=to_stream_fn(client)))
        agent.set_model(agent_types.Model(provider="p", id="m", api="a"))
        answer: Any = await agent.prompt("Hi")
    assert answer.content[0].text == "Hello there."


async def test_a_delta_costs_the_same_in_a_long_answer() -> None:
    provider = Provider(text(*["word "] * 10_000))
    async with from_stream_fn(provider) as client:
        result = await client.chat("Hi")
    assert len(result.content) == 50_000


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="stream_fn must be a function, not str"):
        from_stream_fn("stream")  # pyright: ignore[reportArgumentType] - what the test is about
