"""The events of `ChatStream.events`: a stream with the start and end of each block, for user interfaces.

An answer is a `start`, then blocks, then `done`. A block is a stretch of text, of thinking (visible reasoning), or one
tool call; it has a `_start`, deltas, and an `_end` with the whole content. All events of a block have its `index`,
that identifies the block, because tool calls may arrive interleaved. Text and thinking end when another block starts;
tool calls end directly before `done`, because only then are they known to be whole.

An `_end` says that the block is whole. So a block that is cut off has none: `error` and `restarted` end all that is
open. No `repr` shows what the model said, so that events can be logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import msgspec

from raptscallions_ai.answer.chunks import AudioChunk, ImageChunk, StreamChunk
from raptscallions_ai.answer.collector import collected
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raptscallions_ai.answer.result import Usage

__all__ = [
    "AnnotationEvent",
    "DoneEvent",
    "ErrorEvent",
    "ImageEvent",
    "RestartedEvent",
    "StartEvent",
    "StreamEvent",
    "TextDeltaEvent",
    "TextEndEvent",
    "TextStartEvent",
    "ThinkingDeltaEvent",
    "ThinkingEndEvent",
    "ThinkingStartEvent",
    "ToolCallDeltaEvent",
    "ToolCallEndEvent",
    "ToolCallStartEvent",
    "WaitingEvent",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What all events have: their place in the stream."""

    # The answer's chunks, a list that grows on, and how many there were: nothing is copied for an event.
    _so_far: tuple[Sequence[StreamChunk], int] = ((), 0)

    @property
    def partial(self) -> ChatResult:
        """The message as far as it had arrived with this event, whenever it is asked for.

        Asking costs the length of the answer so far; not asking costs nothing. Usage, model and
        `reasoning_details` are only in the partial of `done`.
        """
        chunks, count = self._so_far
        return collected(islice(chunks, count))

    def _shown(self) -> Iterator[tuple[str, object]]:
        names = (name for name in self.__struct_fields__ if not name.startswith("_"))
        return ((name, getattr(self, name)) for name in names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and list(self._shown()) == list(other._shown())

    def __hash__(self) -> int:
        return hash((type(self), *(value for _, value in self._shown() if isinstance(value, str | int))))

    def __repr__(self) -> str:
        sizes = (f"{name}={f'{len(v)} characters' if isinstance(v, str) else repr(v)}" for name, v in self._shown())
        return f"{type(self).__name__}({', '.join(sizes)})"


class StartEvent(_Event, frozen=True):
    """The answer begins: always first, unless the call fails before there is any answer."""

    type: ClassVar[Literal["start"]] = "start"


class TextStartEvent(_Event, frozen=True, gc=False):
    """A block of text begins."""

    index: int
    type: ClassVar[Literal["text_start"]] = "text_start"


class TextDeltaEvent(_Event, frozen=True, gc=False):
    """The next piece of a block of text."""

    index: int
    delta: str
    type: ClassVar[Literal["text_delta"]] = "text_delta"


class TextEndEvent(_Event, frozen=True, gc=False):
    """A block of text is whole; `content` is all of it."""

    index: int
    content: str
    type: ClassVar[Literal["text_end"]] = "text_end"


class ThinkingStartEvent(_Event, frozen=True, gc=False):
    """A block of visible reasoning begins."""

    index: int
    type: ClassVar[Literal["thinking_start"]] = "thinking_start"


class ThinkingDeltaEvent(_Event, frozen=True, gc=False):
    """The next piece of a block of visible reasoning."""

    index: int
    delta: str
    type: ClassVar[Literal["thinking_delta"]] = "thinking_delta"


class ThinkingEndEvent(_Event, frozen=True, gc=False):
    """A block of visible reasoning is whole; `content` is all of it."""

    index: int
    content: str
    type: ClassVar[Literal["thinking_end"]] = "thinking_end"


class ToolCallStartEvent(_Event, frozen=True, gc=False):
    """A tool call begins; it waits for the tool's name, should arguments come before that.

    Attributes:
        index: The block's index.
        id: The call's id; empty if the gateway has sent none yet.
        name: The tool's name; empty if the gateway never sent one.
    """

    index: int
    id: str
    name: str
    type: ClassVar[Literal["tool_call_start"]] = "tool_call_start"

    def __repr__(self) -> str:
        return f"ToolCallStartEvent(index={self.index}, id={self.id!r}, name={self.name!r})"


class ToolCallDeltaEvent(_Event, frozen=True, gc=False):
    """The next piece of the JSON text of a tool call's arguments."""

    index: int
    delta: str
    type: ClassVar[Literal["tool_call_delta"]] = "tool_call_delta"


class ToolCallEndEvent(_Event, frozen=True):
    """A tool call is whole, as far as the answer is: one that stopped at its token limit may have cut the arguments."""

    index: int
    tool_call: ToolCall
    type: ClassVar[Literal["tool_call_end"]] = "tool_call_end"


class AnnotationEvent(_Event, frozen=True):
    """One annotation of the answer, as in `AnnotationChunk`; it is outside the blocks and ends none."""

    annotation: dict[str, Any]
    type: ClassVar[Literal["annotation"]] = "annotation"

    def __repr__(self) -> str:
        return f"AnnotationEvent({self.annotation.get('type')!r})"


class ImageEvent(_Event, frozen=True):
    """One whole image, as in `ImageChunk`; it is outside the blocks and ends none."""

    image: dict[str, Any]
    type: ClassVar[Literal["image"]] = "image"

    @property
    def url(self) -> str | None:
        """The image's URL, usually a `data:` URL; None if the gateway sent it in a shape of its own."""
        return ImageChunk(self.image).url

    def __repr__(self) -> str:
        return f"ImageEvent({len(self.url or '')} characters)"


class AudioEvent(_Event, frozen=True, gc=False):
    """A piece of the model's spoken answer, as in `AudioChunk`; it is outside the blocks and ends none."""

    data: str = ""
    transcript: str = ""
    type: ClassVar[Literal["audio"]] = "audio"

    def __repr__(self) -> str:
        return repr(AudioChunk(self.data, self.transcript)).replace("Chunk", "Event")


class RefusalEvent(_Event, frozen=True, gc=False):
    """A piece of the model's refusal, as in `RefusalChunk`; it is outside the blocks and ends none."""

    content: str
    type: ClassVar[Literal["refusal"]] = "refusal"

    def __repr__(self) -> str:
        return f"RefusalEvent({len(self.content)} characters)"


class WaitingEvent(_Event, frozen=True, gc=False):
    """A keep-alive of the gateway; only with `include_waiting`."""

    type: ClassVar[Literal["waiting"]] = "waiting"


class RestartedEvent(_Event, frozen=True):
    """The answer was interrupted and starts again; only with `on_interrupt`. All blocks so far are void, open ones too.

    The indexes continue, so that no two blocks share one.

    Attributes:
        discarded: What had arrived and is void now.
        error: What the interrupted attempt failed with.
    """

    discarded: ChatResult
    error: AiError
    type: ClassVar[Literal["restarted"]] = "restarted"


class DoneEvent(_Event, frozen=True):
    """The end of a complete answer; every block has its end.

    Attributes:
        result: The whole answer with its usage.
    """

    result: ChatResult
    type: ClassVar[Literal["done"]] = "done"

    @property
    def partial(self) -> ChatResult:
        """The whole answer."""
        return self.result

    @property
    def usage(self) -> Usage:
        """Tokens and cost of the call; the same object as `result.usage`."""
        return self.result.usage


class ErrorEvent(_Event, frozen=True):
    """The end of a call that failed; blocks that were open have no end.

    Attributes:
        error: What iterating over the stream itself would have raised.
    """

    error: AiError
    type: ClassVar[Literal["error"]] = "error"

    @property
    def partial(self) -> ChatResult:
        """What had arrived; empty if nothing had."""
        return self.error.partial or super().partial


StreamEvent: TypeAlias = (
    StartEvent
    | TextStartEvent
    | TextDeltaEvent
    | TextEndEvent
    | ThinkingStartEvent
    | ThinkingDeltaEvent
    | ThinkingEndEvent
    | ToolCallStartEvent
    | ToolCallDeltaEvent
    | ToolCallEndEvent
    | AnnotationEvent
    | ImageEvent
    | AudioEvent
    | RefusalEvent
    | WaitingEvent
    | RestartedEvent
    | DoneEvent
    | ErrorEvent
)
"""Whatever `ChatStream.events` may yield."""
