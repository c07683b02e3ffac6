"""`Journal`: the one ledger of a run on many machines, which every worker asks before it sends a row."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from raptscallions_bulk.journal.records import Answered, Failed, Record, Returned, Same, Sent
from raptscallions_bulk.rows.answers import line_of_same
from raptscallions_bulk.store import RunStore

__all__ = ["Asked", "Claim", "Journal", "Outcome", "Verdict"]

Verdict: TypeAlias = Literal["ask", "done", "elsewhere", "in doubt", "lost", "capped"]
"""What a worker may do about a row: ask it, take what is there, look again later, or leave it alone."""

_ALIVE = 15.0  # seconds without a word after which a worker is held to be gone


class Claim(NamedTuple):
    """A row that a worker has in its hands.

    Attributes:
        number: Its place in the source; None if it is known by what it asks.
        key: Its key.
        digest: What it asks, hashed.
        reserve: The most that it can cost, in picodollars.
        was_sent: Whether this worker has sent it before.
    """

    number: int | None
    key: str | int
    digest: bytes
    reserve: int
    was_sent: bool = False


class Asked(NamedTuple):
    """What the journal says to a claim.

    Attributes:
        verdict: What the worker may do.
        number: The row's number in the journal.
        line: The line of answers that is there already.
        wait: Seconds after which it may ask for the answer again, of a row in doubt.
    """

    verdict: Verdict
    number: int
    line: bytes | None = None
    wait: float | None = None


class Outcome(NamedTuple):
    """What became of a row: its record, and the line of answers that the record points at."""

    record: Answered | Failed | Returned
    line: bytes | None = None


class Journal:
    """The ledger of a run, in a process of its own; safe to be asked by many workers at a time, in one event loop.

    A worker names itself anew each time that it starts. What a worker has claimed and did not answer is in doubt once
    nothing was heard of it for a while, or once the journal itself was started again; answers that come late are taken.

    Args:
        folder: The run's folder, on a disk of this machine.
        source: What is different when the rows are.
        asks: What is different when the requests are.
        changed: Whether a difference is meant.
        max_cost: The cap, in picodollars; None for none.
        quiet_after: Seconds after which nobody works on a request any more.
        rows: How many rows there are; None if nobody knows.
        command: What the command line needs to go on.

    Raises:
        BulkError: The folder cannot be used.
    """

    def __init__(
        self,
        folder: str,
        source: dict[str, Any],
        asks: dict[str, str],
        *,
        changed: bool = False,
        max_cost: int | None = None,
        quiet_after: float = 750.0,
        rows: int | None = None,
        command: dict[str, Any] | None = None,
    ) -> None:
        self._store = RunStore(Path(folder), rows=rows or 0)
        try:
            self._store.adopt(source, asks, changed=changed)
        except BaseException:
            self._store.storage.close()
            raise
        self._store.file.rows = rows
        self._store.file.command = command or self._store.file.command
        self._store.save()
        self._cap, self._quiet_after = max_cost, quiet_after
        self._begun = False
        self._next = self._store.next_number
        self._claimed: dict[int, str] = {}  # by whom, as far as this process knows
        self._promised = 0  # of rows whose claims are not on the disk yet
        self._heard: dict[str, float] = {}

    async def claim(self, worker: str, claims: Sequence[Claim]) -> list[Asked]:
        """Return what a worker may do about each row; what it may ask is on the disk as sent before this returns.

        Args:
            worker: The name of the worker.
            claims: Its rows.
        """
        if not self._begun:
            self._begun = True
            await self._store.begin()
        self._heard[worker] = time.monotonic()
        records: list[Record] = []
        before = self._promised
        found: list[Asked] = []
        for claim in claims:
            asked = self._verdict(worker, claim)
            if asked.verdict == "ask":
                self._promised += claim.reserve
                self._claimed[asked.number] = worker
                self._store.index.put(claim.digest, asked.number)
                records.append(Sent(asked.number, time.time(), claim.reserve, claim.digest, asked.wait is not None))
            found.append(asked)
        promised = self._promised - before
        if records:
            await self._store.committer.commit(records)
        self._promised -= promised
        return found

    async def keep(self, worker: str, outcomes: Sequence[Outcome], *, caches: bool = False) -> None:
        """Keep what became of rows; it is on the disk when this returns."""
        self._heard[worker] = time.monotonic()
        if caches and not self._store.file.caches:
            self._store.file.caches = True
            self._store.save()
        for record, line in outcomes:
            entry = self._store.ledger.open.get(record.row)
            self._claimed.pop(record.row, None)
            if entry is None:
                continue  # somebody else's answer was first
            if isinstance(record, Answered):
                self._store.committer.add(record, line, self._locating(entry.request, record))
            else:
                self._store.committer.add(record, line)
        await self._store.committer.flush()

    async def heard_of(self, worker: str) -> int:
        """Note that a worker lives, and return how many do."""
        now = time.monotonic()
        self._heard[worker] = now
        return sum(1 for heard in self._heard.values() if now - heard < _ALIVE)

    async def aclose(self) -> None:
        """Write everything, and let the folder go."""
        await self._store.aclose()

    def _locating(self, digest: bytes, record: Answered) -> Any:
        return lambda: self._store.index.locate(digest, record.row, record.segment, record.offset)

    def _verdict(self, worker: str, claim: Claim) -> Asked:
        ledger = self._store.ledger
        known = self._store.index.find(claim.digest)
        if claim.number is not None:
            number = claim.number + self._store.file.base
        else:
            number = known.row if known is not None else self._new_number()
        if known is not None and known.segment:
            if known.row != number and ledger.is_waiting(number):
                self._store.committer.add(Same(number, known.row), line_of_same(number, claim.key, known.row))
            return Asked("done", number, self._store.storage.read_line(known.segment, known.offset))
        if known is not None and known.row != number and (known.row in ledger.open or known.row in self._claimed):
            return Asked("elsewhere", number)  # an equal row is being asked
        if number in ledger.failed or number in ledger.answered:
            return Asked("done", number)
        if number in ledger.lost:
            return Asked("lost", number)
        if number in ledger.open:
            if not self._was_never_sent(worker, claim, number):
                return self._open_verdict(claim, number)
        elif number in self._claimed:
            return Asked("elsewhere", number)  # a claim that is not on the disk yet
        if self._cap is not None and ledger.committed + self._promised + claim.reserve > self._cap:
            return Asked("capped", number)
        return Asked("ask", number)

    def _open_verdict(self, claim: Claim, number: int) -> Asked:
        """Return what may be done about a row that was sent, and of whose end nothing is known."""
        entry = self._store.ledger.open[number]
        if not entry.in_doubt:
            return Asked("elsewhere", number)
        if not self._store.file.caches or entry.request != claim.digest:
            return Asked("in doubt", number)
        wait = entry.at + self._quiet_after - time.time()
        return Asked("in doubt", number, wait=wait) if wait > 0 else Asked("ask", number, wait=0.0)

    def _was_never_sent(self, worker: str, claim: Claim, number: int) -> bool:
        """Whether a row that is open was not sent: its worker never got the reply to its claim."""
        owner = self._claimed.get(number)
        if owner == worker and not claim.was_sent:
            return True
        if owner == worker or (owner is not None and time.monotonic() - self._heard.get(owner, 0.0) > _ALIVE):
            self._claimed.pop(number)
            self._store.ledger.doubt(number)
        return False

    def _new_number(self) -> int:
        self._next += 1
        return self._next - 1
