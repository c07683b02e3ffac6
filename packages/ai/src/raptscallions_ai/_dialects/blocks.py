"""Parts of an answer that arrive in pieces and must be put together by key: tool calls and reasoning blocks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.chunk import WireToolCall
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai.answer.chunks import ToolCallChunk
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._dialects.chunk import WireToolCall

__all__ = ["ReasoningBlocks", "ToolCalls", "made_id"]


@dataclass(slots=True)
class _OpenCall:
    position: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


class ToolCalls:
    """Assemble tool calls from deltas.

    Pieces belong together by `index`, else by `id`, else to the last call. Some gateways repeat id and name on
    every delta, so both are set and never appended; some give parallel calls one index, so an id that differs
    leads to the call of that id, and a call that begins behind a whole one is another. Each gets an id of its own.
    """

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int | None, _OpenCall] = {}
        self._by_id: dict[str, _OpenCall] = {}

    def feed(self, deltas: Sequence[WireToolCall], *, whole: bool) -> list[ToolCallChunk]:
        """Take in the deltas of one chunk and return what each adds.

        Args:
            deltas: The deltas; in a body that was not streamed, whole calls.
            whole: Whether each is a call of its own, as in a body that was not streamed.
        """
        chunks: list[ToolCallChunk] = []
        touched: set[int] = set()
        for delta in deltas:
            function = delta.function
            call = self._open() if whole else self._find(delta, touched)
            touched.add(call.position)
            name = function.name if function is not None else None
            new_name = name if name and name != call.name else None
            arguments = _text(function.arguments) if function is not None else ""
            new_id = self._named(call, delta.id)
            call.name = new_name or call.name
            if arguments:
                call.arguments.append(arguments)
            for key in _SENT_BACK:
                if (value := getattr(delta, key)) is not None:
                    call.extra[key] = value
            if new_id or new_name or arguments:
                chunks.append(ToolCallChunk(call.position, new_id, new_name, arguments))
        return chunks

    def feed_piece(self, deltas: Sequence[WireToolCall]) -> ToolCallChunk | None:
        """Take in one delta that adds arguments to a known call and nothing else; return None if it is another one."""
        delta, function = deltas[0], deltas[0].function
        if function is None or len(deltas) > 1 or function.name is not None:
            return None
        arguments, call = function.arguments, self._by_index.get(delta.index)
        # Compared as a whole, so that no later field can be forgotten.
        if call is None or not arguments or type(arguments) is not str:
            return None
        if delta != WireToolCall(delta.index, function=function):
            return None
        call.arguments.append(arguments)
        return ToolCallChunk(call.position, None, None, arguments)

    def result(self) -> tuple[ToolCall, ...]:
        """Return the calls so far, in order of appearance."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments), dict(call.extra)) for call in self._calls)

    def _named(self, call: _OpenCall, id_: str | None) -> str | None:
        """Give a call its id and return that, if it has none yet; the second call of one id gets one made of it."""
        if not id_ or call.id:
            return None
        if self._by_id.setdefault(id_, call) is not call:
            id_ = made_id(id_, call.position)
        call.id = id_
        return id_

    def _find(self, delta: WireToolCall, touched: set[int]) -> _OpenCall:
        if delta.index is not None:
            call = self._by_index.get(delta.index)
            if call is None:
                call = self._open()
            elif delta.id and call.id and delta.id != call.id and self._by_id.get(delta.id) is not call:
                call = self._by_id.get(delta.id) or self._open()
            elif (not delta.id or not call.id) and _begins_anew(call, delta, touched):
                call = self._open()
            self._by_index[delta.index] = call
            return call
        if delta.id:
            return self._by_id.get(delta.id) or self._open()
        starts_anew = delta.function is not None and bool(delta.function.name)
        return self._open() if starts_anew or not self._calls else self._calls[-1]

    def _open(self) -> _OpenCall:
        call = _OpenCall(len(self._calls))
        self._calls.append(call)
        return call


_SENT_BACK = ("extra_content", "provider_specific_fields", "thought_signature")


def _begins_anew(call: _OpenCall, delta: WireToolCall, touched: set[int]) -> bool:
    """Whether a delta with the index of a known call, and no id to tell, is another call: Gemini numbers all of them 0.

    Only a name begins a call, but some gateways repeat it with every piece. A call is over when its arguments are one
    JSON object, and no chunk brings two pieces of one call that are both named.
    """
    function = delta.function
    if function is None or not function.name or not call.name:
        return False
    if call.position in touched:
        return True
    renamed = function.name != call.name
    if not call.arguments:  # then only what is whole itself can be another
        return not function.name.startswith(call.name) and _is_whole(_text(function.arguments))
    begins = _text(function.arguments).lstrip()[:1] == "{"
    return (renamed or begins) and _is_whole("".join(call.arguments))


def _is_whole(arguments: str) -> bool:
    """Whether a text is one JSON object, to which no piece can be added."""
    text = arguments.strip()
    return text.endswith("}") and isinstance(parse_json(text.encode("utf-8", "replace")), dict)


def made_id(seed: object, position: int) -> str:
    """Return an id for a tool call, in the form that even Mistral takes: nine letters and digits."""
    digest = int.from_bytes(hashlib.sha256(f"{seed}:{position}".encode("utf-8", "replace")).digest()[:8])
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[digest // 36**place % 36] for place in range(9))


def _text(arguments: str | dict[str, Any] | None) -> str:
    """Return arguments as JSON text; a few servers send the object itself."""
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


class ReasoningBlocks:
    """Assemble `reasoning_details` or `thinking_blocks` so that they can be sent back unchanged and in order.

    Blocks are distinguished by type, `index` and id, never by their place in a delta. Their `text`, `summary` and
    `thinking` grow; everything else, such as a signature that comes late, is set as it was received.
    """

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        self._by_key: dict[tuple[object, object], dict[str, Any]] = {}
        self._growing: dict[int, dict[str, list[str]]] = {}

    def feed(self, details: Sequence[dict[str, Any]], *, whole: bool) -> str:
        """Take in the details of one delta and return the text in them that a person may see.

        Args:
            details: The blocks, or pieces of them.
            whole: Whether each is a block of its own, as in a body that was not streamed.
        """
        visible: list[str] = []
        touched: set[int] = set()
        for detail in details:
            block = None if whole else self._continued(detail, touched)
            if block is None:
                block = self._open(detail)
            touched.add(id(block))
            for key, value in detail.items():
                if key in _GROWING and isinstance(value, str):
                    self._growing[id(block)].setdefault(key, []).append(value)
                    block[key] = ""
                    visible.append(value)
                elif key not in block or (value is not None and (value != "" or not block[key])):
                    block[key] = value
        return "".join(visible)

    def result(self) -> tuple[dict[str, Any], ...]:
        """Return the blocks so far, in order of appearance, with the keys in the order they came in."""
        return tuple(
            block | {key: "".join(texts) for key, texts in self._growing[id(block)].items()} for block in self._blocks
        )

    def _continued(self, detail: dict[str, Any], touched: set[int]) -> dict[str, Any] | None:
        """Return the block that a piece goes on with; None if it begins one of its own."""
        block = self._by_key.get(_key(detail))
        if block is None or (detail.get("index") is None and id(block) in touched):
            return None
        mine, other = detail.get("id"), block.get("id")
        if mine and other and mine != other:
            return None
        # Opaque data comes whole: a second one under the same key is another block. So is a text behind a signature,
        # where nobody numbers them.
        if detail.get("data") is not None and block.get("data") is not None:
            return None
        signed = detail.get("index") is None and block.get("signature") and any(detail.get(key) for key in _GROWING)
        return None if signed else block

    def _open(self, detail: dict[str, Any]) -> dict[str, Any]:
        block: dict[str, Any] = {}
        self._blocks.append(block)
        self._by_key[_key(detail)] = block
        self._growing[id(block)] = {}
        return block


_GROWING = ("text", "summary", "thinking")


def _key(detail: dict[str, Any]) -> tuple[object, object]:
    return _hashable(detail.get("type")), _hashable(detail.get("index"))


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int | None) else repr(value)
