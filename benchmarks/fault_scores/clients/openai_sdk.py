"""The plain OpenAI SDK."""

from __future__ import annotations

from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAIError

ERRORS = (OpenAIError,)


def connect(trial: Any) -> AsyncOpenAI:
    """Return a client of the gateway."""
    return AsyncOpenAI(
        api_key=trial.api_key,
        base_url=trial.base_url,
        timeout=httpx2.Timeout(trial.timeout, connect=trial.connect_timeout),
        max_retries=trial.max_retries,
    )


async def ask(client: AsyncOpenAI, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    messages: Any = [{"role": "user", "content": trial.prompt}]
    if not trial.stream:
        await reader.take_completion(await client.chat.completions.create(model=trial.model, messages=messages))
        return
    stream = await client.chat.completions.create(
        model=trial.model, messages=messages, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        if not await reader.take_chunk(chunk):
            break
