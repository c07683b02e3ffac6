"""The bytes of a scripted stream as blocks, so that each can be put into other words in the same style and cuts.

A block is an event with its blank line, a comment with its own, or what is left at the end. Its style is what a fault
of framing is about: line ends, what follows the colon, data on several lines, fields that nobody needs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Block", "as_json", "blocks_of", "recut"]

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLOCK = re.compile(rb".*?(?>\r\n|\n|\r)(?>\r\n|\n|\r)+", re.DOTALL)
_DATA = re.compile(rb"data(?: *: *| *$)")
_NEAR_THE_END = 3  # bytes: a line end and what stands before it


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a stream.

    Attributes:
        raw: Its bytes.
        before: The lines before its data: comments, ids and fields that nobody needs.
        name: The name of the event; empty if it has none.
        data: Its data, or None if it has none.
        opening: What each line of its data begins with.
        line_end: How its lines end.
        ending: What stands after its last line; nothing if the stream breaks off in it.
        lines: On how many lines its data stands.
        mark: The byte order mark that it begins with, if any.
    """

    raw: bytes
    before: tuple[bytes, ...] = ()
    name: str = ""
    data: bytes | None = None
    opening: bytes = b"data: "
    line_end: bytes = b"\n"
    ending: bytes = b"\n\n"
    lines: int = 1
    mark: bytes = b""

    def saying(self, name: str, document: dict[str, Any]) -> bytes:
        """Return an event of this name in the style of this block."""
        text = as_json(document, ascii_only=self.is_ascii, indent=None if self.lines == 1 else 1)
        named = [*self.before, b"event: " + name.encode()] if name else [*self.before]
        lines = [*named, *(self.opening + line for line in text.split(b"\n"))]
        return self.mark + self.line_end.join(lines) + self.ending

    @property
    def is_ascii(self) -> bool:
        """Whether characters beyond ASCII are written as escapes."""
        return (self.data or b"").isascii()

    def plain(self) -> Block:
        """Return the block without what stands before its data, for a further event of its own."""
        return replace(self, before=(), mark=b"")


@lru_cache
def _encoder(ascii_only: bool, indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=ascii_only, indent=indent)


def as_json(document: object, *, ascii_only: bool = True, indent: int | None = None) -> bytes:
    """Return a document as JSON; bytes that were no UTF-8 become themselves again."""
    return _encoder(ascii_only, indent).encode(document).encode("utf-8", "surrogateescape")


def blocks_of(data: bytes) -> Iterator[Block]:
    """Yield the blocks of a stream; their bytes, put together, are the stream."""
    position = 0
    while position < len(data):
        whole = _BLOCK.match(data, position)
        raw = data[position:] if whole is None else whole[0]
        position += len(raw)
        yield _block(raw)


@lru_cache(maxsize=64)  # a scripted answer repeats itself
def _block(raw: bytes) -> Block:
    mark = _BOM if raw.startswith(_BOM) else b""
    body = raw[len(mark) :].rstrip(b"\r\n")
    ends = _LINE_END.search(raw)
    before: list[bytes] = []
    values: list[bytes] = []
    name, opening = "", b"data: "
    for line in _LINE_END.split(body):
        if opened := _DATA.match(line):
            opening = opened[0] if opened[0].endswith((b":", b" ")) else opening
            values.append(line[opened.end() :])
        elif line.startswith(b"event:"):
            name = line.removeprefix(b"event:").strip().decode()
        elif line:
            before.append(line)
    return Block(
        raw,
        tuple(before),
        name,
        b"\n".join(values) if values else None,
        opening,
        b"\n" if ends is None else ends[0],
        raw[len(mark) + len(body) :],
        max(1, len(values)),
        mark,
    )


def recut(steps: Sequence[bytes], blocks: Iterable[tuple[int, bytes]]) -> list[bytes]:
    """Cut the blocks of a translation where the steps of the original cut theirs.

    Args:
        steps: The steps of the original.
        blocks: How long each block was there, and its translation.
    """
    remaining = iter(blocks)
    parts: list[bytes] = []
    cut = begins = length = size = 0
    block = b""
    places = [0]
    for step in steps[:-1]:
        cut += len(step)
        while cut > begins + length and (following := next(remaining, None)) is not None:
            begins, size = begins + length, size + len(block)
            length, block = following
            parts.append(block)
        places.append(max(places[-1], size + _place(cut - begins, length, len(block))))
    text = b"".join([*parts, *(translated for _, translated in remaining)])
    return [text[start:end] for start, end in zip(places, [*places[1:], len(text)], strict=True)]


def _place(offset: int, length: int, translated: int) -> int:
    """Return where in a translated block a cut is that the original has at an offset."""
    if length - offset <= _NEAR_THE_END:
        return max(0, translated - (length - offset))
    return offset * translated // length
