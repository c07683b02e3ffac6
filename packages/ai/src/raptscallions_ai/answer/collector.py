"""`StreamCollector`: the sum of a stream's chunks, for code that iterates itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
)
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.messages.message import ChatMessage

__all__ = ["OpenCall", "StreamCollector", "collected"]


class StreamCollector:
    """Collects the chunks of one answer.

    ::

        collector = StreamCollector()
        async for chunk in client.stream_chat("Why is the sky blue?"):
            if text := collector.add(chunk):
                print(text, end="", flush=True)
        messages.append(collector.message())

    A `restarted` chunk empties it, because the answer starts again. Adding costs the same however much there is; the
    texts are put together when they are asked for, so asking for the whole after every chunk costs the square of the
    length.
    """

    def __init__(self) -> None:
        self._result: ChatResult | None = None
        self._clear()

    def add(self, chunk: StreamChunk) -> str | None:
        """Add the next chunk and return the text that it adds to `content`; None if it adds none.

        Raises:
            ValueError: The answer is complete already; each answer needs a collector of its own.
        """
        if self._result is not None:
            raise ValueError("this answer is complete; collect the next one with a new StreamCollector")
        # In the order of how often they come.
        if isinstance(chunk, ContentChunk):
            self._content.append(chunk.content)
            return chunk.content
        if isinstance(chunk, ReasoningChunk):
            self._reasoning.append(chunk.content)
        elif isinstance(chunk, ToolCallChunk):
            self._calls.setdefault(chunk.index, OpenCall()).add(chunk)
        elif isinstance(chunk, AnnotationChunk):
            self._annotations.append(chunk.annotation)
        elif isinstance(chunk, ImageChunk):
            self._images.append(chunk.image)
        elif isinstance(chunk, AudioChunk):
            self._audio.append(chunk)
        elif isinstance(chunk, RefusalChunk):
            self._refusal.append(chunk.content)
        elif isinstance(chunk, RestartedChunk):
            self._clear()
        elif isinstance(chunk, DoneChunk):
            self._result = chunk.result
        return None

    @property
    def partial(self) -> ChatResult:
        """What has been collected so far; once complete, the stream's own result.

        Usage, model and `reasoning_details` come with the end.
        """
        return self._result or ChatResult(
            content=_joined(self._content),
            reasoning=_joined(self._reasoning),
            tool_calls=tuple(self._calls[index].call() for index in sorted(self._calls)),
            annotations=tuple(self._annotations),
            images=tuple(self._images),
            refusal=_joined(self._refusal) or None,
            audio=_sound(self._audio),
        )

    @property
    def content(self) -> str:
        """The answer's text so far."""
        return _joined(self._content) if self._result is None else self._result.content

    @property
    def reasoning(self) -> str:
        """The visible reasoning so far."""
        return _joined(self._reasoning) if self._result is None else self._result.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in order; before the end, the arguments of any of them may be unfinished."""
        return self.partial.tool_calls

    @property
    def usage(self) -> Usage | None:
        """Tokens and cost of the call; None before the end."""
        return self._result.usage if self._result else None

    @property
    def model(self) -> str:
        """The model that answered; empty before the end."""
        return self.partial.model

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended; None before the end."""
        return self.partial.finish_reason

    @property
    def is_complete(self) -> bool:
        """Whether the `done` chunk was added."""
        return self._result is not None

    def message(self) -> ChatMessage:
        """Return the assistant message to append to the conversation."""
        return self.partial.to_message()

    def _clear(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, OpenCall] = {}
        self._annotations: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._refusal: list[str] = []
        self._audio: list[AudioChunk] = []

    def __repr__(self) -> str:
        return f"StreamCollector({'complete' if self.is_complete else 'collecting'})"


class OpenCall:
    """A tool call while it arrives."""

    __slots__ = ("id", "name", "pieces")

    def __init__(self) -> None:
        self.id: str = ""
        self.name: str = ""
        self.pieces: list[str] = []

    def add(self, chunk: ToolCallChunk) -> None:
        """Take in the next piece."""
        self.id = chunk.id or self.id
        self.name = chunk.name or self.name
        if chunk.arguments:
            self.pieces.append(chunk.arguments)

    @property
    def arguments(self) -> str:
        """The arguments' JSON text so far."""
        return _joined(self.pieces)

    def call(self) -> ToolCall:
        """Return the call as far as it is there."""
        return ToolCall(self.id, self.name, self.arguments)


def collected(chunks: Iterable[StreamChunk]) -> ChatResult:
    """Return the sum of one answer's chunks."""
    collector = StreamCollector()
    for chunk in chunks:
        collector.add(chunk)
    return collector.partial


def _sound(pieces: list[AudioChunk]) -> dict[str, Any] | None:
    if not pieces:
        return None
    data, transcript = ("".join(texts) for texts in zip(*((p.data, p.transcript) for p in pieces), strict=True))
    return {"data": data, "transcript": transcript}


def _joined(pieces: list[str]) -> str:
    """Return the whole, and keep it as one piece, so that to ask again costs nothing."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""
