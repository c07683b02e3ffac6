"""Servers that do with a connection whatever a test asks for, byte by byte; and requests to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from raptscallions_ai._transport.http.origin import address_of_url
from raptscallions_ai._transport.http.request import HttpRequest
from raptscallions_ai._transport.http.response import HttpResponse


class Served:
    """One connection, as its server sees it."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.number = server.accepted
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """Return the head of the next request; nothing when the client has gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.server.heads.append(head)
        return head

    async def body(self) -> bytes:
        """Return the body of the request whose head was read last."""
        lines = self.server.heads[-1].lower().split(b"\r\n")
        lengths = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
        return await self.reader.readexactly(lengths[0]) if lengths else b""

    async def request(self) -> bytes:
        """Return the body of the next request; nothing when the client has gone."""
        if not await self.head():
            return b""
        self.server.bodies.append(body := await self.body())
        return body

    async def send(self, *parts: bytes) -> None:
        """Send bytes, each part in a packet of its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Break the connection off with a RST."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the client has gone."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Handler = Callable[[Served], Awaitable[None]]


class Server:
    """A server that hands each connection to a handler; where it listens is in `url`."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.accepted = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.failures: list[BaseException] = []
        self.url = ""
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(
        self, context: ssl.SSLContext | None = None, path: Path | None = None, host: str = "127.0.0.1"
    ) -> Server:
        if path is not None:
            self._server = await asyncio.start_unix_server(self._serve, path, ssl=context)
            return self
        server = await asyncio.start_server(self._serve, host, 0, ssl=context)
        self._server, self.port = server, server.sockets[0].getsockname()[1]
        self.url = f"{'http' if context is None else 'https'}://{host}:{self.port}"
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            await self.handler(Served(self, reader, writer))
        except Exception as error:
            self.failures.append(error)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(ConnectionError, ssl.SSLError, RuntimeError):
                writer.close()
                await writer.wait_closed()


Serve = Callable[..., Awaitable[Server]]


def request(url: str, body: bytes = b"{}", method: str = "POST", **headers: str) -> HttpRequest:
    """Return a request; an underscore in a header's name stands for a dash."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HttpRequest(method, address_of_url(url), fields, body)


async def whole(response: HttpResponse) -> bytes:
    """Return the body."""
    parts: list[bytes] = []
    while part := await response.read():
        parts.append(part)
    return b"".join(parts)


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def say_ok(connection: Served) -> None:
    """Answer every request with `ok`."""
    while await connection.head():
        connection.server.bodies.append(await connection.body())
        await connection.send(OK)
