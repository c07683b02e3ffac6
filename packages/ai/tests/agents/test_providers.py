"""The providers that tinyagent's documents describe, under the names that they have there."""

from __future__ import annotations

from typing import Any

import pytest
from tinyagent import Agent, AgentOptions, agent_types
from web_server import Server

from raptscallions_ai import Caller, proxy_app
from raptscallions_ai.agents import (
    OpenRouterModel,
    ProxyStreamOptions,
    create_proxy_stream,
    stream_openrouter,
    stream_proxy,
)
from raptscallions_ai.testing import FakeGateway, ScriptedClient

pytestmark = pytest.mark.requirement("E04-T030.AC1")


def let_in(request: object) -> Caller:
    return Caller("ada")


CONTEXT = agent_types.Context("Be brief.", [agent_types.UserMessage(content=[agent_types.TextContent(text="Hi")])])


def test_the_model_of_an_agent() -> None:
    model = OpenRouterModel(id="openai/gpt-4o")
    assert isinstance(model, agent_types.Model)
    assert (model.provider, model.api, OpenRouterModel().id) == (
        "openrouter",
        "openrouter",
        "anthropic/claude-3.5-sonnet",
    )


async def test_an_agent_with_a_key_of_its_own(fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    agent = Agent(AgentOptions(stream_fn=stream_openrouter, get_api_key=lambda provider: fake_gateway.api_key))
    agent.set_model(OpenRouterModel(id="some/model"))
    answer: Any = await agent.prompt("Hi")
    assert answer.content[0].text == "Hello from the fake gateway."
    assert fake_gateway.requests[0].headers["authorization"] == f"Bearer {fake_gateway.api_key}"
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)  # its client ended with the stream


async def test_an_agent_through_a_proxy() -> None:
    app = proxy_app(ScriptedClient("Hello there.", "Hello again."), authenticate=let_in)
    with Server(app).running() as server:
        options = ProxyStreamOptions(auth_token="a-token", proxy_url=server.url)
        first: Any = await (await stream_proxy(OpenRouterModel(id="m"), CONTEXT, options)).result()
        stream = await create_proxy_stream(OpenRouterModel(id="m"), CONTEXT, "a-token", server.url, max_tokens=9)
        kinds = [event.type async for event in stream]
        second: Any = await stream.result()
    assert first.content[0].text == "Hello there."
    assert second.content[0].text == "Hello again."
    assert (kinds[0], kinds[-1]) == ("start", "done")
    assert "a-token" not in repr(options)


async def test_a_proxy_that_is_not_there_is_an_event() -> None:
    stream = await create_proxy_stream(
        OpenRouterModel(id="m"), CONTEXT, "a-token", "http://127.0.0.1:9", signal=lambda: False
    )
    message: Any = await stream.result()
    assert message.stop_reason == "error"
    assert "connect" in message.error_message.lower()


async def test_a_stop_closes_the_client() -> None:
    app = proxy_app(ScriptedClient("Hello there."), authenticate=let_in)
    with Server(app).running() as server:
        stopped = await create_proxy_stream(OpenRouterModel(id="m"), CONTEXT, "t", server.url, signal=lambda: True)
        message: Any = await stopped.result()
    assert message.stop_reason == "aborted"
