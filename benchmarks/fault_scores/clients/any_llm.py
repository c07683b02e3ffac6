"""any-llm, with one provider object and its own exceptions switched on."""

from __future__ import annotations

from typing import Any

from any_llm import AnyLLM
from any_llm.exceptions import AnyLLMError

ERRORS = (AnyLLMError,)


def connect(trial: Any) -> AnyLLM:
    """Return a client of the gateway."""
    return AnyLLM.create(
        "openrouter",
        api_key=trial.api_key,
        api_base=trial.base_url,
        unified_exceptions=True,
        timeout=trial.timeout,
        max_retries=trial.max_retries,
    )


async def ask(client: AnyLLM, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    messages: Any = [{"role": "user", "content": trial.prompt}]
    if not trial.stream:
        await reader.take_completion(await client.acompletion(trial.model, messages))
        return
    stream = await client.acompletion(trial.model, messages, stream=True, stream_options={"include_usage": True})
    async for chunk in stream:
        if not await reader.take_chunk(chunk):
            break
