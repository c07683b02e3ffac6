"""The official OpenRouter SDK."""

from __future__ import annotations

from typing import Any

from openrouter import OpenRouter
from openrouter.errors import NoResponseError, OpenRouterError
from openrouter.utils import BackoffStrategy, RetryConfig


class ErrorInChunk(Exception):
    """What a caller raises who looks into `chunk.error`, as the documents of streaming say."""


ERRORS = (OpenRouterError, NoResponseError, ErrorInChunk)


def connect(trial: Any) -> OpenRouter:
    """Return a client of the gateway; it counts no retries, but bounds their time."""
    strategy = "backoff" if trial.max_retries else "none"
    backoff = BackoffStrategy(
        initial_interval=100, max_interval=1000, exponent=1.5, max_elapsed_time=1000, jitter_ms=50
    )
    return OpenRouter(
        api_key=trial.api_key,
        server_url=trial.base_url,
        timeout_ms=int(trial.timeout * 1000),
        retry_config=RetryConfig(strategy, backoff, retry_connection_errors=bool(trial.max_retries)),
    )


async def ask(client: OpenRouter, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    messages = [{"role": "user", "content": trial.prompt}]
    if not trial.stream:
        completion = await client.chat.send_async(model=trial.model, messages=messages, stream=False)
        message = completion.choices[0].message
        if isinstance(message.content, list):  # as its types say
            message.content = "".join(part.text for part in message.content)
        await reader.take_completion(completion)
        return
    stream = await client.chat.send_async(model=trial.model, messages=messages, stream=True)
    async with stream as chunks:
        async for chunk in chunks:
            going_on = await reader.take_chunk(chunk)
            if error := getattr(chunk, "error", None):
                raise ErrorInChunk(error.message)
            if not going_on:
                break
