"""The parts of an answer that a gateway wants back, carried by a browser between two requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["SENT_BACK", "read_sent_back", "sent_back"]

SENT_BACK = "data-sent-back"
"""The type of the part."""

_BLOCKS = ("reasoning_details", "thinking_blocks")
_TEXTS = ("reasoning_content", "reasoning_text", "thinking")


def sent_back(result: ChatResult, ids: list[str]) -> list[dict[str, Any]]:
    """Return the part that carries them, or none.

    Args:
        result: The answer.
        ids: The ids of its tool calls, as the browser knows them.
    """
    names = (*_BLOCKS, *_TEXTS, "extra_content")
    data: dict[str, Any] = {name: result.extra[name] for name in names if name in result.extra}
    if result.reasoning_details:
        data["reasoning_details"] = list(result.reasoning_details)
    if calls := {id_: dict(call.extra) for id_, call in zip(ids, result.tool_calls, strict=True) if call.extra}:
        data["tool_calls"] = calls
    return [{"type": SENT_BACK, "data": data}] if data else []


def read_sent_back(data: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the message, and those of its tool calls by their ids.

    Raises:
        ValueError: Something in it is of another type than it can be.
    """
    fields: dict[str, Any] = {}
    for name in (*_BLOCKS, *_TEXTS, "extra_content"):
        value = data.get(name)
        if value is None:
            continue
        if name in _BLOCKS:
            is_right = isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value))
        else:
            is_right = isinstance(value, str if name in _TEXTS else dict)
        if not is_right:
            raise ValueError(f"{name} of the part that is sent back has the wrong type")
        fields[name] = value
    calls = cast("Any", data.get("tool_calls") or {})
    if not isinstance(calls, dict) or not all(isinstance(extra, dict) for extra in cast("Any", calls).values()):
        raise ValueError("tool_calls of what is sent back must be objects by their ids")
    return fields, cast("dict[str, Any]", calls)
