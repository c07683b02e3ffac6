"""How a host wants the same thing spelt: what a preset says, and what a refusal teaches.

Only spellings are changed. What would change the answer is never dropped or replaced: it is refused, here or there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raptscallions_ai._dialects.openai.preset import Preset

__all__ = ["NO_USAGE_ASKED", "RESPELLINGS", "lesson_of", "respelt", "spelt_for"]

NO_USAGE_ASKED = "no stream_options"
"""The spelling without the wish for usage, after which an answer may have none."""

_Body = dict[str, Any]
_REASONING = ("reasoning", "reasoning_details")
_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens")
# That a host does not know a field, rather than that its value is out of range.
_UNKNOWN = re.compile(
    r"unsupported|not supported|does not support|unknown|unrecogni[sz]ed|unexpected|extra (?:fields|inputs)"
    r"|not (?:permitted|allowed|accepted)|no longer|invalid (?:parameter|field|argument)|deprecated|instead",
    re.IGNORECASE,
)


def spelt_for(body: _Body, preset: Preset) -> _Body:
    """Return a request as a host documents it.

    Raises:
        NotSupportedError: It has an option that the host refuses.
    """
    if refused := sorted(name for name in preset.refused if body.get(name) is not None):
        raise NotSupportedError(f"{preset.name} takes no {', '.join(refused)}; leave it out")
    made = {**preset.defaults, **body}
    if not preset.stream_usage:
        made.pop("stream_options", None)
    if preset.token_field is not None:
        _rename(made, next(name for name in _TOKEN_FIELDS if name != preset.token_field), preset.token_field)
    if made.get("tool_choice") == "required":
        if preset.tool_choice_required is None:
            raise NotSupportedError(f"{preset.name} cannot be made to call a tool: it takes no tool_choice='required'")
        made["tool_choice"] = preset.tool_choice_required
    for name, other in preset.renames.items():
        _rename(made, name, other)
        made["messages"] = _with_role(made["messages"], name, other)
    if preset.reasoning_field != "reasoning":
        made["messages"] = _with_reasoning_in(made["messages"], preset.reasoning_field)
    if preset.prefill_mark and made["messages"][-1:] and _is_begun(last := made["messages"][-1]):
        made["messages"] = [*made["messages"][:-1], {**last, preset.prefill_mark: True}]
    return made


def lesson_of(message: str, body: _Body) -> str | None:
    """Return the name of the spelling that a refusal asks for, if there is one that says the same.

    Args:
        message: The host's words, at a status of 400 or 422.
        body: What was refused.
    """
    return next(
        (name for name, (asks_for, applies, _) in RESPELLINGS.items() if asks_for(message) and applies(body)), None
    )


def respelt(body: _Body, lessons: Sequence[str]) -> _Body:
    """Return the same request in other words."""
    made = dict(body)
    for lesson in lessons:
        RESPELLINGS[lesson][2](made)
    return made


def _names(pattern: str) -> Callable[[str], bool]:
    """Return whether a refusal names this as something that is not known."""
    expression = re.compile(rf"(?<![\w-]){pattern}(?![\w-])", re.IGNORECASE)
    return lambda message: expression.search(message) is not None and _UNKNOWN.search(message) is not None


def _has(name: str) -> Callable[[_Body], bool]:
    return lambda body: body.get(name) is not None


def _speaks_as(role: str) -> Callable[[_Body], bool]:
    return lambda body: any(json_object(message).get("role") == role for message in json_list(body.get("messages")))


def _rename(body: _Body, name: str, other: str) -> None:
    if body.get(name) is not None and body.get(other) is None:
        body[other] = body.pop(name)


def _with_role(messages: object, role: str, other: str) -> list[dict[str, Any]]:
    """Return messages in which one role has another name."""
    listed = [json_object(message) for message in json_list(messages)]
    return [{**message, "role": other} if message.get("role") == role else message for message in listed]


def _with_reasoning_in(messages: object, field: str) -> list[dict[str, Any]]:
    """Return messages with the text of their reasoning in the field of the host, which takes no other."""
    listed = [json_object(message) for message in json_list(messages)]
    kept = [{name: value for name, value in each.items() if name not in _REASONING} for each in listed]
    texts = [each.get("reasoning") for each in listed]
    return [{field: text, **rest} if text else rest for text, rest in zip(texts, kept, strict=True)]


def _is_begun(message: dict[str, Any]) -> bool:
    """Whether a message is the beginning of an answer."""
    return message.get("role") == "assistant" and not message.get("tool_calls")


def _has_plain_parts(body: _Body) -> bool:
    return any(_plain_text(json_object(message)) is not None for message in json_list(body.get("messages")))


def _plain_text(message: dict[str, Any]) -> str | None:
    """Return the text of a message whose parts are texts and nothing else."""
    parts = [json_object(part) for part in json_list(message.get("content"))]
    if not parts or any(part.keys() != {"type", "text"} or part["type"] != "text" for part in parts):
        return None
    return "\n\n".join(str(part["text"]) for part in parts)


def _join_parts(body: _Body) -> None:
    messages = [json_object(message) for message in json_list(body.get("messages"))]
    texts = [_plain_text(message) for message in messages]
    body["messages"] = [
        message if text is None else {**message, "content": text} for message, text in zip(messages, texts, strict=True)
    ]


def _developer_to_system(body: _Body) -> None:
    body["messages"] = _with_role(body["messages"], "developer", "system")


# By name: what the refusal says, whether the request has it, and what says the same. The first that fits is taken.
RESPELLINGS: dict[str, tuple[Callable[[str], bool], Callable[[_Body], bool], Callable[[_Body], None]]] = {
    "max_completion_tokens for max_tokens": (
        _names("max_tokens"),
        _has("max_tokens"),
        lambda body: _rename(body, "max_tokens", "max_completion_tokens"),
    ),
    "max_tokens for max_completion_tokens": (
        _names("max_completion_tokens"),
        _has("max_completion_tokens"),
        lambda body: _rename(body, "max_completion_tokens", "max_tokens"),
    ),
    NO_USAGE_ASKED: (
        _names("stream_options"),
        _has("stream_options"),
        lambda body: body.pop("stream_options", None),
    ),
    "system for developer": (_names("developer"), _speaks_as("developer"), _developer_to_system),
    "tool_choice any for required": (
        lambda message: "tool_choice" in message and re.search(r"\bany\b", message) is not None,
        lambda body: body.get("tool_choice") == "required",
        lambda body: body.update(tool_choice="any"),
    ),
    "content as one text": (
        lambda message: re.search(r"\bcontent\b.*\bstring\b", message, re.IGNORECASE | re.DOTALL) is not None,
        _has_plain_parts,
        _join_parts,
    ),
}
