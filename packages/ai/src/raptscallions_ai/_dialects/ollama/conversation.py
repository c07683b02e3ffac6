"""A conversation in the canonical form, as Ollama's `messages`.

Source: Ollama API reference, "Generate a chat completion".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import MalformedJSONError, json_list, json_object, parse_object, with_floats
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["conversation"]

_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
_ROLES = {"developer": "system"}


def conversation(messages: Iterable[object]) -> list[dict[str, Any]]:
    """Return the messages of a conversation.

    Args:
        messages: Messages in the canonical form.

    Raises:
        NotSupportedError: A part has no counterpart, such as a file, or an image that is only an address.
    """
    names: dict[object, object] = {}  # of the tools, by the ids of their calls
    return [_message(json_object(message), names) for message in messages]


def _message(message: Mapping[str, Any], names: dict[object, object]) -> dict[str, Any]:
    role = message.get("role")
    made: dict[str, Any] = {"role": _ROLES.get(str(role), role)}
    made["content"], images = _content(message.get("content"))
    if images:
        made["images"] = images
    if thinking := _thinking(message):
        made["thinking"] = thinking
    calls = [json_object(call) for call in json_list(message.get("tool_calls"))]
    if calls:
        made["tool_calls"] = [_call(position, call) for position, call in enumerate(calls)]
        names.update({call.get("id"): json_object(call.get("function")).get("name") for call in calls})
    if role == "tool":
        if (call_id := message.get("tool_call_id")) is not None:
            made["tool_call_id"] = call_id
        if name := message.get("name") or names.get(message.get("tool_call_id")):
            made["tool_name"] = name
    return made


def _content(content: object) -> tuple[str, list[str]]:
    """Return a message's text, and its images in base64."""
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    images: list[str] = []
    for part in map(json_object, json_list(content)):
        match part.get("type"):
            case "text" if isinstance(text := part.get("text"), str):
                texts.append(text)
            case "image_url":
                images.append(_image(json_object(part.get("image_url")).get("url")))
            case kind:
                raise NotSupportedError(f"Ollama takes text and images, not parts of type {kind!r}")
    return "\n\n".join(texts), images


def _image(url: object) -> str:
    if isinstance(url, str) and (opening := _DATA_URL.match(url)):
        return url[opening.end() :]
    raise NotSupportedError("Ollama takes images as data, not as URLs; build the part with image(path) or image(data)")


def _thinking(message: Mapping[str, Any]) -> str:
    if isinstance(reasoning := message.get("reasoning"), str):
        return reasoning
    details = map(json_object, json_list(message.get("reasoning_details")))
    texts = (detail.get("text") for detail in details if detail.get("type") == "reasoning.text")
    return "".join(text for text in texts if isinstance(text, str))


def _call(position: int, call: Mapping[str, Any]) -> dict[str, Any]:
    function = json_object(call.get("function"))
    made: dict[str, Any] = {"id": call["id"]} if call.get("id") else {}
    return {**made, "function": {"index": position, "name": function.get("name"), "arguments": _arguments(function)}}


def _arguments(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the object that Ollama wants; text that is not an object becomes its only field."""
    text = function.get("arguments")
    if not isinstance(text, str) or not text.strip():
        return json_object(text)
    try:
        return json_object(with_floats(parse_object(text.encode())))
    except MalformedJSONError:
        return {"arguments": text}
