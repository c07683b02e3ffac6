"""`to_json` and `from_json`: one lossless JSON form foreverything that a call returns.

::

    {"v": 1, "type": "content", "content": "Hel"}                      a chunk
    {"v": 1, "type": "done", "result": {"content": "Hello", "usage": {"cost": "0.00015", ...}, ...}}
    {"v": 1, "kind": "event", "type": "text_delta", "index": 0, "delta": "Hel"}
    {"v": 1, "kind": "tool_event", "type": "tool_started", "call": {"id": "1", "name": "weather", ...}}
    {"v": 1, "kind": "result", ...}      also tool_run_result, usage, tool_call, attempt, output_issue
    {"v": 1, "kind": "message", "message": {"role": "user", "content": "Hi"}}
    {"v": 1, "kind": "error", "name": "TimeoutError", "parents": ["AiError"], "message": ..., "partial": {...}, ...}

The fields are those of the classes and are read from their annotations, so a new field, chunk or event needs no change
here. `v` is the version of the form. It grows only when an old reader would misunderstand the new form, not when
something is added: what a reader does not know, it keeps and writes again.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar, overload

import msgspec

from raptscallions_ai.answer.chunks import StreamChunk
from raptscallions_ai.answer.events import StreamEvent
from raptscallions_ai.answer.json_values import decode_json, encode_json
from raptscallions_ai.answer.result import Attempt, ChatResult, OutputIssue, Usage
from raptscallions_ai.answer.run_events import ToolRunEvent
from raptscallions_ai.answer.shapes import (
    error_from_object,
    error_to_object,
    find_shape,
    message_from_object,
    message_to_object,
    shape_of,
)
from raptscallions_ai.errors import AiError
from raptscallions_ai.messages.message import ChatMessage
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["VERSION", "Serializable", "UnknownValue", "from_json", "from_object", "to_json", "to_object"]

T = TypeVar("T")
VERSION = 1
"""The version of the form; see above when it grows."""


class UnknownValue(msgspec.Struct, frozen=True):
    """A value of a kind that only a newer version of this library has; `to_json` writes it as it was read.

    Attributes:
        fields: The JSON object, without its version.
    """

    fields: dict[str, Any]

    @property
    def type(self) -> str:
        """What the newer version calls it; empty if it has no type."""
        return str(self.fields.get("type", ""))

    def __repr__(self) -> str:
        return f"UnknownValue(kind={self.fields.get('kind')!r}, type={self.type!r})"


Serializable: TypeAlias = (
    StreamChunk
    | StreamEvent
    | ToolRunEvent
    | ChatResult
    | Usage
    | ToolCall
    | Attempt
    | OutputIssue
    | ChatMessage
    | AiError
    | UnknownValue
)
"""What `to_json` takes."""


def to_json(value: Serializable) -> bytes:
    """Return a chunk, event, result, usage, tool call, message or error as one line of JSON.

    `from_json` gives it back: costs to the last digit, what the gateway sent (`reasoning_details`, annotations,
    `usage.raw`) in its order, errors with their class, `partial` and `attempts`. Four things are not kept: the
    `parsed` of a `ParsedResult` (its text is), the `partial` of an event (its chunks are what it was made from), the
    `output` of a tool that is not JSON (its `content` is), and the class of an exception that is not an `AiError`.

    It contains the answer, so protect it as you protect the conversation.

    Raises:
        TypeError: It is something else, or holds something that is not JSON, such as bytes in an error's `details`.
        ValueError: It is nested too deeply.
    """
    return encode_json({"v": VERSION, **to_object(value)})


def to_object(value: Serializable) -> dict[str, Any]:
    """Return the same as `to_json`, as a dict and without the version."""
    if (shape := shape_of(type(value))) is not None:
        return {**shape.head, **shape.write(value)}
    if isinstance(value, AiError):
        return error_to_object(value)
    if isinstance(value, ChatMessage):
        return message_to_object(value)
    if isinstance(value, UnknownValue):
        return dict(value.fields)
    raise TypeError(f"a {type(value).__name__} is not a chunk, event, result, usage, tool call, message or error")


@overload
def from_json(data: bytes | str) -> Any: ...
@overload
def from_json(data: bytes | str, expected: type[T]) -> T: ...
def from_json(data: bytes | str, expected: type[Any] = object) -> Any:
    """Return the value that `to_json` wrote.

    Fields that only a newer version of this library has are kept in `unknown_fields` of the value, and `to_json` writes
    them again. A value of a kind that only a newer version has is an `UnknownValue`.

    Args:
        data: The JSON.
        expected: What it must be, such as `ChatResult`; anything by default.

    Raises:
        ValueError: It is not JSON, not one of these values, or written in a newer version of the format.
    """
    fields = decode_json(data)
    version = fields.pop("v", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(
            f"this was written in version {version!r} of the format, and this release reads version {VERSION}; "
            "upgrade raptscallions-ai"
        )
    value = from_object(fields)
    if not isinstance(value, expected):
        raise ValueError(f"this is a {type(value).__name__}, not a {expected.__name__}")
    return value


def from_object(data: dict[str, Any]) -> Any:
    """Return the value that `to_object` wrote.

    Raises:
        ValueError: It is not one of these values.
    """
    if (shape := find_shape(data)) is not None:
        return shape.read(data)
    if data.get("kind") == "error":
        return error_from_object(data)
    if data.get("kind") == "message":
        return message_from_object(data)
    if not isinstance(data.get("type", data.get("kind")), str):
        raise ValueError("this JSON object has neither a 'type' nor a 'kind'")
    return UnknownValue(dict(data))
