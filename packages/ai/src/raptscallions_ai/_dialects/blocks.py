"""Parts of an answer that arrive in pieces and must be put together by key: tool calls and reasoning blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai.answer.chunks import ToolCallChunk
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._dialects.chunk import WireToolCall

__all__ = ["ReasoningBlocks", "ToolCalls"]


@dataclass(slots=True)
class _OpenCall:
    position: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class ToolCalls:
    """Assemble tool calls from deltas.

    Pieces belong together by `index`, else by `id`, else to the last call. Some gateways repeat id and name on
    every delta, so both are set and never appended; some give parallel calls one index, so an id that differs
    leads to the call of that id.
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
        for delta in deltas:
            function = delta.function
            call = self._open() if whole else self._find(delta)
            new_id = delta.id if delta.id and delta.id != call.id else None
            name = function.name if function is not None else None
            new_name = name if name and name != call.name else None
            arguments = _text(function.arguments) if function is not None else ""
            if new_id:
                call.id = new_id
                self._by_id.setdefault(new_id, call)
            call.name = new_name or call.name
            if arguments:
                call.arguments.append(arguments)
            if new_id or new_name or arguments:
                chunks.append(ToolCallChunk(call.position, new_id, new_name, arguments))
        return chunks

    def feed_piece(self, deltas: Sequence[WireToolCall]) -> ToolCallChunk | None:
        """Take in one delta that adds arguments to a known call and nothing else; return None if it is another one."""
        delta, function = deltas[0], deltas[0].function
        if len(deltas) > 1 or delta.id is not None or function is None or function.name is not None:
            return None
        arguments, call = function.arguments, self._by_index.get(delta.index)
        if call is None or not arguments or type(arguments) is not str:
            return None
        call.arguments.append(arguments)
        return ToolCallChunk(call.position, None, None, arguments)

    def result(self) -> tuple[ToolCall, ...]:
        """Return the calls so far, in order of appearance."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)

    def _find(self, delta: WireToolCall) -> _OpenCall:
        if delta.index is not None:
            call = self._by_index.get(delta.index)
            if call is None:
                call = self._open()
            elif delta.id and call.id and delta.id != call.id:
                call = self._by_id.get(delta.id) or self._open()
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


def _text(arguments: str | dict[str, Any] | None) -> str:
    """Return arguments as JSON text; a few servers send the object itself."""
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


class ReasoningBlocks:
    """Assemble `reasoning_details` so that they can be sent back unchanged and in order.

    Blocks are told apart by type, `index` and id, never by their place in a delta. Their `text` and `summary`
    grow; everything else, such as a signature that comes late, is set as it was received.
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
                if key in ("text", "summary") and isinstance(value, str):
                    self._growing[id(block)].setdefault(key, []).append(value)
                    block[key] = ""
                    visible.append(value)
                elif value is not None or key not in block:
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
        # Opaque data comes whole: a second one under the same key is another block.
        return None if detail.get("data") is not None and block.get("data") is not None else block

    def _open(self, detail: dict[str, Any]) -> dict[str, Any]:
        block: dict[str, Any] = {}
        self._blocks.append(block)
        self._by_key[_key(detail)] = block
        self._growing[id(block)] = {}
        return block


def _key(detail: dict[str, Any]) -> tuple[object, object]:
    return _hashable(detail.get("type")), _hashable(detail.get("index"))


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int | None) else repr(value)
