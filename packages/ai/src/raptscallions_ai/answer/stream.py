"""`ChatStream`: an answer while it arrives."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, NoReturn, Protocol, Self, TypeVar

from raptscallions_ai.answer.chunks import ContentChunk, DoneChunk, RestartedChunk
from raptscallions_ai.errors import AiError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
    from types import TracebackType

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.event_builder import EventBuilder
    from raptscallions_ai.answer.events import StreamEvent
    from raptscallions_ai.answer.result import ChatResult, Usage

__all__ = ["ChatStream", "ChunkSource", "EventStream", "StreamIterator", "TextStream", "VisibleText"]

T_co = TypeVar("T_co", covariant=True)


class ChunkSource(Protocol):
    """The source of a `ChatStream`'s chunks: a gateway, a script or a cache."""

    def open(self) -> Awaitable[object]:
        """Send the request, or do whatever must come before the first chunk; `read` does it too."""
        ...

    def read(self) -> Awaitable[Sequence[StreamChunk]]:
        """Return the next chunks, at least one, or none at the end; raises `AiError` for a failure."""
        ...

    def partial(self) -> ChatResult:
        """Return what has arrived so far."""
        ...

    async def settle(self) -> Usage:
        """Return the usage, with the cost looked up if the answer did not have it."""
        ...

    async def aclose(self) -> None:
        """Release everything; a `read` that is waiting in another task returns none."""
        ...

    def abandon(self) -> None:
        """Release everything without waiting; may be called from any thread."""
        ...


class ChatStream:
    """An answer while it arrives: an async iterator of chunks, and an async context manager.

    The request is sent when iteration, `async with` or `result()` begins. Leaving an `async for` early, by
    `break`, an exception or cancellation, closes the connection upstream at once, so that the gateway stops
    working and billing; `partial` keeps what had arrived.

    Args:
        source: Where the chunks come from.
    """

    def __init__(self, source: ChunkSource) -> None:
        self._source = source
        self._ready: list[StreamChunk] = []  # the next one last
        self._result: ChatResult | None = None
        self._error: AiError | None = None
        self._reading = False
        self._ended = False
        self._stopped = False  # by the caller's own aclose(), so that an end without a result is no surprise

    @property
    def partial(self) -> ChatResult:
        """What has arrived so far; the whole answer once the stream is complete."""
        return self._result or self._source.partial()

    @property
    def being_read(self) -> bool:
        """Whether a task is waiting for the next chunk right now."""
        return self._reading

    @property
    def text_stream(self) -> TextStream:
        """The answer's text only, as an async iterator of `str`; other chunks are passed over.

        Text that was yielded cannot be taken back: if the answer restarts (`on_interrupt="restart"`) after
        some text, the error that interrupted it is raised.
        """
        return TextStream(self, VisibleText())

    def events(self) -> EventStream:
        """Return the answer as events with the start and end of each block (`text_start`, ...); see `StreamEvent`.

        Iterate it instead of the stream itself. Leaving the loop closes the connection. A failure is the
        last event, of type `error`, and is not raised; cancellation is.
        """
        from raptscallions_ai.answer.event_builder import EventBuilder

        return EventStream(self, EventBuilder())

    async def result(self) -> ChatResult:
        """Read the rest of the answer and return the whole.

        Raises:
            AiError: The answer failed; the same error as iterating raises, also when asked again.
            StreamInterruptedError: The stream was closed before it was complete.
        """
        async for _ in self:
            pass
        if self._result is None:
            raise self._left_early()
        return self._result

    async def settle(self) -> Usage:
        """Stop the stream if it is not at its end, and return what the call used, with its real cost.

        If the gateway reported it, it is returned at once. For an answer that was left, cut off or asked for more than
        once, the cost is looked up by generation id, for at most 15 seconds an attempt, because OpenRouter records it
        with a delay. If it is not found, `cost_source` is `unknown` and `cost` is the known part, if any.

        Raises:
            AiError: The gateway could not be asked.
        """
        if not self._ended:
            await self.aclose()
        return await self._source.settle()

    async def aclose(self) -> None:
        """Stop: close the connection; an iteration in another task ends. Safe to call at any time, and again."""
        self._ended = self._stopped = True
        self._ready.clear()
        await self._source.aclose()

    def abandon(self) -> None:
        """Stop without waiting for the connection to close; use `aclose` where you can await."""
        self._ended = True
        self._source.abandon()

    async def read(self) -> Sequence[StreamChunk]:
        """Return all chunks that are there, waiting for at least one; none at the end.

        The same chunks as iterating, for code that handles many at once, such as a wrapper.

        Raises:
            AiError: The answer failed; as when iterating.
        """
        try:
            first = await self.__anext__()
        except StopAsyncIteration:
            return ()
        chunks = [first, *reversed(self._ready)]
        self._ready.clear()
        return chunks

    async def __aenter__(self) -> Self:
        try:
            await self._source.open()
        except AiError as error:
            self._error, self._ended = error, True
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> StreamIterator[StreamChunk]:
        if self._error is not None:
            raise self._error
        if self._reading:
            raise AiError("This stream is already being read by another task")
        if self._ended and self._result is None:
            raise self._left_early()
        return StreamIterator(self)

    def __anext__(self) -> Coroutine[object, object, StreamChunk]:
        return self.next_for(None)

    async def next_for(self, reader: object) -> StreamChunk:
        """Return the next chunk; `reader`, whose end would close the stream, lives until it is there."""
        if self._ready:
            return self._ready.pop()
        if self._reading:
            raise AiError("This stream is already being read by another task")
        if self._ended:
            await self._source.aclose()
            self._end()
        self._reading = True
        try:
            self._ready = [*reversed(await self._source.read())]
        except BaseException as error:
            self._ended = True
            if isinstance(error, AiError):
                self._error = error
            raise
        finally:
            self._reading = False
        if not self._ready:
            self._ended = True
            self._end()
        if type(last := self._ready[0]) is DoneChunk:
            self._result, self._ended = last.result, True
        return self._ready.pop()

    def _end(self) -> NoReturn:
        """End an iteration; one that was not ended on purpose must not look like an answer's end."""
        if self._result is None and self._error is None and not self._stopped:
            raise self._left_early()
        raise StopAsyncIteration

    def _left_early(self) -> StreamInterruptedError:
        return StreamInterruptedError("the stream was closed before it was complete", partial=self.partial)

    def __reduce__(self) -> NoReturn:
        # A copy would end the call of the original when it is collected.
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")

    def __del__(self) -> None:
        self.abandon()

    def __repr__(self) -> str:
        state = "failed" if self._error else "complete" if self._result else "closed" if self._ended else "open"
        return f"ChatStream({state})"


class VisibleText:
    """Picks the text for readers that cannot take back what was shown."""

    def __init__(self) -> None:
        self._shown = False

    def of(self, chunk: object) -> str | None:
        """Return the text of a chunk; None if it has none.

        Raises:
            AiError: The answer starts again after some text; this is the error that ended the first one.
        """
        if type(chunk) is ContentChunk:
            self._shown = True
            return chunk.content
        if self._shown and type(chunk) is RestartedChunk:
            raise chunk.error
        return None


class _Readable(Protocol[T_co]):
    """What a `StreamIterator` reads."""

    @property
    def being_read(self) -> bool: ...

    def next_for(self, reader: object) -> Coroutine[object, object, T_co]: ...

    def abandon(self) -> None: ...


class StreamIterator(Generic[T_co]):
    """What an `async for` over a `ChatStream` holds: when the loop lets go of it, the stream is closed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: _Readable[T_co]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[object, object, T_co]:
        return self._stream.next_for(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")

    def __del__(self) -> None:
        if not self._stream.being_read:  # by another iterator, which is still wanted
            self._stream.abandon()


class _Closable(Protocol):
    """What a `TextStream` reads."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def aclose(self) -> None: ...


class TextStream:
    """The text of an answer only, as an async iterator of `str`; letting go of it closes the answer.

    It is not a generator: after a cancellation, a generator would look like the end of the answer.

    Args:
        answer: What to read, a stream or a run.
        visible: Picks what is shown.
    """

    def __init__(self, answer: _Closable, visible: VisibleText) -> None:
        self._answer = answer
        self._visible = visible
        self._items: AsyncIterator[object] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self._items is None:
            self._items = aiter(self._answer)
        while True:
            item = await anext(self._items)
            try:
                text = self._visible.of(item)
            except AiError:
                await self.aclose()
                raise
            if text is not None:
                return text

    async def aclose(self) -> None:
        """Stop: close the connection. Safe to call at any time, and again."""
        await self._answer.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")


class EventStream:
    """What `ChatStream.events` returns: an async iterator of `StreamEvent`s; letting go of it closes the stream."""

    def __init__(self, stream: ChatStream, builder: EventBuilder) -> None:
        self._stream = stream
        self._chunks: StreamIterator[StreamChunk] | None = None
        self._builder = builder
        self._ready: deque[StreamEvent] = deque()
        self._failed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        while not self._ready:
            if self._failed:
                raise StopAsyncIteration
            try:
                if self._chunks is None:
                    self._chunks = aiter(self._stream)
                chunk = await anext(self._chunks)
            except AiError as error:
                if self._stream.being_read:  # by another task: a mistake here, and no failure of the call
                    raise
                self._failed = True
                return self._builder.fail(error)
            self._ready.extend(self._builder.feed(chunk))
        return self._ready.popleft()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream cannot be pickled or copied: it holds a connection and the conversation")
