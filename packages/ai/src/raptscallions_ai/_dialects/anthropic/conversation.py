"""A conversation in the canonical form, as Anthropic's `system` and `messages`.

Source: Anthropic API reference, "Messages". What it refuses is arranged here: all results of a turn stand in one user
message and before any text, every call has a result, ids have the form it takes, and no text block is empty.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.anthropic.parts import content_blocks, text_block, tool_result_content
from raptscallions_ai._dialects.json import MalformedJSONError, json_list, json_object, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["DIALECT", "SIGNED_FORMAT", "container_of", "conversation", "names_of_calls"]

DIALECT = "anthropic"
SIGNED_FORMAT = "anthropic-claude-v1"
"""The `format` of reasoning details whose signatures Anthropic made, as OpenRouter names it."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_RESULT = "This call was never carried out: there is no result."
_Block = dict[str, Any]


def conversation(messages: Sequence[Mapping[str, Any]], *, origin: str) -> tuple[list[_Block], list[_Block]]:
    """Return the system blocks and the messages of a conversation.

    Args:
        messages: Messages in the canonical form.
        origin: Where they are sent; what the same place sent before goes back exactly as it came.

    Raises:
        NotSupportedError: A part has no counterpart, such as a sound.
    """
    system: list[_Block] = []
    turns: list[_Block] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            blocks = content_blocks(message.get("content"))
            if turns:
                _add(turns, "user", blocks)
            else:
                system += blocks
        elif role == "assistant":
            _add(turns, "assistant", _assistant_blocks(message, origin))
        elif role == "tool":
            _add_result(turns, message)
        else:
            _add(turns, "user", content_blocks(message.get("content")))
    return system, _answered(turns)


def container_of(messages: Sequence[Mapping[str, Any]], *, origin: str) -> str | None:
    """Return the id of the container that a turn which is not over has run code in: its rest has to run there, too."""
    last = next((message for message in reversed(messages) if message.get("role") != "tool"), None)
    native = json_object(None if last is None else last.get("native"))
    if native.get("dialect") != DIALECT or native.get("origin") != origin:
        return None
    container = json_object(native.get("container")).get("id")
    return container if isinstance(container, str) else None


def names_of_calls(turns: Iterable[_Block]) -> list[str]:
    """Return the names of the tools that a conversation has called, each once."""
    return list(dict.fromkeys(str(block["name"]) for turn in turns for block in _calls_in(turn)))


def _add(turns: list[_Block], role: str, blocks: list[_Block]) -> None:
    if blocks:
        turns.append({"role": role, "content": blocks})


def _add_result(turns: list[_Block], message: Mapping[str, Any]) -> None:
    """Add a tool's result to those of its turn, or as text where nothing asked for it."""
    call_id = fitting_id(message.get("tool_call_id"))
    result: _Block = {"type": "tool_result", "tool_use_id": call_id}
    if content := tool_result_content(message.get("content")):
        result["content"] = content
    for name in ("is_error", "cache_control"):
        if message.get(name):
            result[name] = message[name]
    results: list[_Block] = turns[-1]["content"] if turns and _holds_results(turns[-1]) else []
    calling = turns[-2] if results else turns[-1] if turns else {}
    open_calls = {block["id"] for block in _calls_in(calling)} - {block["tool_use_id"] for block in results}
    if call_id not in open_calls:
        blocks = [text_block(f"Result of an earlier tool call ({call_id}):"), *content_blocks(message.get("content"))]
        _add(turns, "user", blocks)
    elif results:
        results.append(result)
    else:
        _add(turns, "user", [result])


def _answered(turns: list[_Block]) -> list[_Block]:
    """Give every call a result: Anthropic refuses a conversation in which one is missing."""
    answered: list[_Block] = []
    for position, turn in enumerate(turns):
        answered.append(turn)
        missing = [block["id"] for block in _calls_in(turn)]
        if not missing:
            continue
        following = turns[position + 1] if position + 1 < len(turns) else {}
        results = {block["tool_use_id"] for block in following.get("content", ()) if block["type"] == "tool_result"}
        made = [
            {"type": "tool_result", "tool_use_id": call_id, "content": _NO_RESULT, "is_error": True}
            for call_id in missing
            if call_id not in results
        ]
        if made and results:
            following["content"][:0] = made
        elif made:
            answered.append({"role": "user", "content": made})
    return answered


def _calls_in(turn: Mapping[str, Any]) -> list[_Block]:
    if turn.get("role") != "assistant":
        return []
    return [block for block in turn["content"] if block.get("type") == "tool_use"]


def _holds_results(turn: Mapping[str, Any]) -> bool:
    return turn["role"] == "user" and turn["content"][0].get("type") == "tool_result"


def _assistant_blocks(message: Mapping[str, Any], origin: str) -> list[_Block]:
    native = json_object(message.get("native"))
    if native.get("dialect") == DIALECT and native.get("origin") == origin and _says_the_same(message, native):
        return [dict(json_object(block)) for block in json_list(native.get("content"))]
    blocks = [block for detail in json_list(message.get("reasoning_details")) if (block := _thinking(detail))]
    blocks += content_blocks(message.get("content"))
    blocks += [_tool_use(json_object(call)) for call in json_list(message.get("tool_calls"))]
    return blocks


def _says_the_same(message: Mapping[str, Any], native: Mapping[str, Any]) -> bool:
    """Whether the visible part of a message is still what the native blocks say, so that it has not been edited."""
    blocks = [json_object(block) for block in json_list(native.get("content"))]
    texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
    content: object = message.get("content")
    if isinstance(content, list):
        content = "".join(str(json_object(part).get("text", "")) for part in json_list(cast("object", content)))
    ids = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    calls = [json_object(call).get("id") for call in json_list(message.get("tool_calls"))]
    return "".join(texts) == (content or "") and ids == calls


def _thinking(detail: object) -> _Block | None:
    """Return a reasoning block as Anthropic's own; None if another provider signed it, or if it is not signed."""
    fields = json_object(detail)
    if fields.get("format") != SIGNED_FORMAT:
        return None
    if fields.get("type") == "reasoning.text" and fields.get("signature"):
        return {"type": "thinking", "thinking": fields.get("text") or "", "signature": fields["signature"]}
    if fields.get("type") == "reasoning.encrypted" and fields.get("data"):
        return {"type": "redacted_thinking", "data": fields["data"]}
    return None


def _tool_use(call: Mapping[str, Any]) -> _Block:
    function = json_object(call.get("function"))
    arguments = function.get("arguments") or "{}"
    try:
        input_ = parse_object(arguments.encode("utf-8", "replace")) if isinstance(arguments, str) else arguments
    except MalformedJSONError:
        # A call that was cut off: the model is shown what it wrote.
        input_ = {"unreadable_arguments": arguments}
    return {"type": "tool_use", "id": fitting_id(call.get("id")), "name": function.get("name") or "", "input": input_}


def fitting_id(id_: object) -> str:
    """Return a call's id if Anthropic takes it, else one that is always the same for it."""
    text = id_ if isinstance(id_, str) else ""
    if _ID.fullmatch(text):
        return text
    return f"toolu_{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:24]}"
