"""LiteLLM, with its `openrouter/` route."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a price list when it is imported

import litellm


class Peer:
    """LiteLLM's functions, which keep their own clients."""

    def __init__(self, url: str) -> None:
        self._to = {"api_key": "benchmark-key", "api_base": url}

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> Any:
        """Read a stream."""
        cost = None
        stream = await litellm.acompletion(
            model=f"openrouter/{model}",
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            **self._to,
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)
            if usage := getattr(chunk, "usage", None):
                cost = getattr(usage, "cost", None)
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        completion = await litellm.acompletion(model=f"openrouter/{model}", messages=messages, **self._to)
        return completion.choices[0].message.content


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
