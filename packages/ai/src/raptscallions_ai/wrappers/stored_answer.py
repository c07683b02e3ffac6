"""Answers as JSON objects and back, for a cache that keeps them."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    StreamChunk,
    ToolCallChunk,
)
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NOTHING_USED", "Recorder", "restored"]

_KINDS = {kind.type: kind for kind in (AnnotationChunk, ContentChunk, ImageChunk, ReasoningChunk, ToolCallChunk)}
# What belongs to the call that was made, and not to its answer.
_OF_THE_CALL = frozenset({"attempts", "usage", "time_to_first_chunk", "duration"})
NOTHING_USED = Usage(cost=Decimal(0), cost_source="reported", raw={"response_cache": "hit"})


class Recorder:
    """Notes the chunks of an answer while it arrives."""

    def __init__(self) -> None:
        self._chunks: list[StreamChunk] = []

    def add(self, chunks: Iterable[StreamChunk]) -> None:
        """Note some chunks; those of an attempt that was made again are forgotten."""
        for chunk in chunks:
            if chunk.type == "restarted":
                self._chunks.clear()
            elif chunk.type in _KINDS:
                self._chunks.append(chunk)

    def stored(self, result: ChatResult) -> dict[str, Any]:
        """Return the whole answer as a JSON object."""
        kept = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in _OF_THE_CALL}
        chunks = [{"type": chunk.type, **msgspec.structs.asdict(chunk)} for chunk in self._chunks]
        return {"chunks": chunks, "result": msgspec.to_builtins(kept)}


def restored(stored: Mapping[str, Any]) -> list[StreamChunk]:
    """Return the chunks of a stored answer, the last of which is `done`; its usage says that nothing was used.

    Raises:
        ValueError: It is none, or one of another version.
    """
    try:
        chunks = [_chunk(dict(chunk)) for chunk in stored["chunks"]]
        result: dict[str, Any] = {name: _tuple(value) for name, value in stored["result"].items()}
        result["tool_calls"] = tuple(ToolCall(**call) for call in result["tool_calls"])
        return [*chunks, DoneChunk(ChatResult(**result, usage=NOTHING_USED))]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a stored answer: {type(error).__name__}") from None


def _tuple(value: Any) -> Any:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


def _chunk(fields: dict[str, Any]) -> StreamChunk:
    return _KINDS[fields.pop("type")](**fields)
