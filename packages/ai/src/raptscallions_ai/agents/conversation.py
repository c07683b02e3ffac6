"""Contexts of tinyagent as conversations, tools and options of ours, from its objects or from their JSON alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, cast

from raptscallions_ai._dialects.proxy.encode import OWN_MESSAGE
from raptscallions_ai.messages.message import ChatMessage
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["EXTRA", "conversation_of", "options_of", "plain", "tools_of"]

EXTRA = OWN_MESSAGE
"""The field of an assistant message that has our own form of it, which loses nothing."""

_EFFORTS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
# Roles and parts of chat completions, which travel on the same wire where its own have no word for something.
_OURS = frozenset({"system", "developer"})
_PARTS = frozenset({"image_url", "input_audio", "video_url", "file"})
# The spellings of tinyagent and of pi, whose wire it is.
_CALL_TYPES = frozenset({"tool_call", "toolCall"})
_RESULT_ROLES = frozenset({"tool_result", "toolResult", "tool"})


def plain(value: object) -> Any:
    """Return an object of tinyagent's as a mapping; what is one already stays as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return vars(value)
    dump = getattr(value, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else value


def conversation_of(system_prompt: str | None, messages: Sequence[object]) -> list[ChatMessage | Mapping[str, Any]]:
    """Return a conversation; an assistant message of ours goes back exactly as it came.

    Args:
        system_prompt: The instructions; empty for none.
        messages: Messages of tinyagent's kinds, as objects or as JSON.

    Raises:
        ValueError: A message has a role that is not known.
    """
    made: list[ChatMessage | Mapping[str, Any]] = []
    if system_prompt:
        made.append(ChatMessage("system", system_prompt))
    for message in messages:
        fields = _fields(message)
        role = fields.get("role")
        if role == "user":
            named = {"name": name} if (name := fields.get("name")) else {}
            made.append({"role": "user", "content": _content(fields.get("content")), **named})
        elif role == "assistant":
            made.append(_assistant(fields))
        elif role in _RESULT_ROLES:
            made.append(_result(fields))
        elif role in _OURS:
            made.append(dict(fields))
        else:
            raise ValueError(f"a message has the role {role!r}; it must be user, assistant or tool_result")
    return made


def tools_of(tools: Sequence[object] | None) -> list[dict[str, Any]]:
    """Return tools in the wire format; what they do stays with the agent."""
    found: list[dict[str, Any]] = []
    for tool in tools or ():
        given = cast("Mapping[str, Any]", tool) if isinstance(tool, Mapping) else vars(tool)
        if given.get("type", "function") != "function":  # a tool of the gateway's own
            found.append(dict(given))
            continue
        function: dict[str, Any] = {
            "name": given.get("name", ""),
            "description": given.get("description", ""),
            "parameters": given.get("parameters") or {"type": "object", "properties": {}},
        }
        if "strict" in given:
            function["strict"] = given["strict"]
        found.append({"type": "function", "function": function})
    return found


def options_of(options: Mapping[str, Any], thinking_level: object = None) -> dict[str, Any]:
    """Return what of an agent's options is an option of ours.

    Args:
        options: `temperature`, `max_tokens` (or `maxTokens`) and `reasoning`.
        thinking_level: How much the model is to think: `off`, `minimal`, `low`, `medium`, `high` or `xhigh`.
    """
    made: dict[str, Any] = {}
    if (temperature := options.get("temperature")) is not None:
        made["temperature"] = temperature
    most = options.get("max_tokens")
    if (most := options.get("maxTokens") if most is None else most) is not None:
        made["max_tokens"] = most
    reasoning = options.get("reasoning")
    level = getattr(thinking_level, "value", thinking_level)
    effort = reasoning if isinstance(reasoning, str) else level
    if isinstance(reasoning, Mapping):
        made["reasoning"] = dict(cast("Mapping[str, Any]", reasoning))
    elif isinstance(effort, str) and effort in _EFFORTS:
        made["reasoning"] = {"effort": effort}
    return made


def _content(content: object) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return [_part(_fields(part)) for part in _parts(content)]


def _parts(content: object) -> Sequence[object]:
    """Return the parts of a message.

    Raises:
        ValueError: They are no list.
    """
    if content is None or isinstance(content, list | tuple):
        return cast("Sequence[object]", content or ())
    raise ValueError(f"the content of a message must be a text or a list of parts, not {type(content).__name__}")


def _text(part: Mapping[str, Any], name: str = "text") -> str:
    """Return a text of a part, empty if there is none.

    Raises:
        ValueError: It is something else.
    """
    value = part.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} of a part must be a text, not {type(value).__name__}")
    return value or ""


def _fields(value: object) -> Mapping[str, Any]:
    """Return what a message or a part has.

    Raises:
        ValueError: It is none.
    """
    fields = plain(value)
    if isinstance(fields, Mapping):
        return cast("Mapping[str, Any]", fields)
    raise ValueError(f"a message, and each part of one, must be an object, not {type(value).__name__}")


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") in _PARTS:
        return dict(part)
    if part.get("type") != "image":
        made = {"type": "text", "text": _text(part)}
        return {**made, "cache_control": mark} if (mark := part.get("cache_control")) else made
    url = part.get("url")
    if url is None and part.get("data"):  # pi has the bytes beside their type
        url = f"data:{part.get('mimeType') or part.get('mime_type') or 'image/png'};base64,{part['data']}"
    return {"type": "image_url", "image_url": {"url": url or ""}}


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    content = _content(message.get("content"))
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        content = "\n".join(part["text"] for part in content)
    call_id = message.get("tool_call_id") or message.get("toolCallId") or ""
    made: dict[str, Any] = {"role": "tool", "tool_call_id": call_id, "content": content}
    return {**made, "is_error": True} if message.get("is_error") or message.get("isError") else made


def _assistant(message: Mapping[str, Any]) -> ChatMessage:
    if isinstance(stored := message.get(EXTRA), Mapping):
        return ChatMessage.from_dict(cast("Mapping[str, Any]", stored))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    content = message.get("content")
    for each in [{"type": "text", "text": content}] if isinstance(content, str) else _parts(content):
        if each is None:
            continue
        part = _fields(each)
        if part.get("type") == "text":
            texts.append(_text(part))
        elif part.get("type") == "thinking":
            thoughts.append(_text(part, "thinking"))
        elif part.get("type") in _CALL_TYPES:
            arguments = json.dumps(part.get("arguments") or {})
            calls.append(ToolCall(_text(part, "id"), _text(part, "name"), arguments))
    text = "".join(texts)
    return ChatMessage(
        "assistant",
        text or (None if calls else ""),
        tool_calls=tuple(calls),
        reasoning="".join(thoughts) or None,
    )
