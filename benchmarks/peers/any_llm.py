"""any-llm, with one provider object for all calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from any_llm import AnyLLM


class Peer:
    """An `AnyLLM` for OpenRouter."""

    def __init__(self, url: str) -> None:
        self._client = AnyLLM.create("openrouter", api_key="benchmark-key", api_base=url)

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> Any:
        """Read a stream."""
        cost = None
        stream = await self._client.acompletion(model, messages, stream=True, stream_options={"include_usage": True})
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)
            if chunk.usage:
                cost = getattr(chunk.usage, "cost", None)
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        return (await self._client.acompletion(model, messages)).choices[0].message.content


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
