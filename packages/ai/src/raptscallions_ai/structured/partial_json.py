"""JSON objects that are not complete yet: `parse_streaming_json` for a text, `StreamingJson` for a stream of deltas."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import jiter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StreamingJson", "parse_streaming_json"]

_MOST_LEVELS = 201  # jiter's own limit
_MOST_DIGITS = 4300  # Python's own limit for a whole number

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(
    r'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_ESCAPE_BEGUN = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F].?)?)?)?)?))?"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_BEGUN = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?)?")
_WORDS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


def parse_streaming_json(text: str) -> dict[str, Any] | None:
    """Return the object that the beginning of a JSON text tells so far, such as the arguments of a tool call.

    An unfinished string is given as far as it came, other unfinished values are left out:
    `parse_streaming_json('{"query": "hello')` is `{"query": "hello"}`. A number may still get more digits. For a
    stream, where each delta would parse everything again, use `StreamingJson`.

    Args:
        text: The JSON text, whole or cut anywhere.

    Returns:
        The object, or None if the text is not the beginning of one.
    """
    try:
        value: object = jiter.from_json(text.encode(), partial_mode="trailing-strings", allow_inf_nan=False)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


class StreamingJson:
    """A JSON object while it arrives: after each delta it holds what `parse_streaming_json` makes of all so far.

    The work for a delta does not depend on what came before it, so that a long stream takes linear time. For the same
    reason there is one object, which grows; who wants to keep an earlier state copies it. From the first character
    on that no JSON text can have there, everything is ignored, and the object stays what it was.

    ::

        arguments: defaultdict[int, StreamingJson] = defaultdict(StreamingJson)
        async for chunk in stream:
            if chunk.type == "tool_call":
                show(arguments[chunk.index].feed(chunk.arguments))
    """

    def __init__(self) -> None:
        self._value: dict[str, Any] | None = None
        self._open: list[Any] = []  # the containers that are not closed yet, the outermost first
        self._key = ""
        self._key_pieces: list[str] = []
        self._rest = ""  # the beginning of a token that the last delta cut
        self._number_shown = False
        self._read: Callable[[str, int], int] = self._start

    @property
    def value(self) -> dict[str, Any] | None:
        """The object so far; None if nothing of one has arrived."""
        return self._value

    def feed(self, delta: str) -> dict[str, Any] | None:
        """Take the next part of the text and return the object so far, which is always the same one."""
        if self._number_shown:
            self._take_back()
        text, at = self._rest + delta, 0
        self._rest = ""
        try:
            while at < len(text):
                at = self._read(text, at)
        except ValueError:
            self._read = self._ignore
        return self._value

    # Each of these reads one token at a position and returns where the next one begins.

    def _start(self, text: str, at: int) -> int:
        at = _skip(text, at)
        if at < len(text):
            if text[at] != "{":
                raise ValueError
            self._value = {}
            self._enter(self._value)
            at += 1
        return at

    def _first_key(self, text: str, at: int) -> int:
        at = _skip(text, at)
        return self._close(at) if text[at : at + 1] == "}" else self._next_key(text, at)

    def _next_key(self, text: str, at: int) -> int:
        at = _skip(text, at)
        if at < len(text):
            if text[at] != '"':
                raise ValueError
            self._key_pieces.clear()
            self._read = self._key_text
            at += 1
        return at

    def _key_text(self, text: str, at: int) -> int:
        at, piece = self._string(text, at)
        self._key_pieces.append(piece)
        if at < len(text):
            self._key = "".join(self._key_pieces)  # once: a long name may come letter by letter
            self._read = self._colon
            at += 1
        return at

    def _colon(self, text: str, at: int) -> int:
        at = _skip(text, at)
        if at < len(text):
            if text[at] != ":":
                raise ValueError
            self._read = self._any_value
            at += 1
        return at

    def _first_item(self, text: str, at: int) -> int:
        at = _skip(text, at)
        return self._close(at) if text[at : at + 1] == "]" else self._any_value(text, at)

    def _any_value(self, text: str, at: int) -> int:
        at = _skip(text, at)
        if at == len(text):
            return at
        if (first := text[at]) == '"':
            self._put("")
            self._read = self._text
        elif first in "{[":
            if len(self._open) == _MOST_LEVELS:
                raise ValueError
            container: Any = {} if first == "{" else []
            self._put(container)
            self._enter(container)
        elif first in _WORDS:
            return self._word(text, at, *_WORDS[first])
        else:
            return self._number(text, at)
        return at + 1

    def _text(self, text: str, at: int) -> int:
        parent: Any = self._open[-1]
        slot = self._slot
        at, piece = self._string(text, at)
        # A string that nothing else refers to grows in its place; appended to in its container, it would be copied.
        grown: str = parent[slot]
        parent[slot] = None
        grown += piece
        parent[slot] = grown
        if at < len(text):
            self._read = self._comma
            at += 1
        return at

    def _comma(self, text: str, at: int) -> int:
        at = _skip(text, at)
        if at == len(text):
            return at
        is_object = isinstance(self._open[-1], dict)
        if text[at] == ",":
            self._read = self._next_key if is_object else self._any_value
        elif text[at] == ("}" if is_object else "]"):
            return self._close(at)
        else:
            self._read = self._ignore
        return at + 1

    def _ignore(self, text: str, at: int) -> int:
        return len(text)

    def _string(self, text: str, at: int) -> tuple[int, str]:
        """Return where the string ends, or the text, and what the string holds up to there."""
        pieces: list[str] = []
        while True:
            plain = cast("re.Match[str]", _PLAIN.match(text, at))
            pieces.append(plain[0])
            at = plain.end()
            if at == len(text) or text[at] == '"':
                break
            if escape := _ESCAPE.match(text, at):
                pieces.append(json.loads(f'"{escape[0]}"'))
                at = escape.end()
            else:
                if _ESCAPE_BEGUN.fullmatch(text, at):
                    self._rest = text[at:]
                else:
                    self._read = self._ignore
                at = len(text)
                break
        return at, "".join(pieces)

    def _number(self, text: str, at: int) -> int:
        end = cast("re.Match[str]", _NUMBER_BEGUN.match(text, at)).end()
        is_cut = end == len(text)
        if end - at > _MOST_DIGITS or (not is_cut and text[end].isdigit()):
            raise ValueError
        if is_cut:
            self._rest = text[at:]
        if _NUMBER.fullmatch(text, at, end):
            self._put(jiter.from_json(text[at:end].encode()))
            self._number_shown = is_cut
        elif not is_cut:
            raise ValueError
        if not is_cut:
            self._read = self._comma
        return end

    def _word(self, text: str, at: int, word: str, value: object) -> int:
        arrived = text[at : at + len(word)]
        if not word.startswith(arrived):
            raise ValueError
        if arrived == word:
            self._put(value)
            self._read = self._comma
        else:
            self._rest = arrived
        return at + len(arrived)

    @property
    def _slot(self) -> str | int:
        """Where in the innermost container the last value is."""
        return self._key if isinstance(self._open[-1], dict) else -1

    def _put(self, value: object) -> None:
        parent: Any = self._open[-1]
        if isinstance(parent, dict):
            parent[self._key] = value
        else:
            parent.append(value)

    def _take_back(self) -> None:
        """Remove a number that the last delta may have cut: what follows decides what it is."""
        self._open[-1].pop(self._slot)
        self._number_shown = False

    def _enter(self, container: dict[str, Any] | list[Any]) -> None:
        self._open.append(container)
        self._read = self._first_key if isinstance(container, dict) else self._first_item

    def _close(self, at: int) -> int:
        self._open.pop()
        self._read = self._comma if self._open else self._ignore
        return at + 1

    def __repr__(self) -> str:
        return f"StreamingJson({'nothing yet' if self._value is None else f'{len(self._value)} keys'})"


def _skip(text: str, at: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, at)).end()
