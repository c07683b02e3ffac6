"""What a stream yields: small frozen objects with a literal `type`.

A stream is any number of content, reasoning, tool-call, annotation, image, audio and refusal chunks (and `waiting` and
`restarted` ones if asked for), then exactly one `done` chunk; after an error there is none. No `repr` shows what the
model said, so that chunks can be logged.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.errors import AiError

__all__ = [
    "AnnotationChunk",
    "AudioChunk",
    "ContentChunk",
    "DoneChunk",
    "ImageChunk",
    "ReasoningChunk",
    "RefusalChunk",
    "RestartedChunk",
    "StreamChunk",
    "ToolCallChunk",
    "WaitingChunk",
]


# gc=False: these hold strings only, so the cycle collector never needs to look at one object per token.
class ContentChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    content: str
    type: ClassVar[Literal["content"]] = "content"

    def __repr__(self) -> str:
        return f"ContentChunk({len(self.content)} characters)"


class ReasoningChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's visible reasoning."""

    content: str
    type: ClassVar[Literal["reasoning"]] = "reasoning"

    def __repr__(self) -> str:
        return f"ReasoningChunk({len(self.content)} characters)"


class ToolCallChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of one tool call.

    Attributes:
        index: Which call of the answer this belongs to, counted from 0 in order of appearance.
        id: The call's id; on the chunk that brings it, else None.
        name: The tool's name; on the chunk that brings it, else None.
        arguments: The next part of the arguments' JSON text; may be empty.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    type: ClassVar[Literal["tool_call"]] = "tool_call"

    def __repr__(self) -> str:
        return f"ToolCallChunk(index={self.index}, name={self.name!r}, arguments={len(self.arguments)} characters)"


class AnnotationChunk(msgspec.Struct, frozen=True):
    """One annotation of the answer, such as a URL citation.

    Attributes:
        annotation: As the gateway sent it, for example `{"type": "url_citation", "url_citation": {...}}`.
    """

    annotation: dict[str, Any]
    type: ClassVar[Literal["annotation"]] = "annotation"

    def __repr__(self) -> str:
        return f"AnnotationChunk({self.annotation.get('type')!r})"


class ImageChunk(msgspec.Struct, frozen=True):
    """One whole image that the model made.

    Attributes:
        image: As the gateway sent it, for example `{"type": "image_url", "image_url": {"url": "data:..."}}`.
    """

    image: dict[str, Any]
    type: ClassVar[Literal["image"]] = "image"

    @property
    def url(self) -> str | None:
        """The image's URL, usually a `data:` URL; None if the gateway sent it in a shape of its own."""
        inner: object = self.image.get("image_url")
        url: object = inner.get("url") if isinstance(inner, dict) else inner  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - foreign JSON
        return url if isinstance(url, str) else None

    def __repr__(self) -> str:
        return f"ImageChunk({len(self.url or '')} characters)"


class AudioChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's spoken answer.

    Attributes:
        data: The next piece of audio, in base64, in the requested format; may be empty.
        transcript: The next piece of its text; may be empty.
    """

    data: str = ""
    transcript: str = ""
    type: ClassVar[Literal["audio"]] = "audio"

    @property
    def sound(self) -> bytes:
        """The piece of audio as bytes.

        Raises:
            ValueError: The gateway sent something that is not base64.
        """
        return base64.b64decode(self.data, validate=True)

    def __repr__(self) -> str:
        return f"AudioChunk({len(self.data)} characters of sound, {len(self.transcript)} of transcript)"


class RefusalChunk(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's refusal; it is not part of the answer's text."""

    content: str
    type: ClassVar[Literal["refusal"]] = "refusal"

    def __repr__(self) -> str:
        return f"RefusalChunk({len(self.content)} characters)"


class WaitingChunk(msgspec.Struct, frozen=True, gc=False):
    """A keep-alive of the gateway: it is still working; only yielded if asked for."""

    type: ClassVar[Literal["waiting"]] = "waiting"


class RestartedChunk(msgspec.Struct, frozen=True):
    """The answer was interrupted and starts again: everything that this stream has yielded so far is void.

    Only with `on_interrupt`. It comes directly before the first chunk of the new answer, so that the text a user reads
    is removed only when there is something to replace it.

    Attributes:
        discarded: What had arrived and is void now.
        error: What the interrupted attempt failed with.
    """

    discarded: ChatResult
    error: AiError
    type: ClassVar[Literal["restarted"]] = "restarted"

    def __repr__(self) -> str:
        return f"RestartedChunk(discarded={len(self.discarded.content)} characters, error={type(self.error).__name__})"


class DoneChunk(msgspec.Struct, frozen=True):
    """The end of a complete answer.

    Attributes:
        result: The whole answer with its usage.
    """

    result: ChatResult
    type: ClassVar[Literal["done"]] = "done"

    @property
    def usage(self) -> Usage:
        """Tokens and cost of the call; the same object as `result.usage`."""
        return self.result.usage


StreamChunk: TypeAlias = (
    ContentChunk
    | ReasoningChunk
    | ToolCallChunk
    | AnnotationChunk
    | ImageChunk
    | AudioChunk
    | RefusalChunk
    | WaitingChunk
    | RestartedChunk
    | DoneChunk
)
"""Whatever a stream may yield."""


def as_chunks(result: ChatResult) -> list[StreamChunk]:
    """Return a whole answer as the chunks of a stream."""
    chunks: list[StreamChunk] = []
    if result.reasoning:
        chunks.append(ReasoningChunk(result.reasoning))
    chunks += [AnnotationChunk(annotation) for annotation in result.annotations]
    if result.content:
        chunks.append(ContentChunk(result.content))
    calls = enumerate(result.tool_calls)
    chunks += [ToolCallChunk(index, call.id, call.name, call.raw_arguments) for index, call in calls]
    chunks += [ImageChunk(image) for image in result.images]
    if result.audio:
        data, transcript = (result.audio.get(name) for name in ("data", "transcript"))
        chunks.append(AudioChunk(*(text if isinstance(text, str) else "" for text in (data, transcript))))
    if result.refusal:
        chunks.append(RefusalChunk(result.refusal))
    return [*chunks, DoneChunk(result)]
