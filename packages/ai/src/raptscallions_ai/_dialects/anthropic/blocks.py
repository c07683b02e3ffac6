"""The content blocks of one answer, put together exactly as they must go back."""

from __future__ import annotations

from typing import Any

from raptscallions_ai._dialects.json import MalformedJSONError, json_list, parse_object, with_floats

__all__ = ["ContentBlocks"]

# What a delta adds to in its block, by the delta's type; `signature` is set, the others grow.
_GROWS = {"text_delta": "text", "thinking_delta": "thinking", "compaction_delta": "content"}


class ContentBlocks:
    """Assemble blocks from their starts and deltas; what is not known is kept as it came."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._growing: dict[int, dict[str, list[str]]] = {}

    def start(self, index: int, block: dict[str, Any]) -> None:
        """Take in a block as it begins; some kinds come whole."""
        self._blocks[index] = dict(block)
        self._growing[index] = {}

    def kind(self, index: int) -> str:
        """Return the type of a block."""
        return str(self._blocks.get(index, {}).get("type", ""))

    def holds(self, index: int) -> bool:
        """Whether this block has begun."""
        return index in self._blocks

    def grow(self, index: int, kind: str, text: str) -> None:
        """Add a piece of text, of thinking or of a tool's input, by the type of its delta."""
        self.pieces(index, kind).append(text)

    def pieces(self, index: int, kind: str) -> list[str]:
        """Return what has come of a block's text, thinking or input: the list itself, which may be added to."""
        return self._growing[index].setdefault(kind, [])

    def put(self, index: int, name: str, value: object) -> None:
        """Set a field that comes whole, such as a signature."""
        self._blocks[index][name] = value

    def append(self, index: int, name: str, item: object) -> None:
        """Add to a field that is a list, such as the citations."""
        self._blocks[index][name] = [*json_list(self._blocks[index].get(name)), item]

    def input_at_start(self, index: int) -> object:
        """Return the input of a tool's call that came with the start of its block; None for another block."""
        block = self._blocks.get(index, {})
        return block.get("input") if block.get("type") == "tool_use" else None

    def wrote_input(self, index: int) -> bool:
        """Whether a tool's input came in pieces that say anything."""
        return any(self._growing.get(index, {}).get("input_json_delta", ()))

    def result(self) -> list[dict[str, Any]]:
        """Return the blocks so far, in their order."""
        return [self._whole(index, block) for index, block in sorted(self._blocks.items())]

    def _whole(self, index: int, block: dict[str, Any]) -> dict[str, Any]:
        made = dict(block)
        for kind, pieces in self._growing[index].items():
            text = "".join(pieces)
            if kind == "input_json_delta":
                if text:
                    made["input"] = _parsed(text)
            else:
                name = _GROWS[kind]
                made[name] = f"{made.get(name) or ''}{text}"
        if made.get("type") in ("tool_use", "server_tool_use"):
            made.setdefault("input", {})
        return made


def _parsed(text: str) -> object:
    try:
        return with_floats(parse_object(text.encode("utf-8", "replace")))
    except MalformedJSONError:
        return {"unreadable_arguments": text}  # an answer that was cut off inside a call
