"""`Ledger`: records in, the state of every row and all money out; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from raptscallions_bulk.journal.records import (
    Answered,
    BatchKnown,
    BatchPlanned,
    Failed,
    Known,
    Lost,
    Opened,
    Record,
    Reset,
    Returned,
    Same,
    Sent,
)
from raptscallions_bulk.ledger.bitmap import Bitmap
from raptscallions_bulk.ledger.latency import Latencies

__all__ = ["ErrorGroup", "Ledger", "OpenRow", "RowState"]

RowState: TypeAlias = Literal["waiting", "sent", "answered", "failed", "in doubt", "lost"]
"""Where a row is; one that came back unpaid is waiting again, and one that was recovered is answered."""


class OpenRow(msgspec.Struct, gc=False):
    """A row that was sent, and of whose end nothing is known.

    Attributes:
        at: When it was sent.
        reserved: The most that it can cost, in picodollars.
        request: The first bytes of its request's hash.
        generation: The gateway's id of it, once that is known.
        in_doubt: Whether its process has died, or lost the answer, meanwhile.
        batch: The batch that it is a part of; 0 for none.
        before: What an earlier request for the same answer may have cost, in picodollars.
    """

    at: float
    reserved: int
    request: bytes
    generation: str = ""
    in_doubt: bool = False
    batch: int = 0
    before: int = 0


class ErrorGroup(msgspec.Struct):
    """Failed rows of one class of errors: how many, and where one of them is."""

    count: int = 0
    row: int = 0
    segment: int = 0
    offset: int = 0


class _State(msgspec.Struct):
    """Everything of a ledger, as it is kept."""

    answered: bytes = b""
    failed: bytes = b""
    lost: bytes = b""
    open: dict[int, OpenRow] = {}
    spent: int = 0
    counts: dict[str, int] = {}
    errors: dict[str, ErrorGroup] = {}
    returned: dict[str, int] = {}
    batches: dict[int, str] = {}
    latencies: list[int] = []
    tail: tuple[int, int] = (0, 0)


class Ledger:
    """The state of all rows, and what they cost.

    Attributes:
        answered: The rows that have an answer, their own or that of an equal row.
        failed: The rows that failed for good.
        lost: The rows whose cost is known and whose answer is gone.
        open: The rows that are sent or in doubt.
        spent: What rows have cost for certain, in picodollars.
        reserved: The most that the open rows can cost, those in doubt included.
        in_doubt: The part of that which rows in doubt can have cost.
        counts: Further figures by name: tokens, requests, duplicates, recovered rows.
        errors: Failed rows by the class of their error.
        returned: How often requests came back unpaid, by the class of the error.
        batches: The gateway's id of each batch; empty while it is not known.
        latencies: How long answers took.
        tail: Segment and offset of the last line of answers that a record points at.
    """

    def __init__(self) -> None:
        self._restore(_State(latencies=Latencies().counts))
        self._apply: dict[type[Any], Callable[[Any], None]] = {
            Opened: self._opened,
            Sent: self._sent,
            Known: self._known,
            Answered: self._answered,
            Returned: self._returned,
            Failed: self._failed,
            Lost: self._lost,
            Same: self._same,
            Reset: self._reset,
            BatchPlanned: self._batch_planned,
            BatchKnown: self._batch_known,
        }

    def apply(self, record: Record) -> None:
        """Take a record; the same one again changes nothing but the counts of what came back."""
        self._apply[type(record)](record)

    def state(self, row: int) -> RowState:
        """Return where a row is."""
        if row in self.answered:
            return "answered"
        if row in self.failed:
            return "failed"
        if row in self.lost:
            return "lost"
        if (open_row := self.open.get(row)) is not None:
            return "in doubt" if open_row.in_doubt else "sent"
        return "waiting"

    def is_waiting(self, row: int) -> bool:
        """Whether a row has yet to be asked."""
        return not (row in self.open or self.is_settled(row))

    def is_settled(self, row: int) -> bool:
        """Whether a row has come to an end."""
        return row in self.answered or row in self.failed or row in self.lost

    @property
    def committed(self) -> int:
        """What is spent, and the most that open rows and rows in doubt can add to it, in picodollars."""
        return self.spent + self.reserved

    @property
    def settled(self) -> int:
        """How many rows have come to an end."""
        return len(self.answered) + len(self.failed) + len(self.lost)

    def doubtful(self) -> dict[int, OpenRow]:
        """Return the rows in doubt."""
        return {row: entry for row, entry in self.open.items() if entry.in_doubt}

    def doubt(self, row: int) -> None:
        """Put an open row in doubt, whose answer will not come to this process any more."""
        entry = self.open.get(row)
        if entry is not None and not entry.in_doubt:
            entry.in_doubt = True
            self.in_doubt += entry.reserved

    def count_unpriced(self) -> None:
        """Count an answer whose cost nobody told."""
        self._add("unpriced", 1)

    def count(self, name: str) -> int:
        """Return one of the further figures."""
        return self.counts.get(name, 0)

    def snapshot(self) -> bytes:
        """Return everything, for `restored`."""
        state = _State(
            answered=self.answered.to_bytes(),
            failed=self.failed.to_bytes(),
            lost=self.lost.to_bytes(),
            open=self.open,
            spent=self.spent,
            counts=self.counts,
            errors=self.errors,
            returned=self.returned,
            batches=self.batches,
            latencies=self.latencies.counts,
            tail=self.tail,
        )
        return msgspec.msgpack.encode(state)

    @classmethod
    def restored(cls, snapshot: bytes) -> Ledger:
        """Return the ledger that a snapshot was made of.

        Raises:
            ValueError: It is none.
        """
        ledger = cls()
        ledger._restore(msgspec.msgpack.decode(snapshot, type=_State))
        return ledger

    def _restore(self, state: _State) -> None:
        self.answered, self.failed = Bitmap(state.answered), Bitmap(state.failed)
        self.lost = Bitmap(state.lost)
        self.open = dict(state.open)
        self.spent = state.spent
        self.reserved = sum(entry.reserved for entry in self.open.values())
        self.in_doubt = sum(entry.reserved for entry in self.open.values() if entry.in_doubt)
        self.counts, self.errors = dict(state.counts), dict(state.errors)
        self.returned, self.batches = dict(state.returned), dict(state.batches)
        self.latencies = Latencies(state.latencies)
        self.tail = state.tail

    def _opened(self, record: Opened) -> None:
        self.counts["epoch"] = record.epoch
        for row, entry in self.open.items():
            if not entry.batch:  # a batch goes on without us
                self.doubt(row)

    def _sent(self, record: Sent) -> None:
        earlier = self._close(record.row)
        before = earlier.reserved if earlier is not None and record.recovers else 0
        self.open[record.row] = OpenRow(
            record.at,
            record.reserved + before,
            record.request,
            batch=record.batch,
            before=before,
        )
        self.reserved += record.reserved + before
        self._add("requests", 1)

    def _known(self, record: Known) -> None:
        if (entry := self.open.get(record.row)) is not None:
            entry.generation = record.generation

    def _answered(self, record: Answered) -> None:
        self._close(record.row)
        self._written(record.segment, record.offset)
        if not self.answered.add(record.row):
            return
        self.spent += record.cost
        self._add("uncertain", int(record.uncertain))
        self._add("prompt_tokens", record.prompt_tokens)
        self._add("completion_tokens", record.completion_tokens)
        self._add("recovered", int(record.from_cache))
        self.latencies.add(record.seconds)

    def _returned(self, record: Returned) -> None:
        entry = self.open.get(record.row)
        if entry is not None and entry.before:
            # Only the request for recovery came back unpaid; the row is in doubt as before.
            self.reserved -= entry.reserved - entry.before
            entry.reserved, entry.before, entry.in_doubt = entry.before, 0, True
            self.in_doubt += entry.reserved
        else:
            self._close(record.row)
        self.spent += record.cost
        self.returned[record.error] = self.returned.get(record.error, 0) + 1

    def _failed(self, record: Failed) -> None:
        self._close(record.row)
        self._written(record.segment, record.offset)
        if not self.failed.add(record.row):
            return
        self.spent += record.cost
        self._add("uncertain", int(record.uncertain))
        group = self.errors.setdefault(record.error, ErrorGroup(0, record.row, record.segment, record.offset))
        group.count += 1

    def _lost(self, record: Lost) -> None:
        self._close(record.row)
        if self.lost.add(record.row):
            self.spent += record.cost

    def _same(self, record: Same) -> None:
        self._written(record.segment, record.offset)
        if self.answered.add(record.row):
            self._add("duplicates", 1)

    def _reset(self, record: Reset) -> None:
        entry = self._close(record.row)
        if entry is not None:
            self.spent += entry.reserved  # nobody will ever know, so the most that it can be is taken
            self._add("uncertain", 1)
        if self.failed.discard(record.row) and (group := self.errors.get(record.error)) is not None:
            group.count -= 1
            if group.count <= 0:
                del self.errors[record.error]
        self.lost.discard(record.row)

    def _batch_planned(self, record: BatchPlanned) -> None:
        self.batches.setdefault(record.batch, "")

    def _batch_known(self, record: BatchKnown) -> None:
        self.batches[record.batch] = record.gateway_id

    def _close(self, row: int) -> OpenRow | None:
        entry = self.open.pop(row, None)
        if entry is not None:
            self.reserved -= entry.reserved
            self.in_doubt -= entry.reserved if entry.in_doubt else 0
        return entry

    def _written(self, segment: int, offset: int) -> None:
        self.tail = max(self.tail, (segment, offset))

    def _add(self, name: str, amount: int) -> None:
        if amount:
            self.counts[name] = self.counts.get(name, 0) + amount
