"""Chunks in, events out: where a stream's blocks begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.collector import OpenCall
from raptscallions_ai.answer.events import (
    AnnotationEvent,
    AudioEvent,
    DoneEvent,
    ErrorEvent,
    ImageEvent,
    RefusalEvent,
    RestartedEvent,
    StartEvent,
    TextDeltaEvent,
    TextEndEvent,
    TextStartEvent,
    ThinkingDeltaEvent,
    ThinkingEndEvent,
    ThinkingStartEvent,
    ToolCallDeltaEvent,
    ToolCallEndEvent,
    ToolCallStartEvent,
    WaitingEvent,
)

if TYPE_CHECKING:
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.events import StreamEvent
    from raptscallions_ai.errors import AiError

__all__ = ["EventBuilder"]

_TEXT = (TextStartEvent, TextDeltaEvent, TextEndEvent)
_THINKING = (ThinkingStartEvent, ThinkingDeltaEvent, ThinkingEndEvent)
_Kind: TypeAlias = (
    tuple[type[TextStartEvent], type[TextDeltaEvent], type[TextEndEvent]]
    | tuple[type[ThinkingStartEvent], type[ThinkingDeltaEvent], type[ThinkingEndEvent]]
)


class EventBuilder:
    """Turns the chunks of one stream into events; each chunk takes the same time, however many came before."""

    def __init__(self) -> None:
        self._started = False
        self._next_index = 0
        self._begin()

    def feed(self, chunk: StreamChunk) -> list[StreamEvent]:
        """Return the events of the next chunk.

        A block that begins or ends with it does so before the chunk itself counts as arrived, so that the deltas up to
        an event add up to its `partial`.
        """
        out: list[StreamEvent] = []
        if not self._started:
            self._started = True
            out.append(StartEvent())
        # In the order of how often they come.
        if isinstance(chunk, ContentChunk):
            self._feed_text(_TEXT, chunk, out)
        elif isinstance(chunk, ReasoningChunk):
            self._feed_text(_THINKING, chunk, out)
        elif isinstance(chunk, ToolCallChunk):
            self._feed_call(chunk, out)
        elif isinstance(chunk, DoneChunk):
            self._end(out)
            out.append(DoneEvent(chunk.result))
        elif isinstance(chunk, RestartedChunk):
            self._begin()
            out.append(RestartedEvent(chunk.discarded, chunk.error))
        elif isinstance(chunk, WaitingChunk):
            out.append(WaitingEvent(_so_far=self._so_far()))
        else:
            self._chunks.append(chunk)
            out.append(self._unblocked(chunk))
        return out

    def _unblocked(self, chunk: AnnotationChunk | ImageChunk | AudioChunk | RefusalChunk) -> StreamEvent:
        """Return the event of what stands beside the blocks."""
        so_far = self._so_far()
        match chunk:
            case AnnotationChunk():
                return AnnotationEvent(chunk.annotation, _so_far=so_far)
            case ImageChunk():
                return ImageEvent(chunk.image, _so_far=so_far)
            case AudioChunk():
                return AudioEvent(chunk.data, chunk.transcript, _so_far=so_far)
            case RefusalChunk():
                return RefusalEvent(chunk.content, _so_far=so_far)

    def fail(self, error: AiError) -> ErrorEvent:
        """Return the event of a failure."""
        return ErrorEvent(error, _so_far=self._so_far())

    def _feed_text(self, kind: _Kind, chunk: ContentChunk | ReasoningChunk, out: list[StreamEvent]) -> None:
        start, delta, _ = kind
        if self._kind is not kind:
            self._end_text(out)
            self._kind, self._index, self._pieces = kind, self._new_index(), []
            out.append(start(self._index, _so_far=self._so_far()))
        self._pieces.append(chunk.content)
        self._chunks.append(chunk)
        out.append(delta(self._index, chunk.content, _so_far=self._so_far()))

    def _feed_call(self, chunk: ToolCallChunk, out: list[StreamEvent]) -> None:
        call = self._calls.setdefault(chunk.index, OpenCall())
        call.add(chunk)
        index = self._indexes.get(chunk.index)
        delta = chunk.arguments
        if index is None and call.name:
            index = self._start_call(chunk.index, call, out)
            delta = call.arguments  # with those that came before the name
        self._chunks.append(chunk)
        if index is not None and delta:
            out.append(ToolCallDeltaEvent(index, delta, _so_far=self._so_far()))

    def _start_call(self, position: int, call: OpenCall, out: list[StreamEvent]) -> int:
        self._end_text(out)
        index = self._indexes[position] = self._new_index()
        out.append(ToolCallStartEvent(index, call.id, call.name, _so_far=self._so_far()))
        return index

    def _end(self, out: list[StreamEvent]) -> None:
        """End all blocks; a call that never got a name begins only now."""
        nameless = [position for position in self._calls if position not in self._indexes]
        for position in nameless:
            call = self._calls[position]
            index = self._start_call(position, call, out)
            if call.arguments:
                out.append(ToolCallDeltaEvent(index, call.arguments, _so_far=self._so_far()))
        self._end_text(out)
        for position, index in self._indexes.items():
            out.append(ToolCallEndEvent(index, self._calls[position].call(), _so_far=self._so_far()))

    def _end_text(self, out: list[StreamEvent]) -> None:
        if self._kind is not None:
            end = self._kind[2]
            out.append(end(self._index, "".join(self._pieces), _so_far=self._so_far()))
            self._kind = None

    def _begin(self) -> None:
        """Begin an answer; it gets its own list, because events hold the list of theirs."""
        self._chunks: list[StreamChunk] = []
        self._kind: _Kind | None = None  # of the block of text or thinking that is open
        self._index = 0
        self._pieces: list[str] = []
        self._calls: dict[int, OpenCall] = {}  # by their position among the answer's calls
        self._indexes: dict[int, int] = {}  # of those that have started, in that order

    def _new_index(self) -> int:
        self._next_index += 1
        return self._next_index - 1

    def _so_far(self) -> tuple[list[StreamChunk], int]:
        return self._chunks, len(self._chunks)
