"""This library, with its full public loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from raptscallions_ai import OpenRouterClient


class Peer:
    """An `OpenRouterClient`."""

    def __init__(self, client: OpenRouterClient) -> None:
        self._client = client

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> float:
        """Read a stream."""
        cost = 0.0
        async for chunk in self._client.stream_chat(messages, model=model):
            if chunk.type == "content":
                on_text(chunk.content)
            elif chunk.type == "done":
                cost = float(chunk.usage.cost or 0)
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        return (await self._client.chat(messages, model=model, stream=False)).content

    async def tool_arguments(self, model: str, messages: list[dict[str, str]]) -> str:
        """Read a tool call's deltas; the result puts them together."""
        stream = self._client.stream_chat(messages, model=model)
        async for _ in stream:
            pass
        return (await stream.result()).tool_calls[0].raw_arguments

    async def warm_up(self) -> None:
        """Load the SDK."""
        await self._client.warm_up()


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    if task.get("http") == "aiohttp":
        os.environ["AI_TRANSPORT"] = "aiohttp"
    if task.get("transport") != "memory":
        return Peer(OpenRouterClient("benchmark-key", task["url"], "model"))
    from in_memory import in_memory_sdk

    sdk = in_memory_sdk(task["model"], read_whole_blocks=task["coalesced"])
    return Peer(OpenRouterClient(default_model="model", openai_client=sdk))
