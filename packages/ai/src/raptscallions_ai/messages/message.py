"""Messages of a conversation, and short ways to write them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, TypeVar, cast, overload

from raptscallions_ai.messages.parts import ContentPart, TextPart
from raptscallions_ai.options.types import CacheControl, CacheTtl
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["ChatMessage", "Content", "Messages", "Role", "assistant", "cached", "system", "tool_result", "user"]

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who says a message."""

Content: TypeAlias = str | Sequence[str | ContentPart]
"""What a message says: a text, or parts such as `image(...)`, among which a plain `str` is a part that is text."""

_Part = TypeVar("_Part", bound=Mapping[str, object])
_TEXTS = ("name", "tool_call_id", "reasoning", "refusal")
_BLOCKS = ("reasoning_details", "annotations", "images")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: Who wrote it.
        content: Its text, or its parts in the wire format; None for an answer of tool calls only.
        name: An optional name of the speaker.
        tool_call_id: For role `tool`: the id of the call that this is the result of.
        tool_calls: For role `assistant`: the calls that the model asked for.
        reasoning: For role `assistant`: its plain reasoning text.
        reasoning_details: For role `assistant`: its reasoning blocks, exactly as they were received.
        annotations: For role `assistant`: annotations to send back, such as parsed files.
        images: For role `assistant`: images that it made.
        refusal: For role `assistant`: its refusal.
        native: For role `assistant`: the answer in its engine's own dialect, for that engine only.
        extra: Further fields of the wire format, sent as they are; they win over the ones above.
    """

    role: Role
    content: str | Sequence[ContentPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    reasoning_details: tuple[dict[str, Any], ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()
    images: tuple[dict[str, Any], ...] = ()
    refusal: str | None = None
    native: Mapping[str, Any] | None = field(default=None, hash=False)
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    # The dict that it was made from. Not taken over by `replace`, so it never contradicts the fields.
    _wire: dict[str, Any] | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def from_dict(cls, message: Mapping[str, Any]) -> Self:
        """Return a message of the OpenAI wire format as a `ChatMessage` whose `to_dict` gives it back, equal.

        Fields that are unknown or have another type are in `extra`. What can be seen only in
        the dict (whether a field is null or missing) is lost by `dataclasses.replace`.

        Raises:
            TypeError: It is not a mapping.
            ValueError: It has no `role`, or is nested too deeply.
        """
        if not isinstance(cast("object", message), Mapping):
            raise TypeError(f"a message must be a dict, not {type(message).__name__}")
        if not isinstance(message.get("role"), str):
            raise ValueError("a message must have a 'role', which is a str")
        wire = _copied(dict(message))
        known, extra = _fields(wire)
        made = cls(**known, extra=extra)
        object.__setattr__(made, "_wire", wire)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return the message in the OpenAI wire format, without the fields that are not set."""
        if self._wire:
            return _copied(self._wire)
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        if not isinstance(self.content, str) and self.content is not None:
            wire["content"] = list(self.content)
        for key in _TEXTS:
            if (value := getattr(self, key)) is not None:
                wire[key] = value
        if self.tool_calls:
            wire["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        for key in _BLOCKS:
            if blocks := getattr(self, key):
                wire[key] = list(blocks)
        if self.native is not None:
            wire["native"] = dict(self.native)
        if self.extra:
            wire |= self.extra
        return wire

    def __repr__(self) -> str:
        size = "None" if self.content is None else f"{len(self.content)}"
        unit = "characters" if isinstance(self.content, str) else "parts"
        return f"ChatMessage(role={self.role!r}, content={size} {unit}, tool_calls={len(self.tool_calls)})"


Messages: TypeAlias = str | Sequence[ChatMessage | Mapping[str, object]]
"""A conversation: one user message as a plain `str`, or `ChatMessage`s and OpenAI-format dicts in any mix."""


def system(content: Content) -> ChatMessage:
    """Return a system message, the instructions that frame the conversation."""
    return ChatMessage("system", _checked(content))


def user(content: Content, *, name: str | None = None) -> ChatMessage:
    """Return a user message: a text, or a list of texts and parts, such as `["What is this?", image(path)]`."""
    return ChatMessage("user", _checked(content), name=name)


def assistant(content: Content | None = None, *, tool_calls: Sequence[ToolCall] = ()) -> ChatMessage:
    """Return an assistant message; as the last one of a conversation it is a prefill of the answer."""
    checked = None if content is None else _checked(content)
    return ChatMessage("assistant", checked, tool_calls=tuple(tool_calls))


def tool_result(tool_call_id: str, content: Content) -> ChatMessage:
    """Return the result of a tool call, to follow the assistant message that asked for it."""
    return ChatMessage("tool", _checked(content), tool_call_id=tool_call_id)


@overload
def cached(part: str, *, ttl: CacheTtl | None = None) -> TextPart: ...
@overload
def cached(part: ChatMessage, *, ttl: CacheTtl | None = None) -> ChatMessage: ...
@overload
def cached(part: _Part, *, ttl: CacheTtl | None = None) -> _Part: ...
def cached(
    part: str | ChatMessage | Mapping[str, object], *, ttl: CacheTtl | None = None
) -> TextPart | ChatMessage | Mapping[str, object]:
    """Return a copy with a prompt-cache breakpoint: everything up to it is cached for the next request.

    For models that cache only marked content, such as Claude (at most four breakpoints in a request, each after 1024
    tokens or more) and Gemini (the last one counts).

    Args:
        part: A part, a text that becomes one, a tool, or a message, of which the last part is marked.
        ttl: How long it is cached; 5 minutes by default. An hour costs more to write.

    Raises:
        TypeError: It is something else.
        ValueError: The message has no content, or `ttl` has another value.
    """
    if ttl not in (None, "5m", "1h"):
        raise ValueError("ttl must be '5m' or '1h'")
    mark: CacheControl = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
    if isinstance(part, ChatMessage):
        if not part.content:
            raise ValueError("a message without content has nothing to cache")
        *before, last = _checked([part.content] if isinstance(part.content, str) else part.content)
        return replace(part, content=[*before, {**cast("Mapping[str, object]", last), "cache_control": mark}])
    if isinstance(part, str):
        return {"type": "text", "text": part, "cache_control": mark}
    if not isinstance(cast("object", part), Mapping):
        raise TypeError(f"cached() takes a part, a str or a ChatMessage, not {type(part).__name__}")
    return {**part, "cache_control": mark}


def to_wire(messages: Messages) -> list[Mapping[str, object]]:
    """Return the conversation in the OpenAI wire format; dicts are passed on as they are.

    Raises:
        TypeError: `messages`, or one of them, is of another type.
        ValueError: A dict has no `role`.
    """
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    given = cast("object", messages)
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        hint = "; put it into a list" if isinstance(given, ChatMessage | Mapping) else ""
        raise TypeError(f"messages must be a str or a sequence of messages, not {type(messages).__name__}{hint}")
    return [_to_wire(position, message) for position, message in enumerate(cast("Sequence[object]", given))]


def _to_wire(position: int, message: object) -> Mapping[str, object]:
    if isinstance(message, ChatMessage):
        return message.to_dict()
    if not isinstance(message, Mapping):
        raise TypeError(f"messages[{position}] must be a ChatMessage or a dict, not {type(message).__name__}")
    if "role" not in message:
        raise ValueError(f"messages[{position}] has no 'role'")
    return cast("Mapping[str, object]", message)


def _checked(content: Content) -> str | list[ContentPart]:
    if isinstance(content, str):
        return content
    given = cast("object", content)
    if isinstance(given, Mapping):
        raise TypeError("content must be a str or a list of parts; put a single part into a list")
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise TypeError(f"content must be a str or a list of parts, not {type(given).__name__}")
    return [_part(position, part) for position, part in enumerate(cast("Sequence[object]", given))]


def _part(position: int, part: object) -> ContentPart:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        raise TypeError(f"content[{position}] must be a str or a part, not {type(part).__name__}")
    return cast("ContentPart", part)


def _fields(wire: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a message that the wire format's hold, and those that have no such field."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in wire.items():
        if key == "role" or (key in ("content", *_TEXTS) and isinstance(value, str)):
            known[key] = value
        elif key == "content" and isinstance(value, list):
            known[key] = cast("list[Any]", value)
        elif key in _BLOCKS and _is_list_of_dicts(value):
            known[key] = tuple(value)
        elif key == "tool_calls" and _is_list_of_dicts(value):
            known[key] = tuple(call for each in value if (call := _tool_call(each)) is not None)
        elif key == "native" and isinstance(value, dict):
            known[key] = cast("dict[str, Any]", value)
        elif value is not None or key not in ("content", "tool_calls", *_TEXTS, *_BLOCKS):
            extra[key] = value
    return known, extra


def _tool_call(wire: Mapping[str, Any]) -> ToolCall | None:
    """Return a function call; other kinds of calls, such as those of custom tools, stay in the dict alone."""
    function = wire.get("function")
    if not isinstance(function, dict):
        return None
    named = cast("dict[str, Any]", function)
    texts = (wire.get("id"), named.get("name"), named.get("arguments"))
    id_, name, arguments = (text if isinstance(text, str) else "" for text in texts)
    return ToolCall(id_, name, arguments, wire)


def _is_list_of_dicts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value))


def _copied(wire: dict[str, Any]) -> dict[str, Any]:
    try:
        return copy.deepcopy(wire)
    except RecursionError:
        pass
    raise ValueError("the message is nested too deeply")
