"""Conversations as JSON: our own format, which keeps everything, and OpenAI's list of messages, which others read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raptscallions_chat.domain.context import to_wire
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.text import clean
from raptscallions_chat.domain.titles import MAX_TITLE, first_words

if TYPE_CHECKING:
    from raptscallions_chat.domain.records import Conversation, Message

__all__ = [
    "FORMAT",
    "MAX_MESSAGES",
    "ImportedConversation",
    "ImportedMessage",
    "conversation_header",
    "message_record",
    "openai_document",
    "parse_conversation",
]

FORMAT = "raptscallions-chat/1"
MAX_MESSAGES = 10_000

_STATUSES = ("complete", "stopped", "interrupted", "failed", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMessage:
    """A message of a conversation that came from elsewhere; ids are those of the document."""

    id: str
    parent_id: str | None
    role: str
    text: str
    parts: list[dict[str, Any]] | None = None
    status: str = "complete"
    model: str | None = None
    finish_reason: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConversation:
    """A conversation that came from elsewhere: its messages, parents before children."""

    title: str | None
    model: str | None
    tool: str | None
    head_id: str | None
    messages: list[ImportedMessage]


def conversation_header(conversation: Conversation, tool: str | None) -> dict[str, Any]:
    """Return what our format has of a conversation besides its messages."""
    return {
        "format": FORMAT,
        "title": conversation.title,
        "model": conversation.model,
        "tool": tool,
        "head_id": conversation.head_id,
        "created_at": conversation.created_at,
    }


def message_record(message: Message) -> dict[str, Any]:
    """Return a message in our format."""
    names = ("id", "parent_id", "role", "status", "text", "parts", "model", "finish_reason", "created_at")
    return {name: getattr(message, name) for name in names}


def openai_document(conversation: Conversation, path: Sequence[Message]) -> dict[str, Any]:
    """Return the current path in OpenAI's format; what other branches say is left out."""
    return {"title": conversation.title, "model": conversation.model, "messages": to_wire(path)}


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=200)
    parent_id: str | None = None
    role: Literal["user", "assistant", "system"]
    status: str = "complete"
    text: str = ""
    parts: list[dict[str, Any]] | None = None
    model: str | None = Field(None, max_length=300)
    finish_reason: str | None = Field(None, max_length=60)
    created_at: datetime | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    title: str | None = None
    model: str | None = Field(None, max_length=300)
    tool: str | None = None
    head_id: str | None = None
    messages: list[_Message] = Field(max_length=MAX_MESSAGES)


def parse_conversation(document: object) -> ImportedConversation:
    """Return the conversation that a JSON document tells, in our format or in OpenAI's.

    Raises:
        ChatError: `invalid_request`: it is neither, or its messages are no tree; the message says where.
    """
    if not isinstance(document, Mapping):
        raise ChatError("invalid_request", "An import must be a JSON object with `messages`.")
    fields = cast("Mapping[str, object]", document)
    if fields.get("format") == FORMAT:
        return _from_ours(fields)
    return _from_openai(fields)


def _from_ours(fields: Mapping[str, object]) -> ImportedConversation:
    try:
        document = _Document.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ChatError("invalid_request", f"{place}: {first['msg']}") from None
    known: set[str] = set()
    found: list[ImportedMessage] = []
    for position, message in enumerate(document.messages):
        if message.id in known or (message.parent_id is not None and message.parent_id not in known):
            problem = f"messages[{position}]: its id is there twice, or its parent does not come before it"
            raise ChatError("invalid_request", problem)
        known.add(message.id)
        values = message.model_dump()
        values["status"] = message.status if message.status in _STATUSES else "interrupted"
        values["text"] = clean(message.text)
        values["parts"] = _parts(position, message)
        found.append(ImportedMessage(**values))
    head = document.head_id if document.head_id in known else (found[-1].id if found else None)
    return ImportedConversation(
        title=_title(document.title), model=document.model, tool=document.tool, head_id=head, messages=found
    )


def _parts(position: int, message: _Message) -> list[dict[str, Any]] | None:
    if message.parts is None:
        return None
    size = 0
    for part in message.parts:
        kind = part.get("type")
        if not isinstance(kind, str):
            raise ChatError("invalid_request", f"messages[{position}].parts: each part must have a type")
        if message.role == "assistant" and kind == "text":
            if type(part.get("size")) is not int or part["size"] < 0:
                raise ChatError("invalid_request", f"messages[{position}].parts: a text must have its size")
            size += part["size"]
        if kind == "tool_call" and not all(isinstance(part.get(key), str) for key in ("id", "name", "arguments")):
            raise ChatError("invalid_request", f"messages[{position}].parts: a tool call has id, name and arguments")
    if message.role == "assistant" and size != len(message.text):
        raise ChatError("invalid_request", f"messages[{position}].parts: their sizes are not that of the text")
    return message.parts


def _from_openai(fields: Mapping[str, object]) -> ImportedConversation:
    given = fields.get("messages")
    if not isinstance(given, list) or len(cast("list[object]", given)) > MAX_MESSAGES:
        raise ChatError("invalid_request", f"`messages` must be a list of at most {MAX_MESSAGES} messages.")
    found: list[ImportedMessage] = []
    answer: dict[str, Any] | None = None
    for position, each in enumerate(cast("list[object]", given)):
        if not isinstance(each, Mapping):
            raise ChatError("invalid_request", f"messages[{position}]: it must be an object")
        message = cast("Mapping[str, Any]", each)
        match message.get("role"):
            case "user" | "system" | "developer" as role:
                answer = None
                text, parts = _content(position, message.get("content"))
                parent = found[-1].id if found else None
                found.append(
                    ImportedMessage(
                        id=str(position),
                        parent_id=parent,
                        role="user" if role == "user" else "system",
                        text=text,
                        parts=parts,
                    )
                )
            case "assistant":
                answer = _answer(position, message, answer, found)
            case "tool" if answer is not None:
                _result(position, message, answer)
            case _:
                known = "system, user, assistant, or tool after a tool call"
                raise ChatError("invalid_request", f"messages[{position}].role: it must be {known}")
    title = fields.get("title")
    model = fields.get("model")
    first = next((message.text for message in found if message.role == "user"), "")
    return ImportedConversation(
        title=_title(title if isinstance(title, str) else None) or first_words(first) or None,
        model=model[:300] if isinstance(model, str) else None,
        tool=None,
        head_id=found[-1].id if found else None,
        messages=found,
    )


def _answer(
    position: int, message: Mapping[str, Any], before: dict[str, Any] | None, found: list[ImportedMessage]
) -> dict[str, Any]:
    """Take an assistant message in; those that follow each other are steps of one answer."""
    text, others = _content(position, message.get("content"))
    # The list is shared with the message that was made of it, so that results find their calls.
    parts: list[dict[str, Any]] = [] if before is None else before["parts"]
    if text:
        parts.append({"type": "text", "size": len(text)})
    parts += [part for part in others or () if part["type"] != "text"]
    for call in cast("list[Any]", message.get("tool_calls") or []):
        try:
            function = call["function"]
            fields = {"id": call["id"], "name": function["name"], "arguments": function["arguments"]}
        except (TypeError, KeyError, IndexError):
            fields = {}
        if len(fields) < 3 or not all(isinstance(value, str) for value in fields.values()):
            raise ChatError("invalid_request", f"messages[{position}].tool_calls: it is none of OpenAI's")
        parts.append({"type": "tool_call", **fields})
    whole = text if before is None else before["text"] + text
    parent = found[-1].parent_id if before is not None else (found[-1].id if found else None)
    id_ = found.pop().id if before is not None else str(position)
    plain = all(part["type"] == "text" for part in parts)
    found.append(
        ImportedMessage(id=id_, parent_id=parent, role="assistant", text=whole, parts=None if plain else parts)
    )
    return {"text": whole, "parts": parts}


def _result(position: int, message: Mapping[str, Any], answer: dict[str, Any]) -> None:
    text, _ = _content(position, message.get("content"))
    for part in answer["parts"]:
        if part["type"] == "tool_call" and part["id"] == message.get("tool_call_id"):
            part["result"] = text
            return
    raise ChatError("invalid_request", f"messages[{position}].tool_call_id: no call before it has this id")


def _content(position: int, content: object) -> tuple[str, list[dict[str, Any]] | None]:
    if content is None:
        return "", None
    if isinstance(content, str):
        return clean(content), None
    if isinstance(content, list):
        parts = [dict(cast("Mapping[str, Any]", part)) for part in cast("list[object]", content) if _is_part(part)]
        if len(parts) == len(cast("list[object]", content)):
            text = clean("\n".join(part["text"] for part in parts if part["type"] == "text"))
            return text, None if all(part["type"] == "text" for part in parts) else parts
    raise ChatError("invalid_request", f"messages[{position}].content: it must be a text or a list of parts")


def _is_part(part: object) -> bool:
    if not isinstance(part, Mapping):
        return False
    fields = cast("Mapping[str, Any]", part)
    kind = fields.get("type")
    return isinstance(kind, str) and (kind != "text" or isinstance(fields.get("text"), str))


def _title(text: str | None) -> str | None:
    return clean(" ".join(text.split()))[:MAX_TITLE] or None if text is not None else None
