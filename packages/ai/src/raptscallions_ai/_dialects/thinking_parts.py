"""Thinking that comes among the parts of the content, as Mistral's and Databricks' models send it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_list, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ThinkingParts", "is_thinking"]

_KINDS = frozenset({"thinking", "reasoning", "redacted_thinking", "redacted_reasoning"})
_PLACES = ("thinking", "reasoning", "summary", "text", "content")  # where the words stand, or the list that has them


@dataclass(slots=True)
class _Part:
    """One part as it goes back.

    Attributes:
        behind: How many pieces of text came before it.
        fields: All but its words.
        place: Where its words stand.
        inner: The fields of the one object in the list that has them; None if they are a plain text.
        words: The words.
    """

    offset: int
    fields: dict[str, Any]
    place: str = ""
    inner: dict[str, Any] | None = None
    words: list[str] = field(default_factory=list[str])

    def result(self) -> dict[str, Any]:
        """Return the part."""
        text = "".join(self.words)
        if not self.place:
            return dict(self.fields)
        return {**self.fields, self.place: text if self.inner is None else [{**self.inner, "text": text}]}


class ThinkingParts:
    """Puts such parts together, so that they can be shown and sent back.

    Args:
        texts: The pieces of the answer's text, between which the parts stand.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._parts: list[_Part] = []

    def feed(self, block: Mapping[str, Any], *, whole: bool) -> str:
        """Take in a part, or a piece of one, and return the words in it.

        Args:
            block: The part.
            whole: Whether it is one of its own, as in a body that was not streamed.
        """
        place = next((name for name in _PLACES if isinstance(block.get(name), str | list)), "")
        inner = [json_object(item) for item in json_list(block.get(place))]
        words = block.get(place) if isinstance(block.get(place), str) else "".join(map(_words, inner))
        last = self._parts[-1] if self._parts and not whole else None
        if last is None or last.offset != len(self._texts) or last.fields.get("type") != block.get("type"):
            last = _Part(len(self._texts), {})
            self._parts.append(last)
        last.place = last.place or place
        for key, value in block.items():
            if key != place and (value or key not in last.fields):
                last.fields[key] = value
        for item in inner:
            last.inner = (last.inner or {}) | {key: value for key, value in item.items() if value and key != "text"}
        last.words.append(str(words or ""))
        return last.words[-1]

    def result(self) -> list[dict[str, Any]]:
        """Return the content with these parts in their places; empty if there are none."""
        if not self._parts:
            return []
        content: list[dict[str, Any]] = []
        offset = 0
        for part in self._parts:
            content += _text(self._texts[offset : part.offset])
            content.append(part.result())
            offset = part.offset
        return content + _text(self._texts[offset:])


def is_thinking(block: Mapping[str, Any]) -> bool:
    """Whether a part of the content is thinking."""
    return block.get("type") in _KINDS


def _words(item: Mapping[str, Any]) -> str:
    text = item.get("text")
    return text if isinstance(text, str) else ""


def _text(pieces: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if (text := "".join(pieces)) else []
