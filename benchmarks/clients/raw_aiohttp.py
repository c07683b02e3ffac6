"""aiohttp and msgspec with nothing in between: what a loop written by hand for this one purpose costs."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
from needed_fields import Chunk, decode, encode


def request_body(model: str, messages: list[dict[str, str]], *, stream: bool = True) -> bytes:
    """Return the JSON of a request."""
    return encode({"model": model, "messages": messages, "stream": stream})


class Peer:
    """An aiohttp session, opened with the first call."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/chat/completions"
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> float:
        """Read a stream."""
        cost = 0.0
        async for chunk in self._chunks(model, messages):
            if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
                on_text(delta.content)
            if chunk.usage is not None:
                cost = chunk.usage.cost
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        body = request_body(model, messages, stream=False)
        async with self._connected().post(self._url, data=body, headers=HEADERS) as response:
            message = decode(await response.read()).choices[0].message
        return (message and message.content) or ""

    async def tool_arguments(self, model: str, messages: list[dict[str, str]]) -> str:
        """Put a tool call's deltas together."""
        pieces: list[str] = []
        async for chunk in self._chunks(model, messages):
            for choice in chunk.choices:
                if choice.delta and choice.delta.tool_calls:
                    pieces.append(choice.delta.tool_calls[0]["function"]["arguments"])
        return "".join(pieces)

    async def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    async def _chunks(self, model: str, messages: list[dict[str, str]]) -> AsyncGenerator[Chunk]:
        rest = b""
        async with self._connected().post(self._url, data=request_body(model, messages), headers=HEADERS) as response:
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event[:6] == b"data: " and event != b"data: [DONE]":
                        yield decode(event[6:])

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer benchmark-key"}


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
