"""Where the stream of a wrapper gets its chunks from: the inner client's answer, and what a wrapper does around it."""

from __future__ import annotations

import asyncio
import builtins
import math
import threading
from time import monotonic
from typing import TYPE_CHECKING

from raptscallions_ai._guards.running_loop import running_loop
from raptscallions_ai.answer.chunks import DoneChunk
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.errors import AiError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.stream import ChatStream, ChunkSource

__all__ = ["AroundSource", "Once", "StreamSource", "TotalClock"]


class StreamSource:
    """The `ChunkSource` that reads another `ChatStream`, as many chunks at a time as it has.

    Args:
        stream: What to read.
    """

    def __init__(self, stream: ChatStream) -> None:
        self._stream = stream

    async def open(self) -> None:
        """Send the request."""
        await self._stream.__aenter__()

    async def read(self) -> Sequence[StreamChunk]:
        """Return the next chunks, or none at the end."""
        return await self._stream.read()

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        return self._stream.partial

    async def settle(self) -> Usage:
        """Return the usage, with the cost looked up if the answer did not have it."""
        return await self._stream.settle()

    async def aclose(self) -> None:
        """Release everything."""
        await self._stream.aclose()

    def abandon(self) -> None:
        """Release everything without waiting."""
        self._stream.abandon()


class Once:
    """Lets only the first caller of all threads pass; it never waits."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    def first(self) -> bool:
        """Whether this is the first call."""
        return self._taken.acquire(blocking=False)


class TotalClock:
    """What is left of a call's `total` when a wrapper has taken its part of it.

    Args:
        total: Seconds for the whole call; None for no limit.
    """

    def __init__(self, total: float | None) -> None:
        self._total = total
        self._ends = math.inf

    def start(self) -> None:
        """Begin to count."""
        if self._total is not None:
            self._ends = monotonic() + self._total

    def left_or(self, default: float) -> float:
        """Return the seconds that are left, at least 0; `otherwise` if there is no limit."""
        return default if self._total is None else max(0.0, self._ends - monotonic())

    def left(self) -> float | None:
        """Return the seconds that are left for the gateway; None for no limit.

        Raises:
            TimeoutError: Nothing is left.
        """
        if self._total is None:
            return None
        if (seconds := self._ends - monotonic()) <= 0:
            raise TimeoutError(round(self._total * 1000), phase="total")
        return seconds


class AroundSource:
    """A `ChunkSource` around another one; what a wrapper does goes into the methods `begin`, `received` and `ended` of
    a subclass.

    However a call ends (complete, failed, left early, cancelled, closed from another task, collected as garbage),
    `ended` is called once and once only, if `begin` has returned.

    Args:
        inner: The source of the chunks; None if `begin` returns it.
    """

    def __init__(self, inner: ChunkSource | None = None) -> None:
        self._inner = inner
        self._started = self._stopped = False
        self._failure: AiError | None = None
        self._waiting: asyncio.Timeout | None = None  # around `begin`, while that runs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end_of_call = Once()

    async def begin(self) -> ChunkSource | None:
        """Prepare the call before the request is sent; an exception here ends the call.

        It must release what it acquired itself, if it is cancelled or raises.

        Returns:
            The source of the chunks; None for the constructor's `inner`.
        """
        return None

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        """Return what the caller gets for `chunks`, at least one; an error raised here stops the answer."""
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        """Note the end of the call; may be called from any thread, and must neither wait nor raise.

        Args:
            result: The whole answer, if it is complete.
            error: What it failed with. None together with no result means that the caller left.
        """

    def stop_with(self, error: AiError) -> None:
        """Stop the answer after the chunks that `received` is about to return; the next read raises the error."""
        error.partial = self.partial()
        error.attempts, error.request_id = error.partial.attempts, error.partial.id
        self._failure = error
        if self._inner is not None:
            self._inner.abandon()
        self._end(None, error)

    async def open(self) -> None:
        """Begin, and send the request."""
        if (inner := await self._ready()) is not None:
            try:
                await inner.open()
            except BaseException as error:
                self._end(None, error)
                raise

    async def read(self) -> Sequence[StreamChunk]:
        """Return the next chunks, or none at the end."""
        if (inner := await self._ready()) is None:
            return ()
        if self._failure is not None:
            await inner.aclose()
            raise self._failure
        try:
            chunks = await inner.read()
            if not chunks:
                self._end(None, None)
                return chunks
            chunks = self.received(chunks)
        except BaseException as error:
            self._end(None, error)
            await inner.aclose()
            raise
        if type(last := chunks[-1]) is DoneChunk:
            self._end(last.result, None)
        return chunks

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        return ChatResult() if self._inner is None else self._inner.partial()

    async def settle(self) -> Usage:
        """Return the usage, with the cost looked up if the answer did not have it."""
        return Usage() if self._inner is None else await self._inner.settle()

    async def aclose(self) -> None:
        """Release everything; a `read` that is waiting in another task returns none."""
        self._stop()
        try:
            if self._inner is not None:
                await self._inner.aclose()
        finally:
            self._end(None, None)

    def abandon(self) -> None:
        """Release everything without waiting; may be called from any thread."""
        self._stop()
        if self._inner is not None:
            self._inner.abandon()
        self._end(None, None)

    async def _ready(self) -> ChunkSource | None:
        """Begin if that has not been done; return what is to be read, None if nothing is."""
        if not self._started and not self._stopped:
            await self._begin()
        return None if self._stopped else self._inner

    async def _begin(self) -> None:
        self._loop = running_loop()
        try:
            async with asyncio.timeout(None) as self._waiting:
                self._inner = await self.begin() or self._inner
        except builtins.TimeoutError:
            if not self._stopped:
                raise
            return
        finally:
            self._waiting = None
        self._started = True
        if self._stopped:
            self._end(None, None)
        elif self._inner is None:
            error = TypeError(f"{type(self).__name__}.begin must return where the chunks come from")
            self._end(None, error)
            raise error

    def _stop(self) -> None:
        self._stopped = True
        if (waiting := self._waiting) is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_interrupt, waiting)

    def _end(self, result: ChatResult | None, error: BaseException | None) -> None:
        if self._started and self._end_of_call.first():
            self.ended(result, error)


def _interrupt(waiting: asyncio.Timeout) -> None:
    try:
        waiting.reschedule(0)
    except RuntimeError:  # it has ended meanwhile
        return
