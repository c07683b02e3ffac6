"""`--json`: every chunk as one JSON object on a line of its own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.codec import VERSION, to_object

if TYPE_CHECKING:
    from decimal import Decimal

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.errors import AiError

__all__ = ["chunk_object", "error_object", "json_text"]

_SUMMARY = (
    "id",
    "model",
    "provider",
    "finish_reason",
    "usage",
    "refusal",
    "time_to_first_chunk",
    "duration",
    "attempts",
)
_COSTS = ("cost", "upstream_cost")
_UNESCAPED = re.compile(r"[\x7f-\x9f\ud800-\udfff]")


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON as readable text, with everything escaped that could control a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def chunk_object(chunk: StreamChunk) -> dict[str, Any]:
    """Return a chunk as it is written: as `to_json` has it, and on the last one a summary of the result beside it."""
    written: dict[str, Any] = {"v": VERSION, **to_object(chunk)}
    if chunk.type == "done":
        summary = {name: written["result"][name] for name in _SUMMARY}
        usage = {**summary["usage"], **{name: _plain_number(getattr(chunk.usage, name)) for name in _COSTS}}
        calls = [call.to_dict() for call in chunk.result.tool_calls]
        return {**written, **summary, "usage": usage, "tool_calls": calls}
    return written


def error_object(error: AiError) -> dict[str, Any]:
    """Return what stands in place of the `done` object when a call failed: as `to_json` has it, with a `type`."""
    return {"v": VERSION, "type": "error", **to_object(error)}


def _plain_number(amount: Decimal | None) -> str | None:
    """Return an amount without an exponent, which not every reader of a shell script takes."""
    return None if amount is None else format(amount, "f")
