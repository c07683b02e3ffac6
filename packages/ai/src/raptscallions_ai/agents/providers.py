"""The names under which tinyagent's own documents describe its providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyagent.agent_types import Model

from raptscallions_ai.agents.stream_fn import AgentStream, agent_stream
from raptscallions_ai.client.proxy import AsyncProxyClient

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OpenRouterModel", "ProxyStreamOptions", "create_proxy_stream", "stream_proxy"]


class OpenRouterModel(Model):
    """The model of an agent that streams from OpenRouter: `OpenRouterModel(id="openai/gpt-4o")`."""

    provider: str = "openrouter"
    id: str = "anthropic/claude-3.5-sonnet"
    api: str = "openrouter"


@dataclass
class ProxyStreamOptions:
    """How `stream_proxy` asks.

    Attributes:
        auth_token: The token that the proxy gave out.
        proxy_url: Where the proxy is; `/api/stream` below it is asked.
        temperature: As for every call.
        max_tokens: The limit of the answer's tokens.
        reasoning: A level such as `high`, or `ReasoningOptions`.
        signal: Returns whether the answer is to be stopped.
    """

    auth_token: str
    proxy_url: str
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning: Any = None
    signal: Callable[[], bool] | None = None

    def __repr__(self) -> str:
        return f"ProxyStreamOptions(proxy_url={self.proxy_url!r})"


async def stream_proxy(model: Model, context: Any, options: ProxyStreamOptions) -> AgentStream:
    """Stream an answer through a proxy that holds the keys.

    Each call has a client of its own, which ends with the stream. An agent that asks again and again is better off with
    `to_stream_fn(AsyncProxyClient(proxy_url, auth_token))`, which keeps its connections.

    Args:
        model: The agent's model.
        context: The conversation, with the tools.
        options: Where the proxy is, and how it is asked.

    Raises:
        ConfigurationError: The URL or the token is invalid.
    """
    client = AsyncProxyClient(options.proxy_url, options.auth_token)
    return agent_stream(client, model, context, options, {}, owned=True)


async def create_proxy_stream(
    model: Model,
    context: Any,
    auth_token: str,
    proxy_url: str,
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    reasoning: Any = None,
    signal: Callable[[], bool] | None = None,
) -> AgentStream:
    """Stream an answer through a proxy; the same as `stream_proxy` with its options one by one.

    Raises:
        ConfigurationError: The URL or the token is invalid.
    """
    options = ProxyStreamOptions(auth_token, proxy_url, temperature, max_tokens, reasoning, signal)
    return await stream_proxy(model, context, options)
