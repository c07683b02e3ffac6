"""Frames around what is written: length and checksum, so that a torn or damaged end is seen."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["HEAD", "Damage", "frame", "read_frames"]

_HEAD = struct.Struct("<II")
HEAD = _HEAD.size
"""Bytes before the content of a frame."""

_MOST = 1 << 30  # bytes of a frame; a length beyond this is damage


@dataclass(frozen=True)
class Damage:
    """Where a file stops to make sense.

    Attributes:
        offset: The end of the last good frame.
        is_tail: Whether nothing whole follows, as after a write that was cut off; else bytes in the middle are wrong.
    """

    offset: int
    is_tail: bool


def frame(content: bytes) -> bytes:
    """Return the content with its length and checksum before it."""
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def read_frames(data: bytes | memoryview) -> Iterator[bytes | Damage]:
    """Yield the contents of all frames, and at last a `Damage` if the data does not end with one."""
    unpack, crc32, end, at = _HEAD.unpack_from, zlib.crc32, len(data), 0
    while at < end:
        start = at + HEAD
        if start > end:
            yield Damage(at, is_tail=True)
            return
        length, checksum = unpack(data, at)
        stop = start + length
        if length > _MOST or stop > end or crc32(content := bytes(data[start:stop])) != checksum:
            yield Damage(at, is_tail=not _follows(data, at + 1))
            return
        yield content
        at = stop


def _follows(data: bytes | memoryview, at: int) -> bool:
    """Whether a whole frame of at least two bytes begins anywhere from here on."""
    for start in range(at, len(data) - HEAD):
        length, checksum = _HEAD.unpack_from(data, start)
        stop = start + HEAD + length
        if length >= 2 and stop <= len(data) and zlib.crc32(data[start + HEAD : stop]) == checksum:
            return True
    return False
