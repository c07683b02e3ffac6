"""The messages of a conversation as a host of chat completions takes them, whoever answered in it before.

Source: OpenAI API reference, "Create chat completion": each call of a tool is followed by its result, and a result by
nothing else; a message has no field that is not documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_list, json_object

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["fitting_messages"]

_FIELDS = {
    "assistant": ("role", "content", "name", "refusal", "audio", "tool_calls", "function_call"),
    "tool": ("role", "content", "tool_call_id"),
}
_CALL_FIELDS = ("id", "type", "function", "custom")
_NO_RESULT = "This call was never carried out: there is no result."
_Message = dict[str, Any]


def fitting_messages(messages: Iterable[object], *, documented_only: bool) -> list[_Message]:
    """Return messages without what was for other engines alone, each call with its result.

    Args:
        messages: Messages in the canonical form.
        documented_only: Whether the host refuses fields that OpenAI does not document, such as other models' reasoning.
    """
    made: list[_Message] = []
    open_calls: list[str] = []
    for message in map(json_object, messages):
        fields = {name: value for name, value in message.items() if name != "native"}
        role = fields.get("role")
        if role == "tool" and fields.get("tool_call_id") in open_calls:
            open_calls.remove(fields["tool_call_id"])
        elif role == "tool":
            fields = _as_text(fields)
            made += map(_missing, open_calls)
            open_calls = []
        else:
            made += map(_missing, open_calls)
            open_calls = _ids_of_calls(fields) if role == "assistant" else []
        made.append(_documented(fields) if documented_only else fields)
    return made + [_missing(call_id) for call_id in open_calls]


def _ids_of_calls(message: _Message) -> list[str]:
    return [str(json_object(call).get("id")) for call in json_list(message.get("tool_calls"))]


def _missing(call_id: str) -> _Message:
    return {"role": "tool", "tool_call_id": call_id, "content": _NO_RESULT}


def _as_text(result: _Message) -> _Message:
    """Return the result of a call that is not in the conversation as the user's words."""
    opening = f"Result of an earlier tool call ({result.get('tool_call_id')}):"
    content = result.get("content")
    if isinstance(content, str):
        return {"role": "user", "content": f"{opening}\n\n{content}"}
    return {"role": "user", "content": [{"type": "text", "text": opening}, *json_list(content)]}


def _documented(message: _Message) -> _Message:
    names = _FIELDS.get(str(message.get("role")))
    if names is None:
        return message
    fields = {name: message[name] for name in names if name in message}
    if calls := [json_object(call) for call in json_list(fields.get("tool_calls"))]:
        fields["tool_calls"] = [{name: call[name] for name in _CALL_FIELDS if name in call} for call in calls]
    return fields
