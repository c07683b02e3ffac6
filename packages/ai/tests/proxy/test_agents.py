"""The real tinyagent over its own `stream_proxy`, against a proxy of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proxy_kit import Proxied, agents_body
from tinyagent import Agent, AgentOptions, agent_types
from tinyagent.proxy import ProxyStreamOptions, stream_proxy

from raptscallions_ai.testing import Cut, FakeGateway, chunk, sse
from raptscallions_ai.tools.tool_call import ToolCall

pytestmark = pytest.mark.requirement("E04-T029.AC1")
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


def agent_of(proxied: Proxied) -> Agent:
    async def stream(model: Any, context: Any, options: Any) -> Any:
        return await stream_proxy(model, context, ProxyStreamOptions(proxied.token, proxied.url, max_tokens=50))

    agent = Agent(AgentOptions(stream_fn=stream))
    agent.set_model(MODEL)
    agent.set_system_prompt("Be brief.")
    return agent


async def test_an_agent_with_a_tool(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Let me see.", tool_calls=[ToolCall("call_1", "weather", '{"city": "Paris"}')])
    fake_gateway.stream("It is sunny.")
    agent = agent_of(proxied)
    agent.set_tools([TOOL])
    answer: Any = await agent.prompt("Weather in Paris?")
    assert answer.content[0].text == "It is sunny."
    assert answer.usage["output"] == 1
    first, second = (request.json for request in fake_gateway.requests)
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert first["max_tokens"] == 50
    assert first["tools"][0]["function"]["name"] == "weather"
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "Sunny in Paris"}
    assert json.loads(second["messages"][-2]["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}


async def test_an_agent_is_told_of_a_failure_in_mid_answer(
    proxied: Proxied, fake_gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut())
    answer: Any = await agent_of(proxied).prompt("Hi")
    assert (answer.stop_reason, answer.content[0].text) == ("error", "Half")
    assert "the stream ended" in answer.error_message or "connection" in answer.error_message
    assert capsys.readouterr().out == ""  # it prints what it does not know


async def test_an_agent_is_told_of_a_failure_before_the_answer(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(429)
    answer: Any = await agent_of(proxied).prompt("Hi")
    assert (answer.stop_reason, answer.error_message) == ("error", "Proxy error: 429")


async def test_the_events(proxied: Proxied, fake_gateway: FakeGateway) -> None:
    fake_gateway.stream("Hel", "lo", reasoning=["Hm"])
    response = await proxied.post("/api/stream", agents_body())
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert [event["type"] for event in events] == [
        *("start", "thinking_start", "thinking_delta", "thinking_end"),
        *("text_start", "text_delta", "text_delta", "text_end", "done"),
    ]
    assert events[5] == {"type": "text_delta", "contentIndex": 1, "delta": "Hel"}
    done = events[-1]
    assert (done["reason"], done["usage"]["input"], done["result"]["content"]) == ("stop", 10, "Hello")
    assert "attempts" not in done["result"]
