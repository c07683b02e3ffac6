"""Answers as JSON objects and back, for a cache that keeps them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai.answer.chunks import ContentChunk, DoneChunk, ReasoningChunk, ToolCallChunk
from raptscallions_ai.answer.codec import from_object, to_object
from raptscallions_ai.answer.result import ChatResult, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["NOTHING_USED", "Recorder", "is_good", "restored"]

_KEPT = frozenset({"annotation", "audio", "content", "image", "reasoning", "refusal", "tool_call"})
# What belongs to the call that was made, and not to its answer.
_OF_THE_CALL = ("attempts", "usage", "time_to_first_chunk", "duration")
NOTHING_USED = Usage(cost=Decimal(0), cost_source="reported", raw={"response_cache": "hit"})


_LARGEST = 1_000_000  # characters of an answer
_FRAME = 100  # what a chunk takes beside its text


class Recorder:
    """Records the chunks of an answer while it arrives."""

    def __init__(self) -> None:
        self._chunks: list[StreamChunk] = []
        self._size = 0

    @property
    def is_fit(self) -> bool:
        """Whether the answer is small enough to be stored."""
        return self._size <= _LARGEST

    def add(self, chunks: Iterable[StreamChunk]) -> None:
        """Record some chunks; those of an attempt that was repeated are dropped."""
        for chunk in chunks:
            if chunk.type == "restarted":
                self._chunks.clear()
                self._size = 0
            elif chunk.type in _KEPT:
                self._size += _size_of(chunk)
                if self.is_fit:
                    self._chunks.append(chunk)

    def stored(self, result: ChatResult) -> dict[str, Any]:
        """Return the whole answer as a JSON object."""
        fields = to_object(result)
        for name in _OF_THE_CALL:
            del fields[name]
        return {"chunks": [to_object(chunk) for chunk in self._chunks], "result": fields}


def restored(stored: Mapping[str, Any]) -> list[StreamChunk]:
    """Return the chunks of a stored answer, the last of which is `done`; its usage says that nothing was used.

    Raises:
        ValueError: It is not one, or has another version.
    """
    try:
        chunks = [cast("StreamChunk", from_object(chunk)) for chunk in stored["chunks"]]
        result = from_object({"kind": "result", **stored["result"]})
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a stored answer: {type(error).__name__}") from None
    if not isinstance(result, ChatResult) or any(chunk.type not in _KEPT for chunk in chunks):
        raise ValueError("not a stored answer")
    return [*chunks, DoneChunk(replace(result, usage=NOTHING_USED))]


def _size_of(chunk: StreamChunk) -> int:
    match chunk:
        case ContentChunk() | ReasoningChunk():
            return _FRAME + len(chunk.content)
        case ToolCallChunk():
            return _FRAME + len(chunk.arguments)
        case _:
            return _FRAME + len(str(to_object(chunk)))


def is_good(result: ChatResult) -> bool:
    """Whether an answer is worth storing: whole, and neither filtered nor empty."""
    content = result.content or result.tool_calls or result.images or result.audio or result.reasoning
    return bool(content) and result.finish_reason not in ("length", "content_filter", "error")
