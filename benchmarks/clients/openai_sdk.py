"""The plain OpenAI SDK, with its default transport, with aiohttp, or without any socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from openai import AsyncOpenAI, DefaultAioHttpClient
from openai.types.chat import ChatCompletionMessageParam


class Peer:
    """An `AsyncOpenAI`."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def stream(
        self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]
    ) -> float | None:
        """Read a stream."""
        cost: float | None = 0.0
        stream = await self._client.chat.completions.create(
            model=model,
            messages=cast("list[ChatCompletionMessageParam]", messages),
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                on_text(text)
            if chunk.usage:
                cost = getattr(chunk.usage, "cost", 0.0)
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        params = cast("list[ChatCompletionMessageParam]", messages)
        completion = await self._client.chat.completions.create(model=model, messages=params)
        return completion.choices[0].message.content or ""

    async def tool_arguments(self, model: str, messages: list[dict[str, str]]) -> str:
        """Put a tool call's deltas together by hand, as callers of the SDK do."""
        pieces: list[str] = []
        stream = await self._client.chat.completions.create(
            model=model, messages=cast("list[ChatCompletionMessageParam]", messages), stream=True
        )
        async for chunk in stream:
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or ():
                    if call.function and call.function.arguments:
                        pieces.append(call.function.arguments)
        return "".join(pieces)

    async def warm_up(self) -> None:
        """Do nothing: there is no such thing."""


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    if task.get("transport") == "memory":
        from in_memory import in_memory_sdk

        return Peer(in_memory_sdk(task["model"], read_whole_blocks=task["coalesced"]))
    http_client = DefaultAioHttpClient() if task.get("transport") == "aiohttp" else None
    return Peer(AsyncOpenAI(api_key="benchmark-key", base_url=task["url"], http_client=http_client))
