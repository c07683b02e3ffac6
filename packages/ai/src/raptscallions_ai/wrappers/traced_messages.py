"""Conversations in the shape of OpenTelemetry's `gen_ai.input.messages` and `gen_ai.output.messages`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.messages.message import to_wire

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.messages.message import Messages

__all__ = ["input_messages", "output_messages"]


def input_messages(messages: Messages) -> str:
    """Return a conversation as JSON; of images, files and the like only their kind."""
    return json.dumps([{"role": str(m["role"]), "parts": list(_parts(m))} for m in to_wire(messages)], default=str)


def output_messages(result: ChatResult) -> str:
    """Return an answer, or what had arrived of it, as JSON."""
    parts = list(_parts(result.to_message().to_dict()))
    return json.dumps([{"role": "assistant", "parts": parts, "finish_reason": result.finish_reason or "error"}])


def _parts(message: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    if message.get("reasoning"):
        yield {"type": "reasoning", "content": message["reasoning"]}
    content = message.get("content")
    if message.get("role") == "tool":
        yield {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
    elif isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
    elif isinstance(content, Sequence):
        for part in cast("Sequence[Mapping[str, object]]", content):
            text = part.get("text")
            yield {"type": part.get("type")} if text is None else {"type": "text", "content": text}
    for call in cast("Sequence[Mapping[str, Any]]", message.get("tool_calls") or ()):
        function = json_object(call.get("function"))
        called = {"name": function.get("name"), "arguments": function.get("arguments")}
        yield {"type": "tool_call", "id": call.get("id"), **called}
