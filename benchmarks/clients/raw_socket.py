"""The limit in Python: one protocol on the socket, httptools, msgspec, and a callback; nothing a caller could use."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import httptools
from needed_fields import Chunk, decode, encode

_BUFFER = bytearray(262144)
_VIEW = memoryview(_BUFFER)


class Connection(asyncio.BufferedProtocol):
    """One connection, used for one call after the other."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._arrived: list[bytes] = []
        self._rest = b""
        self._ended = False
        self._on_chunk: Callable[[Chunk], object] | None = None
        self._over: asyncio.Future[bytes] | None = None
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the one buffer of the process: its bytes are used up before the next read."""
        return _VIEW

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came, and hand over the chunks that it completes."""
        self._parser.feed_data(_VIEW[:nbytes])
        if self._on_chunk is not None and self._arrived:
            *events, self._rest = b"".join((self._rest, *self._arrived)).split(b"\n\n")
            self._arrived.clear()
            for event in events:
                if event[:6] == b"data: " and event != b"data: [DONE]":
                    self._on_chunk(decode(event[6:]))
        if self._ended and self._over is not None:
            self._over.set_result(b"".join(self._arrived))
            self._arrived.clear()
            self._over = None

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._arrived.append(body)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the call that is under way."""
        if self._over is not None and not self._over.done():
            self._over.set_exception(exc or ConnectionError("closed"))

    def ask(self, request: bytes, on_chunk: Callable[[Chunk], object] | None) -> asyncio.Future[bytes]:
        """Send a request; the future is the body, or nothing if it is streamed."""
        assert self.transport is not None
        self._ended, self._on_chunk, self._rest = False, on_chunk, b""
        self._parser = httptools.HttpResponseParser(self)
        self._over = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._over


class Peer:
    """A pool of connections."""

    def __init__(self, url: str) -> None:
        self._url: SplitResult = urlsplit(url)
        self._idle: list[Connection] = []
        self._context = ssl.create_default_context() if self._url.scheme == "https" else None

    async def stream(self, model: str, messages: list[dict[str, str]], on_text: Callable[[str], object]) -> float:
        """Read a stream."""
        cost = 0.0

        def take(chunk: Chunk) -> None:
            nonlocal cost
            if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
                on_text(delta.content)
            if chunk.usage is not None:
                cost = chunk.usage.cost

        await self._ask({"model": model, "messages": messages, "stream": True}, take)
        return cost

    async def complete(self, model: str, messages: list[dict[str, str]]) -> str:
        """Ask for one JSON body."""
        body = await self._ask({"model": model, "messages": messages, "stream": False}, None)
        message = decode(body).choices[0].message
        return (message and message.content) or ""

    async def tool_arguments(self, model: str, messages: list[dict[str, str]]) -> str:
        """Put a tool call's deltas together."""
        pieces: list[str] = []

        def take(chunk: Chunk) -> None:
            for choice in chunk.choices:
                if choice.delta and choice.delta.tool_calls:
                    pieces.append(choice.delta.tool_calls[0]["function"]["arguments"])

        await self._ask({"model": model, "messages": messages, "stream": True}, take)
        return "".join(pieces)

    async def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    async def _ask(self, body: dict[str, Any], on_chunk: Callable[[Chunk], object] | None) -> bytes:
        connection = self._idle.pop() if self._idle else await self._open()
        content = encode(body)
        request = (
            f"POST {self._url.path}/chat/completions HTTP/1.1\r\nHost: {self._url.netloc}\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer benchmark-key\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        answer = await connection.ask(request.encode() + content, on_chunk)
        self._idle.append(connection)
        return answer

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, self._url.hostname or "", self._url.port or 0, ssl=self._context
        )
        return connection


def connect(task: dict[str, Any]) -> Peer:
    """Return a client of the server."""
    return Peer(task["url"])
