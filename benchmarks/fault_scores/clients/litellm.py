"""LiteLLM, with its `openrouter/` route."""

from __future__ import annotations

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a price list when it is imported

import litellm
import openai
from litellm.exceptions import MidStreamFallbackError

# Its documents: all exceptions inherit from OpenAI's.
ERRORS = (openai.OpenAIError,)


def connect(trial: Any) -> None:
    """Return nothing: its functions keep their own clients."""


async def ask(client: None, trial: Any, reader: Any) -> None:
    """Ask for a stream or for one body."""
    options: dict[str, Any] = {
        "model": f"openrouter/{trial.model}",
        "messages": [{"role": "user", "content": trial.prompt}],
        "api_key": trial.api_key,
        "api_base": trial.base_url,
        "timeout": trial.timeout,
        "num_retries": trial.max_retries,
    }
    if not trial.stream:
        await reader.take_completion(await litellm.acompletion(**options))
        return
    try:
        stream = await litellm.acompletion(
            stream=True, stream_timeout=trial.timeout, stream_options={"include_usage": True}, **options
        )
        async for chunk in stream:
            if not await reader.take_chunk(chunk):
                break
    except MidStreamFallbackError as error:
        # What it has collected is on the error.
        if rest := (error.generated_content or "").removeprefix(reader.text):
            await reader.take(rest)
        raise
