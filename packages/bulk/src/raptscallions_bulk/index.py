"""`RequestIndex`: which row asked a request first, and where its answer is; in a file, so that memory stays small."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["Found", "RequestIndex"]

_SLOT = struct.Struct("<16sQQ")  # digest, row + 1, place of the answer
_SIZE = _SLOT.size
_FULL = 0.7  # of the slots of a table, from which on a larger one is begun
_FIRST = 1 << 13  # slots
_LARGER = 4
_SHED = 50_000  # changes after which the pages are given back
_OFFSET_BITS = 40


class Found(NamedTuple):
    """The row that asked a request first.

    Attributes:
        row: Its number.
        segment: The file of answers that its answer is in; 0 while there is none.
        offset: Where in that.
    """

    row: int
    segment: int
    offset: int


class RequestIndex:
    """A hash table of requests in one or more files; a new one, four times as large, follows one that is full.

    It is an aid: what it lacks, because a machine lost its power, is put in again from the journal, or is asked twice
    under two different rows.

    Args:
        folder: Where the files are; made if it is not there.
        rows: About how many there will be.
    """

    def __init__(self, folder: Path, rows: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tables = [_Table(path) for path in sorted(folder.glob("*.index"))]
        self._wanted = rows
        self._changes = 0

    def find(self, digest: bytes) -> Found | None:
        """Return the row that asked this first; None if none did."""
        for table in self._tables:
            at = table.find(digest)
            if at >= 0 and (slot := table.read(at))[1]:
                return Found(slot[1] - 1, slot[2] >> _OFFSET_BITS, slot[2] & ((1 << _OFFSET_BITS) - 1))
        return None

    def put(self, digest: bytes, row: int) -> Found | None:
        """Note the row that asks a request; return the one that asked it before, which stays, None if none did."""
        at = -1
        for table in self._tables:
            at = table.find(digest)
            if at >= 0 and (slot := table.read(at))[1]:
                return Found(slot[1] - 1, slot[2] >> _OFFSET_BITS, slot[2] & ((1 << _OFFSET_BITS) - 1))
        table = self._tables[-1] if self._tables else None
        if table is None or table.is_full:
            table = self._room()
            at = table.find(digest)
        table.write(at, digest, row, 0)
        table.count += 1
        self._changed()
        return None

    def take_over(self, digest: bytes, row: int) -> None:
        """Let a row stand for a request instead of an earlier one that will not be asked."""
        for table in self._tables:
            at = table.find(digest)
            if at >= 0 and table.read(at)[1]:
                table.write(at, digest, row, 0)

    def locate(self, digest: bytes, row: int, segment: int, offset: int) -> None:
        """Note where the answer to a request is."""
        place = segment << _OFFSET_BITS | offset
        for table in self._tables:
            at = table.find(digest)
            if at >= 0 and (slot := table.read(at))[1]:
                table.write(at, digest, slot[1] - 1, place)
                self._changed()
                return
        table = self._room()
        table.write(table.find(digest), digest, row, place)
        table.count += 1
        self._changed()

    def sync(self) -> None:
        """Make sure that all of it is on the disk."""
        for table in self._tables:
            table.map.flush()

    def close(self) -> None:
        """Let the files go; safe to call again."""
        for table in self._tables:
            table.close()
        self._tables = []

    def _room(self) -> _Table:
        if not self._tables or self._tables[-1].is_full:
            slots = self._tables[-1].slots * _LARGER if self._tables else _FIRST
            while slots * _FULL < self._wanted and not self._tables:
                slots *= 2
            path = self._folder / f"{len(self._tables) + 1:03d}.index"
            self._tables.append(_Table(path, slots))
        return self._tables[-1]

    def _changed(self) -> None:
        self._changes += 1
        if self._changes % _SHED == 0:
            for table in self._tables:
                table.shed()


class _Table:
    """One file of slots, found by open addressing."""

    def __init__(self, path: Path, slots: int | None = None) -> None:
        with path.open("r+b" if slots is None else "w+b") as file:
            if slots is not None:
                file.truncate(slots * _SIZE)
            self.slots = os.fstat(file.fileno()).st_size // _SIZE
            self.map = mmap.mmap(file.fileno(), self.slots * _SIZE)
        self.count = 0 if slots is not None else self._counted()

    @property
    def is_full(self) -> bool:
        return self.count >= self.slots * _FULL

    def find(self, digest: bytes) -> int:
        """Return the byte at which a digest is, or would be; -1 if the table has no place for it."""
        slot, data, slots = int.from_bytes(digest[:8], "little") % self.slots, self.map, self.slots
        for _ in range(slots):
            at = slot * _SIZE
            if data[at : at + 16] in (digest, _EMPTY):
                return at
            slot = (slot + 1) % slots
        return -1

    def read(self, at: int) -> tuple[bytes, int, int]:
        return _SLOT.unpack_from(self.map, at)

    def write(self, at: int, digest: bytes, row: int, place: int) -> None:
        _SLOT.pack_into(self.map, at, digest, row + 1, place)

    def shed(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)  # of a shared file: the pages stay with the system, not with us

    def close(self) -> None:
        self.map.close()

    def _counted(self) -> int:
        # What is not counted exactly only makes a table fuller than it should be.
        step = max(1, self.slots // 4096)
        seen = sum(self.map[at * _SIZE : at * _SIZE + 16] != _EMPTY for at in range(0, self.slots, step))
        return seen * step


_EMPTY = bytes(16)
