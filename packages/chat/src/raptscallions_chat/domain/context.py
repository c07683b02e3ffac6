"""A path of a conversation as a model is told it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raptscallions_chat.domain.records import Message

__all__ = ["MOST_MESSAGES", "first_that_fits", "to_wire"]

MOST_MESSAGES = 400
"""How many messages of a conversation's end are read: more would fit into no model, and take long."""


def first_that_fits(path: Sequence[Message], room: int, size: Callable[[Sequence[Message]], int]) -> int:
    """Return the place of the first message that is sent, so that whole turns fit into a context; the last turn always.

    Args:
        path: The messages, the one that is answered last.
        room: The tokens that there are for them.
        size: Returns how many tokens messages have.
    """
    turns = [
        place
        for place, message in enumerate(path)
        if message.role == "user" and (place == 0 or path[place - 1].role != "user")
    ]
    end = len(path)
    first = end
    for begins in reversed(turns):
        room -= size(path[begins:end])
        if room < 0 and first < len(path):
            break
        first = end = begins
    return 0 if not turns or first == turns[0] else first


def to_wire(path: Sequence[Message]) -> list[Mapping[str, object]]:
    """Return messages in the OpenAI format; answers of which nothing came are left out."""
    wire: list[Mapping[str, object]] = []
    for message in path:
        if message.role == "assistant":
            wire.extend(_answer(message))
        else:
            content: Any = message.parts if message.parts is not None else message.text
            wire.append({"role": message.role, "content": content})
    return wire


def _answer(message: Message) -> list[Mapping[str, object]]:
    """Return an answer; one that called tools is a message for each step, and one for each result."""
    if message.parts is None:
        return [{"role": "assistant", "content": message.text}] if message.text else []
    wire: list[Mapping[str, object]] = []
    text, calls, position = "", list[dict[str, Any]](), 0
    for part in message.parts:
        if part["type"] == "text":
            if calls:
                wire.extend(_step(text, calls))
                text, calls = "", []
            text += message.text[position : position + part["size"]]
            position += part["size"]
        elif part["type"] == "tool_call" and ("result" in part or "error" in part):
            # A call without a result was cut off; no model accepts it.
            calls.append(part)
    wire.extend(_step(text, calls))
    return wire


def _step(text: str, calls: Sequence[Mapping[str, Any]]) -> list[Mapping[str, object]]:
    if not calls:
        return [{"role": "assistant", "content": text}] if text else []
    asked = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in calls
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": str(call.get("result", call.get("error")))}
        for call in calls
    ]
    return [{"role": "assistant", "content": text or None, "tool_calls": asked}, *results]
