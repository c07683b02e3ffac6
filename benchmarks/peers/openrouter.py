"""The official OpenRouter SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openrouter import OpenRouter


class Peer:
    """An `OpenRouter`."""

    def __init__(self, url: str) -> None:
        self._client = OpenRouter(api_key="benchmark-key", server_url=url)

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> Any:
        """Read a stream."""
        cost = None
        stream = await self._client.chat.send_async(model=model, messages=messages, stream=True)
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)
            if chunk.usage:
                cost = chunk.usage.cost
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        completion = await self._client.chat.send_async(model=model, messages=messages, stream=False)
        return completion.choices[0].message.content


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
