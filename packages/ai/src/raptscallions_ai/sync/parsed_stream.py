"""`SyncParsedStream`: an object while it arrives, for those who are not asynchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar

from raptscallions_ai.sync.stream import SyncChatStream, SyncIterator

if TYPE_CHECKING:
    from types import TracebackType

    from raptscallions_ai.answer.result import ChatResult, ParsedResult
    from raptscallions_ai.structured.parsed_stream import ParsedStream
    from raptscallions_ai.sync.loop_thread import LoopThread

__all__ = ["SyncParsedStream"]

T = TypeVar("T")


class SyncParsedStream(Generic[T]):
    """An object while it arrives: an iterator of it in growing parts, and a context manager; see `ParsedStream`.

    Args:
        stream: The asynchronous stream.
        thread: The thread that it runs in.

    Attributes:
        stream: The answer as a stream of chunks.
    """

    def __init__(self, stream: ParsedStream[T], thread: LoopThread) -> None:
        self._parsed = stream
        self._thread = thread
        self.stream = SyncChatStream(stream.stream, thread)

    @property
    def partial(self) -> ChatResult:
        """What has arrived so far, as it was received."""
        return self.stream.partial

    def result(self) -> ParsedResult[T]:
        """Read the rest of the answer and return the whole; see `ParsedStream.result`."""
        return self._thread.run(self._parsed.result())

    def close(self) -> None:
        """Stop: close the connection; an iteration in another thread ends. Safe to call at any time, and again."""
        self.stream.close()

    def __enter__(self) -> Self:
        self.stream.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> SyncIterator[T]:
        return SyncIterator(aiter(self._parsed), self._thread)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")

    def __repr__(self) -> str:
        return f"Sync{self._parsed!r}"
