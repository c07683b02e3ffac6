"""This library."""

from __future__ import annotations

from typing import Any

from raptscallions_ai import AiError, OpenRouterClient, Timeouts

ERRORS = (AiError,)


def connect(trial: Any) -> OpenRouterClient:
    """Return a client of the gateway."""
    limits = Timeouts(trial.connect_timeout, trial.timeout, trial.timeout, trial.total_timeout)
    return OpenRouterClient(trial.api_key, trial.base_url, trial.model, timeout=limits, max_retries=trial.max_retries)


async def ask(client: OpenRouterClient, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    try:
        if not trial.stream:
            result = await client.chat(trial.prompt, stream=False, require_usage=trial.require_usage)
            take_calls(result, reader)
            await reader.take(result.content)
            return
        async for chunk in client.stream_chat(trial.prompt, require_usage=trial.require_usage):
            if chunk.type == "content" and not await reader.take(chunk.content):
                break
            if chunk.type == "done":
                take_calls(chunk.result, reader)
    except AiError as error:
        # Text that was not streamed is on the error.
        if error.partial is not None and (rest := error.partial.content.removeprefix(reader.text)):
            await reader.take(rest)
        raise


def take_calls(result: Any, reader: Any) -> None:
    """Give the tool calls."""
    for call in result.tool_calls:
        reader.take_call(call.id, call.name, call.raw_arguments)
