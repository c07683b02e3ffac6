"""The HTTP/1.1 server under the fake gateway: it executes replies step by step and notes how each one ended."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, Protocol, cast

from raptscallions_ai.testing._request import ParsedRequest, RequestParser
from raptscallions_ai.testing._watch import Watch
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_ai.testing.replies import Cut, Gate, Hang, Pause, Reply, Reset, Step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Relay", "Server"]

_STEPS_WITHOUT_YIELD = 32
_BAD_REQUEST = Reply((b"not an HTTP/1.1 request",), 400, {"content-type": "text/plain"}, "close")


class Relay(Protocol):
    """A response that is made while it is sent; the connection is closed after it."""

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send every byte of the response; cancelled when the client leaves."""
        ...


class Server:
    """Serves replies on one listening socket, in the event loop that `run` is called in.

    Attributes:
        watch: Is notified of every change of what stands below.
        requests: Every request so far, in the order of their completion.
        errors: What the script's own code raised.
        connections: The connections that are open now.
        accepted: How many connections were opened so far.
    """

    def __init__(self, choose: Callable[[RecordedRequest], Reply | Relay]) -> None:
        self.choose = choose
        self.watch = Watch()
        self.requests: list[RecordedRequest] = []
        self.errors: list[Exception] = []
        self.connections: set[_Connection] = set()
        self.accepted = 0

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drop every connection."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), sock=listener)
        await stop.wait()
        # What was accepted just now, of a client that connects and leaves at once, must become a connection before the
        # server is closed, or asyncio loses its socket.
        loop.remove_reader(listener)
        await asyncio.sleep(0)
        server.close()
        here = asyncio.current_task()
        while tasks := {task for task in asyncio.all_tasks() if task is not here}:
            for connection in list(self.connections):
                connection.shut_down()
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await self.watch.until(lambda: not self.connections, None)
        await server.wait_closed()

    def record(self, parsed: ParsedRequest, connection: int) -> RecordedRequest:
        """Note a request that has arrived completely."""
        request = RecordedRequest(parsed.method, parsed.target, parsed.headers, parsed.body, connection, self.watch)
        self.requests.append(request)
        self.watch.notify()
        return request


class _Connection(asyncio.Protocol):
    """One client connection, on which every write leaves at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = RequestParser()
        self._inbox: asyncio.Queue[ParsedRequest | None] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._request: RecordedRequest | None = None
        self._at_last_step = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Without a buffer of our own, what was written is what the system took.
        self._transport.set_write_buffer_limits(high=0)
        # asyncio does it only for sockets whose protocol is named, which accepted ones' is not.
        connection = cast("socket.socket", self._transport.get_extra_info("socket"))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writable.set()
        self._server.accepted += 1
        self._number = self._server.accepted
        self._server.connections.add(self)
        self._server.watch.notify()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        try:
            for parsed in self._parser.feed(data):
                self._inbox.put_nowait(parsed)
        except ValueError:
            self._inbox.put_nowait(None)

    def eof_received(self) -> None:
        # A client that closes and one that only stops sending look the same; HTTP clients do the former.
        self._leave(disconnected=True)
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave(disconnected=True)
        self._server.connections.discard(self)
        self._server.watch.notify()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def shut_down(self) -> None:
        """Drop the connection because the server ends."""
        self._leave(disconnected=False)
        self._transport.abort()

    def _leave(self, *, disconnected: bool) -> None:
        if self._request is not None:
            # The client may have read the last byte and gone before the task came round to say that it was sent.
            all_sent = self._at_last_step and self._writable.is_set()
            self._request.end(disconnected=disconnected and not all_sent)
        self._task.cancel()

    async def _run(self) -> None:
        keep_alive = True
        try:
            while keep_alive:
                if (parsed := await self._inbox.get()) is None:
                    self._transport.write(b"".join(cast("list[bytes]", _BAD_REQUEST.on_the_wire(keep_alive=False))))
                    break
                self._request = self._server.record(parsed, self._number)
                reply = self._server.choose(self._request)
                if not isinstance(reply, Reply):
                    self._at_last_step = False
                    await reply.run(self._send)
                    self._request.end(disconnected=False)
                    break
                keep_alive = parsed.keeps_alive and reply.keeps_alive
                keep_alive = await self._respond(self._request, reply.on_the_wire(keep_alive=keep_alive)) and keep_alive
        except Exception as error:
            self._server.errors.append(error)
            self._reset()
        finally:
            self._transport.close()

    async def _respond(self, request: RecordedRequest, steps: list[Step]) -> bool:
        """Execute the steps; return whether the response is whole."""
        self._at_last_step = False
        for position, step in enumerate(steps):
            match step:
                case bytes():
                    self._at_last_step = position == len(steps) - 1
                    await self._send(step)
                    # A long run of small writes must not keep other connections waiting.
                    if position % _STEPS_WITHOUT_YIELD == _STEPS_WITHOUT_YIELD - 1:
                        await asyncio.sleep(0)
                case Pause():
                    await asyncio.sleep(step.seconds)
                case Gate():
                    await step.passed()
                case Hang():
                    await asyncio.get_running_loop().create_future()
                case Cut():
                    request.end(disconnected=False)
                    return False
                case Reset():
                    self._reset()
                    return False
        request.end(disconnected=False)
        return True

    async def _send(self, data: bytes) -> None:
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()
        if self._request is not None:
            self._request.bytes_sent += len(data)

    def _reset(self) -> None:
        if self._request is not None:
            self._request.end(disconnected=False)
        connection = cast("socket.socket", self._transport.get_extra_info("socket"))
        # Lingering for zero seconds makes close() send a RST; Windows has shorts in the struct.
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()
