"""`Storage`: the files of a run, written and synced in groups."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from raptscallions_bulk.errors import RunFolderError, StorageError
from raptscallions_bulk.journal.frames import Damage, frame
from raptscallions_bulk.journal.owner import Owner
from raptscallions_bulk.journal.reading import read_records, read_snapshot
from raptscallions_bulk.journal.records import Pointing, Record, encode

__all__ = ["Entry", "Storage"]

Entry = tuple[Record, bytes | None]
"""A record, and the line of answers that it points at, if it does."""

_SEGMENT = 8 << 20  # bytes of journal before it is made into a snapshot
_ANSWERS = 256 << 20  # bytes of a file of answers
_BALLAST = 4 << 20  # bytes that are given back when the disk is full, so that answers under way find room
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_sync = getattr(os, "fdatasync", os.fsync)


class _Appended:
    """A file that grows by whole writes only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A file that exists already would be another owner's.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        self.size = 0
        _sync_folder(path.parent)

    def append(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            _sync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def close(self) -> None:
        os.close(self._file)


class Storage:
    """The files of a run: a journal in segments, snapshots of what older segments add up to, and answers.

    It has no idea of rows. Answers are on the disk before the records that point at them; both are there when `write`
    returns. One thread at a time may use it.

    Args:
        folder: The run's folder; made if it is not there.
        segment: Bytes of journal before `wants_snapshot`.

    Attributes:
        is_short: Whether the disk was full once, and only what had been put by was left to write on.

    Raises:
        RunFolderError: Another process owns the run, or the folder cannot be made.
    """

    def __init__(self, folder: Path, *, segment: int = _SEGMENT) -> None:
        self.folder, self._limit = folder, segment
        self._journal, self._answers = folder / "journal", folder / "answers"
        try:
            for place in (folder, self._journal, self._answers):
                place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be made: {error.strerror}") from None
        self.owner = Owner(folder)
        self.is_short = False
        self._ballast = folder / "ballast"
        self._number = _last(self._journal, "*.log", "*.snapshot")
        self._log: _Appended | None = None
        self._lines: _Appended | None = None
        self._lines_number = _last(self._answers, "*.jsonl")

    def load(self) -> tuple[bytes | None, Iterator[Record]]:
        """Return the newest snapshot, and the records after it; a torn end of a segment is cut off.

        Raises:
            RunFolderError: Something in the middle of a file is damaged.
        """
        snapshot, after = read_snapshot(self._journal)
        for old in self._journal.glob("*.log"):
            if int(old.stem) <= after:
                old.unlink()  # a snapshot has taken its place, and its removal was cut off
        return snapshot, read_records(self._journal, after, self._cut)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write answers, then records, and return when both are on the disk; records are told where answers are.

        Raises:
            OwnerLostError: Another process owns the run.
            StorageError: The disk does not take it; nothing of it is kept.
        """
        self.owner.check()
        try:
            self._write(entries)
        except OSError as error:
            if error.errno not in _FULL or not self._ballast.exists():
                raise StorageError(error.errno or 0, f"{self.folder}: {error.strerror}; the run stops here") from None
            self._ballast.unlink()
            self.is_short = True
            try:
                self._write(entries)
            except OSError as second:
                raise StorageError(second.errno or 0, f"{self.folder}: {second.strerror}; the run stops here") from None

    @property
    def wants_snapshot(self) -> bool:
        """Whether the journal has grown so long that a snapshot should take its place."""
        return self._log is not None and self._log.size > self._limit

    def snapshot(self, state: bytes) -> None:
        """Keep what all records add up to, and forget the records.

        Raises:
            OwnerLostError: Another process owns the run.
            StorageError: The disk does not take it; the records stay.
        """
        self.owner.check()
        temporary = self._journal / "snapshot.new"
        try:
            with temporary.open("wb") as file:
                file.write(frame(state))
                file.flush()
                _sync(file.fileno())
            temporary.replace(self._journal / f"{self._number:06d}.snapshot")
            _sync_folder(self._journal)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(error.errno or 0, f"{self.folder}: {error.strerror}") from None
        if self._log is not None:
            self._log.close()
            self._log = None
        # Larger states are written less often, so that the cost of a row stays the same.
        self._limit = max(self._limit, 4 * len(state))
        for old in self._journal.iterdir():
            if old.stem.isdigit() and (int(old.stem) < self._number or old.suffix == ".log"):
                old.unlink()

    def prepare(self) -> None:
        """Put some room by for when the disk is full."""
        if self._ballast.exists():
            return
        with contextlib.suppress(OSError), self._ballast.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, _BALLAST)
            else:
                file.write(bytes(_BALLAST))

    def read_line(self, segment: int, offset: int) -> bytes:
        """Return the line of answers that a record points at."""
        with self.answers_path(segment).open("rb") as file:
            file.seek(offset + 1)
            return file.readline().rstrip(b"\n")

    def answers_path(self, segment: int) -> Path:
        """Return the file of a segment of answers."""
        return self._answers / f"{segment:06d}.jsonl"

    def lines_after(self, segment: int, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield segment, offset and text of all lines of answers that follow one."""
        for path in sorted(self._answers.glob("*.jsonl")):
            number = int(path.stem)
            if number < segment:
                continue
            with path.open("rb") as file:
                at = file.seek(offset if number == segment else 0)
                for line in file:
                    # A line's place is that of the line feed before it.
                    if line.strip() and (number, at - 1) > (segment, offset):
                        yield number, at - 1, line
                    at += len(line)

    def close(self) -> None:
        """Close all files, and let the run go; safe to call again."""
        for file in (self._log, self._lines):
            if file is not None:
                file.close()
        self._log = self._lines = None
        self.owner.release()

    def _write(self, entries: Sequence[Entry]) -> None:
        lines = [(record, line) for record, line in entries if line is not None and isinstance(record, Pointing)]
        if lines:
            self._write_lines(lines)
        if self._log is None:
            self._number += 1
            self._log = _Appended(self._journal / f"{self._number:06d}.log")
        self._log.append(b"".join([frame(encode(record)) for record, _ in entries]))

    def _write_lines(self, lines: Sequence[tuple[Pointing, bytes]]) -> None:
        if self._lines is not None and self._lines.size > _ANSWERS:
            self._lines.close()
            self._lines = None
        if self._lines is None:
            self._lines_number += 1
            self._lines = _Appended(self.answers_path(self._lines_number))
        offset, pieces = self._lines.size, list[bytes]()
        for record, line in lines:
            record.segment, record.offset = self._lines_number, offset
            pieces += (b"\n", line)  # first the line feed, so that a line that was cut off spoils no other
            offset += 1 + len(line)
        self._lines.append(b"".join(pieces))

    def _cut(self, path: Path, damage: Damage) -> None:
        if not damage.is_tail:
            raise RunFolderError(
                f"{path} is damaged at byte {damage.offset}, and records follow; restore the folder from a copy"
            )
        with path.open("r+b") as file:
            file.truncate(damage.offset)
            _sync(file.fileno())


def _last(folder: Path, *patterns: str) -> int:
    return max((int(path.stem) for pattern in patterns for path in folder.glob(pattern)), default=0)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # there folders are not synced
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
