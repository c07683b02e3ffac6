"""pydantic-ai by its cheapest way, a direct request to the model without an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openrouter import OpenRouterProvider


class Peer:
    """One provider, and a model object for each call, as it is asked by name."""

    def __init__(self, url: str) -> None:
        self._provider = OpenRouterProvider(openai_client=AsyncOpenAI(api_key="benchmark-key", base_url=url))

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> Any:
        """Read a stream."""
        asked = OpenRouterModel(model, provider=self._provider)
        async with model_request_stream(asked, _converted(messages)) as stream:
            async for event in stream:
                if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    on_text(event.delta.content_delta)
                elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart) and event.part.content:
                    on_text(event.part.content)
            details = stream.get().provider_details or {}
        return details.get("cost")

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        response = await model_request(OpenRouterModel(model, provider=self._provider), _converted(messages))
        return response.text or ""


def _converted(messages: list[dict[str, str]]) -> list[ModelMessage]:
    return [
        ModelRequest.user_text_prompt(message["content"])
        if message["role"] == "user"
        else ModelResponse(parts=[TextPart(message["content"])])
        for message in messages
    ]


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
