"""What anybody may read of a run, while it goes on or after: its state, its failures, its answers, its soundness."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from raptscallions_bulk.errors import RunFolderError
from raptscallions_bulk.journal.frames import Damage
from raptscallions_bulk.journal.reading import read_records, read_snapshot
from raptscallions_bulk.ledger.ledger import Ledger
from raptscallions_bulk.money import to_pico
from raptscallions_bulk.rows.answers import AnswerLine, cost_of, read_line
from raptscallions_bulk.store import RunFile

__all__ = ["Failures", "RunView", "Soundness"]

_STATUS_IS_OLD = 15.0  # seconds after which a status belongs to a process that is gone
_SEGMENT_SHIFT = 40


@dataclass
class Failures:
    """Failed rows of one class of errors.

    Attributes:
        count: How many.
        message: What one of them said.
        row: The number of that one.
        key: Its key.
    """

    count: int
    message: str
    row: int
    key: str | int | None


@dataclass
class Soundness:
    """Whether a run's folder is as it should be.

    Attributes:
        records: How many records the journal has after its last snapshot.
        lines: How many lines of answers there are.
        problems: What is wrong, a sentence each.
    """

    records: int = 0
    lines: int = 0
    problems: list[str] = field(default_factory=list[str])


class RunView:
    """A run's folder, looked at without owning it.

    Args:
        folder: The folder.

    Attributes:
        file: What `run.json` says.
        ledger: The state of all rows, as of now.

    Raises:
        RunFolderError: There is no run in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.file = msgspec.json.decode((folder / "run.json").read_bytes(), type=RunFile)
        except FileNotFoundError:
            raise RunFolderError(f"there is no run in {folder}") from None
        except ValueError as error:
            raise RunFolderError(f"{folder / 'run.json'} cannot be read: {error}") from None
        self._damages: list[tuple[Path, Damage]] = []
        self._records = 0
        for attempt in range(3):
            try:
                self.ledger = self._read()
                break
            except FileNotFoundError:  # its owner has just put a snapshot in the place of a segment
                if attempt == 2:
                    raise

    def status(self) -> dict[str, Any] | None:
        """Return what the process that runs it said last; None if none does."""
        path = self.folder / "status.json"
        try:
            if time.time() - path.stat().st_mtime > _STATUS_IS_OLD:
                return None
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, ValueError):
            return None

    def failures(self) -> dict[str, Failures]:
        """Return the failed rows by the class of their error, the largest group first."""
        groups: dict[str, Failures] = {}
        for name, group in sorted(self.ledger.errors.items(), key=lambda item: -item[1].count):
            line = self._line(group.segment, group.offset)
            told = line.error.message if line is not None and line.error is not None else ""
            groups[name] = Failures(group.count, told, group.row, None if line is None else line.key)
        return groups

    def failed_rows(self) -> Iterator[tuple[int, str]]:
        """Yield the numbers of all rows that have failed, with the class of the error."""
        failed: dict[int, str] = {}
        for _, _, line in self._lines():
            if line.row in self.ledger.failed and line.error is not None:
                failed[line.row] = line.error.error
        yield from failed.items()

    def positions(self) -> array[int]:
        """Return where the line of each row is, by its place in the source; 0 where there is none."""
        base, places = self.file.base, array("Q")
        earlier: dict[int, int] = {}  # of the sources before, which rows of this one may point at
        for segment, offset, line in self._lines():
            number = line.row - base
            place = (segment << _SEGMENT_SHIFT) | offset
            if number < 0:
                earlier[line.row] = place
                continue
            if number >= len(places):
                places.extend([0] * (number + 1 - len(places)))
            places[number] = place
        self._earlier = earlier
        return places

    def answer_at(self, places: array[int], number: int) -> AnswerLine | None:
        """Return the line of a row, or of the row that asked the same; None if there is none.

        Args:
            places: What `positions` returned.
            number: The row's place in the source.
        """
        place = places[number] if number < len(places) else 0
        line = self._line(place >> _SEGMENT_SHIFT, place & ((1 << _SEGMENT_SHIFT) - 1))
        for _ in range(8):  # a row may point at one that points at another
            if line is None or line.same_as is None:
                return line
            first = line.same_as - self.file.base
            place = self._earlier.get(line.same_as, 0) if first < 0 else places[first] if first < len(places) else 0
            line = self._line(place >> _SEGMENT_SHIFT, place & ((1 << _SEGMENT_SHIFT) - 1))
        return line

    def verify(self) -> Soundness:
        """Read everything, and return what is wrong."""
        found = Soundness(records=self._records)
        for path, damage in self._damages:
            kind = "ends in the middle of a record" if damage.is_tail else "is damaged, and records follow"
            found.problems.append(f"{path} {kind}, at byte {damage.offset}")
        costs: dict[int, Decimal] = {}
        for segment, offset, line in self._lines(found):
            found.lines += 1
            del segment, offset
            costs[line.row] = cost_of(line)
        if missing := [row for row in self.ledger.answered if row not in costs]:
            found.problems.append(f"{len(missing)} answered rows have no line of answers, row {missing[0]} for one")
        told = sum(to_pico(cost) for row, cost in costs.items() if row in self.ledger.answered)
        if told > self.ledger.spent:
            found.problems.append("the lines of answers cost more than the journal says was spent")
        return found

    def generations(self) -> Iterator[tuple[int, str, Decimal]]:
        """Yield number, generation id and cost of all rows that have one, for a look into the gateway's books."""
        for _, _, line in self._lines():
            if line.id is not None and line.error is None:
                yield line.row, line.id, cost_of(line)

    def _read(self) -> Ledger:
        self._damages, self._records = [], 0
        journal = self.folder / "journal"
        snapshot, after = read_snapshot(journal)
        ledger = Ledger() if snapshot is None else Ledger.restored(snapshot)
        for record in read_records(journal, after, lambda path, damage: self._damages.append((path, damage))):
            ledger.apply(record)
            self._records += 1
        return ledger

    def _lines(self, found: Soundness | None = None) -> Iterator[tuple[int, int, AnswerLine]]:
        for path in sorted((self.folder / "answers").glob("*.jsonl")):
            at = 0
            with path.open("rb") as file:
                for text in file:
                    if not text.isspace():
                        try:
                            yield int(path.stem), at - 1, read_line(text)
                        except ValueError:
                            if found is not None:
                                found.problems.append(f"{path} has a line that cannot be read, at byte {at}")
                    at += len(text)

    def _line(self, segment: int, offset: int) -> AnswerLine | None:
        if segment == 0:
            return None
        with (self.folder / "answers" / f"{segment:06d}.jsonl").open("rb") as file:
            file.seek(offset + 1)
            return read_line(file.readline())
