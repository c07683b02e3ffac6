"""A canonical request as one to a proxy's `/api/stream`.

What the documented wire cannot say goes along in the canonical form, which a proxy of ours reads: options under
their own names, parts and roles as they are, and assistant messages as a whole in a field beside their content. Source:
`tiny-agent-os` 1.2.29, `proxy.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import MalformedJSONError, json_list, json_object, parse_object, with_floats

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OWN_MESSAGE", "stream_body"]

OWN_MESSAGE = "raptscallions_message"
"""The field of an assistant message that has our own form of it, which loses nothing."""

_EFFORTS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
_DOCUMENTED_OPTIONS = frozenset({"temperature", "maxTokens", "reasoning"})
# The wire streams always, and always tells the usage.
_LEFT_OUT = ("stream", "stream_options")
_PLAIN_ASSISTANT = frozenset({"role", "content", "tool_calls", "reasoning"})


def stream_body(body: Mapping[str, Any], *, unnamed: str) -> tuple[dict[str, Any], bool]:
    """Return the body of a request, and whether only a proxy of ours understands all of it.

    Args:
        body: The request in the canonical form.
        unnamed: The name that stands for no model, which leaves the choice to the proxy.
    """
    given = {name: value for name, value in body.items() if value is not None and name not in _LEFT_OUT}
    model = given.pop("model")
    conversation = _Conversation()
    context = conversation.read(json_list(given.pop("messages")))
    if tools := json_list(given.pop("tools", None)):
        context["tools"] = [conversation.tool(json_object(tool)) for tool in tools]
    options = _options(given)
    made = {
        "model": {"provider": "", "id": "" if model == unnamed else model, "api": "", "thinking_level": "off"},
        "context": context,
        "options": options,
    }
    return made, conversation.needs_ours or bool(options.keys() - _DOCUMENTED_OPTIONS)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    options = dict(given)
    if (most := options.pop("max_tokens", None)) is not None:
        options["maxTokens"] = most
    reasoning = json_object(options.pop("reasoning", None))
    if (effort := options.pop("reasoning_effort", None)) is not None:
        reasoning = {**reasoning, "effort": effort}
    if reasoning:
        is_a_word = reasoning.keys() == {"effort"} and reasoning["effort"] in _EFFORTS
        options["reasoning"] = reasoning["effort"] if is_a_word else reasoning
    return options


class _Conversation:
    """Translates one conversation.

    Attributes:
        needs_ours: Whether there was something that the documented wire cannot say.
    """

    def __init__(self) -> None:
        self.needs_ours = False
        self._names: dict[object, object] = {}  # of the tools, by the ids of their calls

    def read(self, messages: list[object]) -> dict[str, Any]:
        given = [json_object(message) for message in messages]
        prompt = ""
        if given and given[0].get("role") in ("system", "developer") and isinstance(given[0].get("content"), str):
            prompt = given.pop(0)["content"]
        return {"system_prompt": prompt, "messages": [self._message(message) for message in given]}

    def tool(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        function = json_object(tool.get("function"))
        if tool.get("type") != "function":
            self.needs_ours = True
            return dict(tool)
        name = function.get("name", "")
        made = {"name": name, "description": function.get("description") or "", "label": name}
        made["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
        return {**made, "strict": function["strict"]} if "strict" in function else made

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("role"):
            case "user" if message.keys() <= {"role", "content", "name"}:
                self.needs_ours |= "name" in message
                return {**message, "content": self._content(message.get("content"))}
            case "assistant":
                return self._assistant(message)
            case "tool":
                return self._result(message)
            case _:
                self.needs_ours = True
                return message

    def _content(self, content: object) -> list[dict[str, Any]]:
        if isinstance(content, str):
            return [{"type": "text", "text": content}]
        return [self._part(json_object(part)) for part in json_list(content)]

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        if part.get("type") == "text":
            return part
        image = json_object(part.get("image_url"))
        if part.get("type") == "image_url" and image.keys() == {"url"} and part.keys() == {"type", "image_url"}:
            return {"type": "image", "url": image["url"]}
        self.needs_ours = True
        return part

    def _assistant(self, message: dict[str, Any]) -> dict[str, Any]:
        calls = [json_object(call) for call in json_list(message.get("tool_calls"))]
        self._names.update({call.get("id"): json_object(call.get("function")).get("name") for call in calls})
        content: list[dict[str, Any]] = []
        if isinstance(reasoning := message.get("reasoning"), str) and reasoning:
            content.append({"type": "thinking", "thinking": reasoning})
        content += [part for part in self._texts(message.get("content")) if part.get("text")]
        is_plain = message.keys() <= _PLAIN_ASSISTANT and isinstance(message.get("content"), str | None)
        for call in calls:
            function = json_object(call.get("function"))
            arguments, is_exact = _arguments(function.get("arguments"))
            is_plain = is_plain and is_exact and call.keys() <= {"id", "type", "function"}
            block = {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments}
            content.append(block)
        made = {"role": "assistant", "content": content, "stop_reason": "tool_calls" if calls else "stop"}
        return made if is_plain else {**made, OWN_MESSAGE: message}

    def _texts(self, content: object) -> list[dict[str, Any]]:
        parts = [{"text": content}] if isinstance(content, str) else [json_object(part) for part in json_list(content)]
        return [{"type": "text", "text": part["text"]} for part in parts if isinstance(part.get("text"), str)]

    def _result(self, message: dict[str, Any]) -> dict[str, Any]:
        call_id = message.get("tool_call_id")
        name = message.get("name") or self._names.get(call_id) or ""
        made = {"role": "tool_result", "tool_call_id": call_id, "tool_name": name}
        content = self._content(message.get("content"))
        return {**made, "content": content, "details": {}, "is_error": message.get("is_error") is True}


def _arguments(text: object) -> tuple[dict[str, Any], bool]:
    """Return arguments as an object, and whether their text is the one that would be made of it again."""
    try:
        parsed = json_object(with_floats(parse_object(str(text).encode())))
    except MalformedJSONError:
        return {}, False
    return parsed, json.dumps(parsed) == text
