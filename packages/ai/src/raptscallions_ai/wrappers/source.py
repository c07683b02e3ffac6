"""Where the stream of a wrapper gets its chunks from: the inner client's answer, and what a wrapper does around it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from raptscallions_ai.answer.chunks import DoneChunk, as_chunks
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.stream import ChatStream, ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["AroundSource", "EmptySource", "StreamSource", "WholeAnswerSource"]


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
        """Return what was used, looked up where the answer did not tell."""
        return await self._stream.settle()

    async def aclose(self) -> None:
        """Release everything."""
        await self._stream.aclose()

    def abandon(self) -> None:
        """Release everything without waiting."""
        self._stream.abandon()


class WholeAnswerSource:
    """The `ChunkSource` that asks a client for one whole answer, so that a wrapper need not know of `stream=False`.

    Args:
        client: Whom to ask.
        call: What to ask.
    """

    def __init__(self, client: ChatClient, call: ChatCall) -> None:
        self._client = client
        self._call: ChatCall | None = call
        self._partial = ChatResult()

    async def open(self) -> None:
        """Do nothing: the answer and its status arrive together."""

    async def read(self) -> Sequence[StreamChunk]:
        """Return the whole answer as chunks, or none if there was one before."""
        call, self._call = self._call, None
        if call is None:
            return ()
        try:
            self._partial = await self._client.chat(call.messages, stream=False, model=call.model, **call.options)
        except AiError as error:
            self._partial = error.partial or self._partial
            raise
        finally:
            del call  # a traceback with local variables must not show the conversation
        return as_chunks(self._partial)

    def partial(self) -> ChatResult:
        """Return the answer, or what had arrived of one that failed."""
        return self._partial

    async def settle(self) -> Usage:
        """Return what the answer tells of its usage."""
        return self._partial.usage

    async def aclose(self) -> None:
        """Ask no more."""
        self._call = None

    def abandon(self) -> None:
        """Ask no more."""
        self._call = None


class EmptySource:
    """The `ChunkSource` that stands in for one of which is not yet known what it will be."""

    async def open(self) -> None:
        """Do nothing."""

    async def read(self) -> Sequence[StreamChunk]:
        """Return no chunks."""
        return ()

    def partial(self) -> ChatResult:
        """Return an empty answer."""
        return ChatResult()

    async def settle(self) -> Usage:
        """Return that nothing is known of any usage."""
        return Usage()

    async def aclose(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""


class AroundSource:
    """A `ChunkSource` around another one; what a wrapper does, it does in a subclass's `begin`, `received`, `ended`.

    However a call ends (complete, failed, left early, cancelled, closed from another task, collected as garbage),
    `ended` is called once and once only, if `begin` has returned.

    Args:
        inner: Where the chunks come from; if None, `begin` must set `_inner`.
    """

    def __init__(self, inner: ChunkSource | None) -> None:
        self._inner = inner or EmptySource()
        self._begun = self._stopped = False
        self._failure: AiError | None = None
        self._waiting: asyncio.Timeout | None = None  # around `begin`, while that runs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open_end = threading.Lock()  # locked by whoever ends the call first, and never unlocked

    async def begin(self) -> None:
        """Do what comes before the request; whatever is raised here, ends the call before it was made.

        What it has taken it must give back itself, if it is cancelled or raises.
        """

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        """Return what the caller gets for `chunks`, at least one; an error raised here stops the answer."""
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        """Take note of the end of the call; may be called in any thread, and must neither wait nor raise.

        Args:
            result: The whole answer, if it is complete.
            error: What it failed with. None together with no result means that the caller left.
        """

    def stop_with(self, error: AiError) -> None:
        """Stop the answer behind the chunks that `received` is about to return; the next read raises the error."""
        error.partial = self.partial()
        error.attempts, error.request_id = error.partial.attempts, error.partial.id
        self._failure = error
        self._inner.abandon()
        self._end(None, error)

    async def open(self) -> None:
        """Begin, and send the request."""
        if await self._ready():
            try:
                await self._inner.open()
            except BaseException as error:
                self._end(None, error)
                raise

    async def read(self) -> Sequence[StreamChunk]:
        """Return the next chunks, or none at the end."""
        if not await self._ready():
            return ()
        if self._failure is not None:
            await self._inner.aclose()
            raise self._failure
        try:
            chunks = await self._inner.read()
            if not chunks:
                self._end(None, None)
                return chunks
            chunks = self.received(chunks)
        except BaseException as error:
            self._end(None, error)
            await self._inner.aclose()
            raise
        if type(last := chunks[-1]) is DoneChunk:
            self._end(last.result, None)
        return chunks

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        return self._inner.partial()

    async def settle(self) -> Usage:
        """Return what was used, looked up where the answer did not tell."""
        return await self._inner.settle()

    async def aclose(self) -> None:
        """Release everything; a `read` that is waiting in another task returns none."""
        self._stop()
        try:
            await self._inner.aclose()
        finally:
            self._end(None, None)

    def abandon(self) -> None:
        """Release everything without waiting; may be called from any thread."""
        self._stop()
        self._inner.abandon()
        self._end(None, None)

    async def _ready(self) -> bool:
        """Begin if that has not been done; return whether there is anything to read."""
        if self._begun or self._stopped:
            return not self._stopped
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as self._waiting:
                await self.begin()
        except TimeoutError:
            if not self._stopped:
                raise
            return False
        finally:
            self._waiting = None
        self._begun = True
        if self._stopped:
            self._end(None, None)
        return not self._stopped

    def _stop(self) -> None:
        self._stopped = True
        if (waiting := self._waiting) is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_interrupt, waiting)

    def _end(self, result: ChatResult | None, error: BaseException | None) -> None:
        if self._begun and self._open_end.acquire(blocking=False):
            self.ended(result, error)


def _interrupt(waiting: asyncio.Timeout) -> None:
    try:
        waiting.reschedule(0)
    except RuntimeError:  # it has ended meanwhile
        return
