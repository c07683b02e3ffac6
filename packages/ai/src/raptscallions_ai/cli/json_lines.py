"""`--json`: every chunk as one JSON object on a line of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import DoneChunk, StreamChunk
    from raptscallions_ai.answer.result import Attempt, Usage
    from raptscallions_ai.errors import AiError

__all__ = ["chunk_object", "error_object", "json_text"]

_UNESCAPED = re.compile(r"[\x7f-\x9f\ud800-\udfff]")


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON as readable text, in which everything that a terminal would obey is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def chunk_object(chunk: StreamChunk) -> dict[str, Any]:
    """Return a chunk as it is written: its type and its fields; costs are strings, so that no digit is lost."""
    if chunk.type == "done":
        return _done(chunk)
    if chunk.type == "restarted":
        return {"type": chunk.type, "discarded": chunk.discarded.content, "error": error_object(chunk.error)}
    return {"type": chunk.type, **{name: getattr(chunk, name) for name in chunk.__struct_fields__}}


def error_object(error: AiError) -> dict[str, Any]:
    """Return what stands in place of the `done` object when a call failed."""
    return {
        "type": "error",
        **error.to_dict(),
        "name": type(error).__name__,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "request_id": error.request_id,
        "attempts": _attempts(error.attempts),
    }


def _done(chunk: DoneChunk) -> dict[str, Any]:
    result = chunk.result
    return {
        "type": "done",
        "id": result.id,
        "model": result.model,
        "provider": result.provider,
        "finish_reason": result.finish_reason,
        "usage": _usage(result.usage),
        "tool_calls": [call.to_dict() for call in result.tool_calls],
        "refusal": result.refusal,
        "time_to_first_chunk": result.time_to_first_chunk,
        "duration": result.duration,
        "attempts": _attempts(result.attempts),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    counts = ("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens")
    return {
        **{name: getattr(usage, name) for name in counts},
        "cache_write_tokens": usage.cache_write_tokens,
        "cost": None if usage.cost is None else format(usage.cost, "f"),
        "cost_source": usage.cost_source,
        "upstream_cost": None if usage.upstream_cost is None else format(usage.upstream_cost, "f"),
        "is_byok": usage.is_byok,
    }


def _attempts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    names = ("model", "error", "message", "status_code", "duration", "delay", "gateway", "generation_id")
    return [{name: getattr(attempt, name) for name in names} for attempt in attempts]
