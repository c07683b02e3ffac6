"""The real tinyagent, driven by clients of ours: tools, failures, stops, and a delta that costs the same forever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tinyagent import Agent, AgentOptions, agent_types

from raptscallions_ai import OpenRouterClient, openrouter_client, reset_settings
from raptscallions_ai.agents import stream_openrouter, to_stream_fn
from raptscallions_ai.agents.conversation import EXTRA, conversation_of, options_of
from raptscallions_ai.testing import Cut, FakeGateway, ScriptedClient
from raptscallions_ai.testing.wire import chunk, sse
from raptscallions_ai.tools.tool_call import ToolCall

CONTEXT = agent_types.Context(messages=[agent_types.UserMessage(content=[agent_types.TextContent(text="Hi")])])
MODEL = agent_types.Model(provider="openrouter", id="fake/model-1", api="openrouter")


async def weather(tool_call_id: str, args: dict[str, Any], *_: Any) -> agent_types.AgentToolResult:
    return agent_types.AgentToolResult(content=[agent_types.TextContent(text=f"Sunny in {args['city']}")])


TOOL = agent_types.AgentTool(
    name="weather",
    description="Tell the weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    label="Weather",
    execute=weather,
)


def agent_on(client: Any) -> Agent:
    agent = Agent(AgentOptions(stream_fn=to_stream_fn(client)))
    agent.set_model(MODEL)
    agent.set_system_prompt("Be brief.")
    return agent


async def test_an_agent_with_a_tool(fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Let me see.", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    fake_gateway.stream("It is sunny.")
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as client:
        agent = agent_on(client)
        agent.set_tools([TOOL])
        answer: Any = await agent.prompt("Weather in Paris?")
    assert answer.content[0].text == "It is sunny."
    first, second = (request.json for request in fake_gateway.requests)
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert first["tools"][0]["function"]["name"] == "weather"
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "Sunny in Paris"}
    assert second["messages"][-2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Paris"}'
    assert answer.usage["output"] == 1


async def test_a_failure_in_mid_answer_is_an_event_that_keeps_the_text(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut())
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as client:
        stream = await to_stream_fn(client)(MODEL, CONTEXT, agent_types.SimpleStreamOptions())
        kinds = [event.type async for event in stream]
        message: Any = await stream.result()
    assert kinds == ["start", "text_start", "text_delta", "error"]
    assert (message.stop_reason, message.content[0].text) == ("error", "Half")
    assert message.error_message


async def test_an_agent_that_is_stopped_closes_the_stream(fake_gateway: FakeGateway) -> None:
    signal = asyncio.Event()
    fake_gateway.stream("One", " two", " three", interval_s=0.01)
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as client:
        options = agent_types.SimpleStreamOptions(signal=signal)
        stream = await to_stream_fn(client)(MODEL, CONTEXT, options)
        async for event in stream:
            if event.type == "text_delta":
                signal.set()
        assert (await stream.result()).stop_reason == "aborted"
        assert await fake_gateway.until(lambda: fake_gateway.open_responses == 0)


async def test_an_assistant_message_goes_back_as_it_came() -> None:
    client = ScriptedClient("Hello")
    stream = await to_stream_fn(client)(MODEL, CONTEXT, agent_types.SimpleStreamOptions())
    message: Any = await stream.result()
    sent: list[Any] = conversation_of(None, [message])
    assert [each.to_dict() for each in sent] == [getattr(message, EXTRA)]


def test_options_of_both_spellings() -> None:
    assert options_of({"temperature": 0.1, "maxTokens": 5, "reasoning": "high"}) == {
        "temperature": 0.1,
        "max_tokens": 5,
        "reasoning": {"effort": "high"},
    }
    assert options_of({"max_tokens": 5}, agent_types.ThinkingLevel.LOW) == {
        "max_tokens": 5,
        "reasoning": {"effort": "low"},
    }
    assert options_of({}, agent_types.ThinkingLevel.OFF) == {}


def test_an_unknown_role_is_named() -> None:
    with pytest.raises(ValueError, match="the role 'usr'"):
        conversation_of(None, [{"role": "usr", "content": "x"}])


async def test_an_agent_reads_the_environment(fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    reset_settings()
    agent = Agent(AgentOptions(stream_fn=stream_openrouter))
    agent.set_model(MODEL)
    try:
        answer: Any = await agent.prompt("Hi")
    finally:
        await openrouter_client.aclose()
        reset_settings()
    assert answer.content[0].text == "Hello from the fake gateway."
