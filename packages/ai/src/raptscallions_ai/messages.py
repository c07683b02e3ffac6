"""Messages of a conversation, and the short ways to write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from raptscallions_ai.result import ToolCall

__all__ = ["ChatMessage", "ContentPart", "Messages", "Role", "assistant", "system", "tool_result", "user"]

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who says a message."""

ContentPart: TypeAlias = Mapping[str, object]
"""One part of a multimodal message in the OpenAI wire format, such as `{"type": "text", "text": "Hi"}`."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: Who says it.
        content: Its text, or its parts in the OpenAI wire format; None for an answer of tool calls only.
        name: An optional name of the speaker.
        tool_call_id: For role `tool`: the id of the call that this is the result of.
        tool_calls: For role `assistant`: the calls that the model asked for.
        reasoning: For role `assistant`: its plain reasoning text.
        reasoning_details: For role `assistant`: its reasoning blocks, exactly as they were received.
        annotations: For role `assistant`: annotations to send back, such as parsed files.
        images: For role `assistant`: images that it made.
        refusal: For role `assistant`: its words of refusal.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the message in the OpenAI wire format, without the fields that are not set."""
        wire: dict[str, Any] = {"role": self.role, "content": self.content}
        if not isinstance(self.content, str) and self.content is not None:
            wire["content"] = list(self.content)
        for key in ("name", "tool_call_id", "reasoning", "refusal"):
            if (value := getattr(self, key)) is not None:
                wire[key] = value
        if self.tool_calls:
            wire["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        for key in ("reasoning_details", "annotations", "images"):
            if blocks := getattr(self, key):
                wire[key] = list(blocks)
        return wire

    def __repr__(self) -> str:
        size = "None" if self.content is None else f"{len(self.content)}"
        unit = "characters" if isinstance(self.content, str) else "parts"
        return f"ChatMessage(role={self.role!r}, content={size} {unit}, tool_calls={len(self.tool_calls)})"


Messages: TypeAlias = str | Sequence[ChatMessage | Mapping[str, object]]
"""A conversation: one user message as a plain `str`, or `ChatMessage`s and OpenAI-format dicts in any mix."""


def system(content: str | Sequence[ContentPart]) -> ChatMessage:
    """Return a system message, the instructions that frame the conversation."""
    return ChatMessage("system", content)


def user(content: str | Sequence[ContentPart], *, name: str | None = None) -> ChatMessage:
    """Return a user message."""
    return ChatMessage("user", content, name=name)


def assistant(content: str | None = None, *, tool_calls: Sequence[ToolCall] = ()) -> ChatMessage:
    """Return an assistant message; as the last one of a conversation it is a prefill of the answer."""
    return ChatMessage("assistant", content, tool_calls=tuple(tool_calls))


def tool_result(tool_call_id: str, content: str | Sequence[ContentPart]) -> ChatMessage:
    """Return the result of a tool call, to follow the assistant message that asked for it."""
    return ChatMessage("tool", content, tool_call_id=tool_call_id)


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
        raise TypeError(f"messages must be a str or a sequence of messages, not {type(given).__name__}")
    return [_to_wire(position, message) for position, message in enumerate(cast("Sequence[object]", given))]


def _to_wire(position: int, message: object) -> Mapping[str, object]:
    if isinstance(message, ChatMessage):
        return message.to_dict()
    if not isinstance(message, Mapping):
        raise TypeError(f"messages[{position}] must be a ChatMessage or a dict, not {type(message).__name__}")
    if "role" not in message:
        raise ValueError(f"messages[{position}] has no 'role'")
    return cast("Mapping[str, object]", message)
