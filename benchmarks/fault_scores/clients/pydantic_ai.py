"""pydantic-ai, with direct requests to OpenRouter's model and no agent."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openrouter import OpenRouterProvider
from pydantic_ai.settings import ModelSettings

ERRORS = (AgentRunError, UserError)


def connect(trial: Any) -> OpenRouterModel:
    """Return a model at the gateway."""
    client = AsyncOpenAI(api_key=trial.api_key, base_url=trial.base_url, max_retries=trial.max_retries)
    settings = ModelSettings(timeout=trial.timeout)
    if trial.stream:
        settings["first_event_timeout"] = trial.timeout
    if trial.total_timeout is not None:
        settings["request_timeout"] = trial.total_timeout
    return OpenRouterModel(trial.model, provider=OpenRouterProvider(openai_client=client), settings=settings)


async def ask(model: OpenRouterModel, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    messages = [ModelRequest.user_text_prompt(trial.prompt)]
    if not trial.stream:
        response = await model_request(model, messages)
        take_end(response, reader)
        await reader.take(response.text or "")
        return
    async with model_request_stream(model, messages) as stream:
        async for event in stream:
            text = None
            if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                text = event.delta.content_delta
            elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                text = event.part.content
            if text and not await reader.take(text):
                break
        else:
            take_end(stream.get(), reader)


def take_end(response: Any, reader: Any) -> None:
    """Give the finish reason and the tool calls."""
    reader.finish_reason = response.finish_reason
    for call in response.tool_calls:
        reader.take_call(call.tool_call_id, call.tool_name, call.args)
