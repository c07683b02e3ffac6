"""`SyncChatStream`: an answer while it arrives, for those who are not asynchronous."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar

from raptscallions_ai.answer.stream import VisibleText
from raptscallions_ai.errors import AiError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.events import StreamEvent
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChatStream, StreamIterator
    from raptscallions_ai.sync.loop_thread import CallerQueue, LoopThread

__all__ = ["SyncChatStream", "SyncIterator"]

T = TypeVar("T")


class SyncChatStream:
    """An answer while it arrives: an iterator of chunks, and a context manager; `ChatStream` for sync code.

    The request is sent when iteration, `with` or `result()` begins. Leaving a `for` early, by `break` or an exception,
    Ctrl-C included, closes the connection upstream at once, so that the gateway stops working and billing; `partial`
    keeps what had arrived.

    Args:
        stream: The asynchronous stream.
        thread: The thread that it runs in.
    """

    def __init__(self, stream: ChatStream, thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread
        self._ready: deque[StreamChunk] = deque()
        self._lost = False  # whether an exception in the waiting thread may have cost chunks

    @property
    def partial(self) -> ChatResult:
        """What has arrived so far; the whole answer once the stream is complete."""
        if self._thread.is_inherited:  # nothing changes in this process any more
            return self._stream.partial
        return self._thread.run(_partial(self._stream))

    @property
    def text_stream(self) -> Iterator[str]:
        """The answer's text only, as an iterator of `str`; see `ChatStream.text_stream`."""
        return _TextIterator(iter(self))

    def events(self) -> SyncIterator[StreamEvent]:
        """Return the answer as events with the start and end of each block; see `ChatStream.events`."""
        return SyncIterator(self._stream.events(), self._thread)

    def result(self) -> ChatResult:
        """Read the rest of the answer and return the whole.

        Raises:
            AiError: The answer failed; the same error as iterating raises, also when asked again.
            StreamInterruptedError: The stream was closed before it was complete.
        """
        return self._thread.run(self._stream.result())

    def settle(self) -> Usage:
        """Stop the stream if it is not at its end, and return what the call used, with its real cost.

        See `ChatStream.settle`.
        """
        return self._thread.run(self._stream.settle())

    def close(self) -> None:
        """Stop: close the connection; an iteration in another thread ends. Safe to call at any time, and again."""
        self._ready.clear()
        if not self._thread.is_inherited:
            self._thread.run(self._stream.aclose())

    def __enter__(self) -> Self:
        self._thread.run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> SyncChatStreamIterator:
        return SyncChatStreamIterator(self, aiter(self._stream))

    def __next__(self) -> StreamChunk:
        try:
            if self._lost:
                raise self._interrupted()
            if not self._ready:
                # All at once: what a chunk costs is not to be ruled by what it costs to change threads.
                self._ready.extend(self._thread.run(self._stream.read()))
            if not self._ready:
                raise StopIteration
            return self._ready.popleft()
        except (StopIteration, AiError):
            raise
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop without waiting; reading on raises an error.

        Reading does this after an exception in the reading thread, such as that of a signal's handler: it may have cost
        chunks, and an answer with a hole in it must not look complete.
        """
        self._lost = True
        self._ready.clear()
        if not self._thread.is_inherited:
            self._stream.abandon()

    def _interrupted(self) -> StreamInterruptedError:
        return StreamInterruptedError("an exception in the reading thread interrupted it", partial=self._stream.partial)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")

    def __repr__(self) -> str:
        return f"Sync{self._stream!r}"


class SyncChatStreamIterator:
    """What a `for` over a `SyncChatStream` holds: when the loop lets go of it, the stream is closed."""

    __slots__ = ("_iterator", "_stream")

    def __init__(self, stream: SyncChatStream, iterator: StreamIterator[StreamChunk]) -> None:
        self._stream = stream
        self._iterator = iterator  # which closes the stream when it is collected

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamChunk:
        try:
            return next(self._stream)
        except (StopIteration, AiError):
            raise
        except BaseException:
            self._stream.abandon()
            raise

    def abandon(self) -> None:
        """Stop without waiting; see `SyncChatStream.abandon`."""
        self._stream.abandon()


class _TextIterator:
    """The text of an answer; no generator, because one that an exception ends would then look complete."""

    def __init__(self, chunks: SyncChatStreamIterator) -> None:
        self._chunks = chunks
        self._visible = VisibleText()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            while True:
                if (text := self._visible.of(next(self._chunks))) is not None:
                    return text
        except (StopIteration, AiError):
            raise
        except BaseException:
            self._chunks.abandon()
            raise


class SyncIterator(Generic[T]):
    """An asynchronous iterator for sync code: each item is fetched in the loop's thread.

    Args:
        iterator: The asynchronous iterator.
        thread: The thread that it runs in.
        queue: Functions that the caller runs for it while it waits.
    """

    def __init__(self, iterator: AsyncIterator[T], thread: LoopThread, queue: CallerQueue | None = None) -> None:
        self._iterator = iterator
        self._thread = thread
        self._queue = queue
        self._lost = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            if self._lost:
                raise StreamInterruptedError("an exception in the reading thread interrupted it")
            return self._thread.run(_next(self._iterator), self._queue)
        except StopAsyncIteration:
            raise StopIteration from None
        except AiError:
            raise
        except BaseException:
            self._lost = True  # as is what was about to be returned
            raise


async def _next(iterator: AsyncIterator[T]) -> T:
    return await anext(iterator)


async def _partial(stream: ChatStream) -> ChatResult:
    return stream.partial
