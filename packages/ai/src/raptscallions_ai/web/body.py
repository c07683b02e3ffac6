"""The body of a server-sent-events response: chunks in, bytes out, for a reader that may be slow, or leave.

A separate task reads the stream, so that keep-alives can be sent while it waits, and whatever has arrived by the time
the reader is ready leaves in one piece.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, Self

from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["KEEP_ALIVE", "ResponseBody", "SSEBody", "SSEEncoder"]

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent; half of what the strictest of the usual proxies allow."""

_MOST_AHEAD = 64 * 1024  # bytes that are encoded before the reader has taken them; then the stream is not read on


class SSEEncoder(Protocol):
    """How one protocol writes a stream; an object serves one response.

    Attributes:
        headers: The headers of a response in this protocol.
        ping: The comment that keeps a silent connection alive.
    """

    headers: Mapping[str, str]
    ping: bytes

    def chunk(self, chunk: StreamChunk) -> bytes:
        """Return the events for one chunk; those for `done` end the response."""
        ...

    def error(self, error: AiError) -> bytes:
        """Return the events that end the response because the answer failed."""
        ...

    def stopped(self) -> bytes:
        """Return the events that end the response because the stream was closed, or ended without `done`."""
        ...


class ResponseBody(Protocol):
    """What a response sends: an async iterator of bytes that can be opened before, and stopped."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with it."""
        ...

    async def open(self) -> None:
        """Wait until it is known whether there is an answer; raises `AiError` if there is none."""
        ...

    async def aclose(self) -> None:
        """Stop; safe to call at any time, and again."""
        ...

    def abandon(self) -> None:
        """Stop without waiting for anything."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class SSEBody:
    """The bytes of a server-sent-events response, as an async iterator: what a framework's streaming response takes.

    Reading starts with the first `anext`, or with `open`. The body ends with the event of a complete answer or with
    that of a failure, never with neither. If it is closed, cancelled or dropped before, the stream is closed upstream.

    Args:
        stream: The chunks.
        encoder: How they are written.
        keep_alive: Seconds of silence after which a comment is sent; None for never.

    Raises:
        ValueError: `keep_alive` is not more than 0.
    """

    def __init__(self, stream: AsyncIterable[Any], encoder: SSEEncoder, *, keep_alive: float | None) -> None:
        self._stream = stream
        self._encoder = encoder
        self._keep_alive = keep_alive
        self._outbox = _Outbox()
        self._reading: asyncio.Task[None] | None = None
        if keep_alive is not None and not keep_alive > 0:
            raise ValueError(f"keep_alive must be more than 0 seconds, or None for no keep-alives, not {keep_alive!r}")

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with this body: content type, no caching, no buffering in a proxy."""
        return dict(self._encoder.headers)

    async def open(self) -> None:
        """Wait until there is something to send, so that an earlier failure can still become an HTTP status.

        It waits for `keep_alive` seconds at most, because a proxy does not wait for headers forever.

        Raises:
            AiError: The answer failed before there was anything to send.
        """
        await self._wait()
        if self._outbox.failed_at_once is not None:
            raise self._outbox.failed_at_once

    async def aclose(self) -> None:
        """Stop: the stream is closed upstream. Safe to call at any time, and again."""
        self.abandon()
        if self._reading is not None:
            await asyncio.wait({self._reading})
        await _close(self._stream)  # the task may have been cancelled before it ever ran

    def abandon(self) -> None:
        """Stop without waiting for the connection to close; use `aclose` where you can await."""
        self._outbox.end()
        task = self._reading
        if task is not None and not task.done():
            # The garbage collector may run in any thread, and after the loop.
            with contextlib.suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(task.cancel)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not await self._wait():
            return self._encoder.ping
        if data := self._outbox.take():
            return data
        if (crash := self._outbox.crash) is not None:
            self._outbox.crash = None
            raise crash
        raise StopAsyncIteration

    async def _wait(self) -> bool:
        """Wait for bytes or the end, as long as may be kept silent; return whether there is either."""
        if self._reading is None and not self._outbox.ended:
            # The task holds no reference to this body: one that is no longer read must be collected.
            reading = _read(self._stream, self._encoder, self._outbox)
            self._reading = asyncio.create_task(reading, name="raptscallions_ai: read a stream for a response")
        try:
            async with asyncio.timeout(self._keep_alive):
                await self._outbox.until_filled()
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            self.abandon()
            raise
        return True

    def __del__(self) -> None:
        self.abandon()

    def __repr__(self) -> str:
        state = "not started" if self._reading is None else "ended" if self._outbox.ended else "open"
        return f"SSEBody({type(self._encoder).__name__}, {state})"


class _Outbox:
    """Encoded data that was not taken yet; shared by the reading task and the body.

    Attributes:
        ended: Whether nothing more will come.
        failed_at_once: The error of a stream that failed before it gave anything.
        crash: An exception that is not an `AiError`; the server sees it after the reader was informed.
    """

    def __init__(self) -> None:
        self.ended = False
        self.failed_at_once: Exception | None = None
        self.crash: Exception | None = None
        self._started = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def put(self, data: bytes) -> None:
        if data:
            self._started = True
            self._pieces.append(data)
            self._size += len(data)
            self._filled.set()

    def fail(self, error: Exception, data: bytes) -> None:
        if not self._started:
            self.failed_at_once = error
        self.put(data)

    def end(self) -> None:
        self.ended = True
        self._filled.set()

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._taken.set()
        return data

    async def until_filled(self) -> None:
        while not self._pieces and not self.ended:
            self._filled.clear()
            await self._filled.wait()

    async def until_taken(self) -> None:
        while self._size > _MOST_AHEAD:
            self._taken.clear()
            await self._taken.wait()


async def _read(stream: AsyncIterable[Any], encoder: SSEEncoder, outbox: _Outbox) -> None:
    """Read a stream to its end into the outbox, and close it however that goes."""
    try:
        done = False
        async for chunk in stream:
            outbox.put(encoder.chunk(chunk))
            done = chunk.type == "done"
            await outbox.until_taken()
        if not done:
            outbox.put(encoder.stopped())
    except AiError as error:
        outbox.fail(error, encoder.error(error))
    except Exception as error:
        # Nothing of a bug in the service is the reader's business, but that there is no more to come.
        outbox.fail(error, encoder.error(AiError()))
        outbox.crash = error
    finally:
        try:
            await _close(stream)
        finally:
            outbox.end()


async def _close(stream: AsyncIterable[Any]) -> None:
    if (aclose := getattr(stream, "aclose", None)) is not None:
        await aclose()
