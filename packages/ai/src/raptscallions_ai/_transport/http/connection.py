"""One connection to a server: requests go out, one at a time, and wake the task that waits for the answer."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import select
import socket
from typing import TYPE_CHECKING, cast

from raptscallions_ai._transport.http.errors import HttpError, LostConnectionError, os_reason
from raptscallions_ai._transport.http.incoming import ResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Exchange", "HttpConnection", "read_buffer", "unread_input"]

_READ_SIZE = 256 * 1024
_MOST_UNREAD = 256 * 1024  # bytes that may wait for a reader before reading is paused
_SLICE = 64 * 1024


def read_buffer() -> memoryview:
    """Return a buffer that all connections of one event loop read into, one after another."""
    return memoryview(bytearray(_READ_SIZE))


class Exchange(ResponseParser):
    """The answer to one request, and the task that waits for it."""

    __slots__ = ("_connection", "_error", "_loop", "_unread", "_waiter")

    def __init__(self, connection: HttpConnection, loop: asyncio.AbstractEventLoop, *, head_only: bool = False) -> None:
        super().__init__(head_only=head_only)
        self._connection: HttpConnection | None = connection
        self._loop = loop
        self._error: HttpError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unread = 0

    async def head(self) -> None:
        """Wait until status and headers are known.

        Raises:
            HttpError: They will never be.
        """
        while not self.head_complete:
            if self._error is not None:
                raise self._fresh_error()
            self._waiter = self._loop.create_future()
            await self._waiter

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for something; nothing at its end.

        Raises:
            HttpError: There will be no more, although the body is not whole; all that came was returned before.
        """
        parts = self.parts
        while not parts:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._fresh_error()
            self._waiter = self._loop.create_future()
            await self._waiter
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if self._unread:
            self._unread = 0
            if self._connection is not None:
                self._connection.resume()
        return data

    def _fresh_error(self) -> HttpError:
        # One that was raised holds its frames, and with them the reader: a cycle that only the collector breaks.
        return LostConnectionError() if self._error is None else copy.copy(self._error)

    def wake(self) -> None:
        """Let the waiting task look at what has come."""
        if (waiter := self._waiter) is not None:
            self._waiter = None
            if not waiter.done():  # else its task was cancelled
                waiter.set_result(None)

    def fed(self, size: int) -> bool:
        """Wake the reader after a read of that many bytes; return whether too much waits for it."""
        if self._waiter is not None:
            if self.head_complete:
                self.wake()
            return False
        self._unread += size
        return self._unread >= _MOST_UNREAD

    def fail(self, error: HttpError) -> None:
        """Note why there is no more; it is reported once everything that came has been read."""
        if not self.complete and self._error is None:
            self._error = error
        self._parser = self._connection = None
        self.wake()

    def finish(self) -> None:
        """Part from the connection, which is free again."""
        self._connection = None
        self.wake()

    def abandon(self) -> None:
        """Give up: unless the response is whole, its connection is closed, which stops the server."""
        if self._connection is not None:
            self._connection.abort("given up")


class HttpConnection(asyncio.BufferedProtocol):
    """A connection and the exchange that it carries, if any.

    Args:
        loop: The running loop.
        buffer: What is read into; see `read_buffer`.
        freed: Called with the connection when an exchange is over and the connection can carry another.
        closed: Called with the connection when it is lost.

    Attributes:
        served: How many requests it has been used for.
        keep_until: The loop's time until which it is worth keeping; for the pool.
        kept_seconds: For how long the server says that it keeps the connection, if it does.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_exchange",
        "_freed",
        "_loop",
        "_paused_reading",
        "_transport",
        "_unsent",
        "_writable",
        "keep_until",
        "kept_seconds",
        "served",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        freed: Callable[[HttpConnection], None],
        closed: Callable[[HttpConnection], None],
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._freed = freed
        self._closed = closed
        self._exchange: Exchange | None = None
        self._transport: asyncio.Transport | None = None
        self._unsent: memoryview | None = None
        self._writable = True
        self._paused_reading = False
        self.served = 0
        self.keep_until = 0.0
        self.kept_seconds: float | None = None

    @property
    def transport(self) -> asyncio.Transport | None:
        """What the connection writes to; None when it is lost."""
        return self._transport

    def use(self, transport: asyncio.Transport) -> None:
        """Go on over another transport, such as TLS over the first one."""
        self._transport = transport

    @property
    def usable(self) -> bool:
        """Whether the connection can carry a request: it is open, idle, and no unexpected data has come."""
        transport = self._transport
        if transport is None or self._exchange is not None or transport.is_closing():
            return False
        return not _has_input(transport.get_extra_info("socket"))

    def send(self, head: bytes, body: bytes, *, head_only: bool = False) -> Exchange:
        """Send a request and return its answer to be.

        Args:
            head: Request line and headers, with the empty line.
            body: The body.
            head_only: Whether the exchange ends with the head of the answer, and the connection is not freed.
        """
        assert self._exchange is None, "one exchange at a time"
        transport = self._transport
        if transport is None or transport.is_closing():
            exchange = Exchange(self, self._loop)
            exchange.fail(LostConnectionError("closed by the gateway"))
            return exchange
        self.served += 1
        self._exchange = exchange = Exchange(self, self._loop, head_only=head_only)
        if len(body) <= _SLICE:
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            self._unsent = memoryview(body)
            self._send_more()
        return exchange

    def abort(self, reason: str) -> None:
        """Close the connection at once; an exchange that is not over fails for this reason."""
        exchange, self._exchange, self._unsent = self._exchange, None, None
        if self._transport is not None:
            self._transport.abort()
        if exchange is not None:
            exchange.fail(LostConnectionError(reason))

    def resume(self) -> None:
        """Read on, after a pause because the data that came was not read."""
        if self._paused_reading and self._transport is not None:
            self._paused_reading = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self._exchange
        if exchange is None:
            self.abort("unasked")  # it would be taken for the next request's answer
            return
        try:
            exchange.feed(self._buffer[:nbytes])
        except HttpError as error:
            self._exchange = None
            exchange.fail(error)
            self.abort("broken")
            return
        if exchange.complete:
            self._finish(exchange)
        elif exchange.fed(nbytes) and not self._paused_reading and self._transport is not None:
            self._paused_reading = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        if (exchange := self._exchange) is not None:
            try:
                exchange.feed_eof()
            except HttpError as error:
                exchange.fail(error)
        # What is still to be sent is no longer read.
        self.abort("closed by the gateway")

    def connection_lost(self, exc: Exception | None) -> None:
        transport, self._transport = self._transport, None
        if isinstance(exc, OSError) and isinstance(transport, asyncio.Transport):
            for size in unread_input(transport, self._buffer):
                if self._exchange is not None:
                    self.buffer_updated(size)
        exchange, self._exchange, self._unsent = self._exchange, None, None
        if exchange is not None:
            reason = "closed by the gateway" if exc is None else os_reason(exc)
            exchange.fail(exc if isinstance(exc, HttpError) else LostConnectionError(reason))
        self._closed(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._send_more()

    def _send_more(self) -> None:
        """Write as much of a large body as the system takes, and go on when it takes more."""
        transport = self._transport
        while self._unsent is not None and self._writable and transport is not None and not transport.is_closing():
            part, rest = self._unsent[:_SLICE], self._unsent[_SLICE:]
            self._unsent = rest if len(rest) else None
            transport.write(part)

    def _finish(self, exchange: Exchange) -> None:
        """Let the connection carry the next request, if the server agrees and nothing is left of this one."""
        self._exchange = None
        self.resume()
        exchange.finish()
        if exchange.head_only:
            return
        transport = self._transport
        if transport is None or not exchange.reusable or exchange.surplus:
            self.abort("not kept")
        elif self._unsent is not None or transport.get_write_buffer_size():
            self.abort("not kept")  # the server answered before it had the request
        elif not transport.is_closing():
            self.kept_seconds = _kept_seconds(exchange.headers)
            self._freed(self)


def unread_input(transport: asyncio.Transport, buffer: memoryview) -> Iterator[int]:
    """Read what the system still holds after writing has failed; yield how many bytes of the buffer were filled.

    A server that refuses a large body answers, and closes without having read all of it: asyncio gives up at the
    failed write, with the answer unread.
    """
    if (connection := transport.get_extra_info("socket")) is None:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.setblocking(False)
        while count := copy.recv_into(buffer):
            yield count


def _has_input(connection: socket.socket | None) -> bool:
    """Whether something can be read, which on an idle connection is its end or unexpected data."""
    descriptor = -1 if connection is None else connection.fileno()
    if descriptor < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])


def _kept_seconds(headers: list[tuple[bytes, bytes]]) -> float | None:
    """Return what `Keep-Alive: timeout=5` says."""
    for name, value in headers:
        if name == b"keep-alive":
            for parameter in value.split(b","):
                key, _, seconds = parameter.strip().partition(b"=")
                if key.lower() == b"timeout" and seconds.isdigit():
                    return float(seconds[:9])
    return None
