"""Chunks of a client's stream as events of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai import AnnotationChunk, ContentChunk, ImageChunk, ReasoningChunk, RestartedChunk, ToolCallChunk
from raptscallions_chat.runs.errors import failure_payload

if TYPE_CHECKING:
    from raptscallions_ai import StreamChunk
    from raptscallions_chat.domain.events import Event

__all__ = ["event_of_chunk"]


def event_of_chunk(chunk: StreamChunk) -> Event | None:
    """Return the event for a chunk; None for one that readers are not told of."""
    match chunk:
        case ContentChunk() | ReasoningChunk():
            return {"type": chunk.type, "content": chunk.content} if chunk.content else None
        case ToolCallChunk():
            call = {"index": chunk.index, "id": chunk.id, "name": chunk.name, "arguments": chunk.arguments}
            return {"type": "tool_call", **call}
        case AnnotationChunk():
            return {"type": "annotation", "annotation": chunk.annotation}
        case ImageChunk():
            return {"type": "image", "image": chunk.image}
        case RestartedChunk():
            return {"type": "restarted", "error": failure_payload(chunk.error)}
        case _:
            return None
