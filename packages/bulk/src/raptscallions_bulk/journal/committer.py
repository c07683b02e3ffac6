"""`Committer`: records of many rows, written together by a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from raptscallions_bulk.errors import BulkError
from raptscallions_bulk.journal.records import Record
from raptscallions_bulk.journal.storage import Storage
from raptscallions_bulk.ledger.ledger import Ledger

__all__ = ["Committer"]

_GATHER = 0.004  # seconds in which records come together, far less than any answer takes
_GROUP = 128  # records that are not waited for

OnDurable = Callable[[], None]


class Committer:
    """Writes records in groups, and lets the ledger know them once they are on the disk.

    Args:
        storage: Where they go.
        ledger: Who is told.

    Attributes:
        failure: Why nothing more is written; None as long as all is well.
    """

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self._storage, self._ledger = storage, ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bulk-journal")
        self._pending: list[tuple[Record, bytes | None]] = []
        self._callbacks: list[OnDurable] = []
        self._done: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.failure: BulkError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be written."""
        return self._task is not None

    def add(self, record: Record, line: bytes | None = None, then: OnDurable | None = None) -> None:
        """Write a record soon, with the line of answers that it points at; `then` is called once it is on the disk."""
        self._pending.append((record, line))
        if then is not None:
            self._callbacks.append(then)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def commit(self, records: Iterable[Record]) -> None:
        """Write records, and return when they are on the disk.

        Raises:
            BulkError: They are not, and nothing more will be.
        """
        for record in records:
            self.add(record)
        await self.flush()

    async def flush(self) -> None:
        """Wait until all records so far are on the disk.

        Raises:
            BulkError: They are not, and nothing more will be.
        """
        if self._task is None and self.failure is None:
            return
        if self.failure is None:
            if self._done is None:
                self._done = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._done)
        if self.failure is not None:
            raise self.failure

    async def aclose(self) -> None:
        """Write what is left and a snapshot, and end the thread; the failure is in `failure`."""
        if self._task is not None:
            await self._task
        if self.failure is None:
            try:
                await self._in_thread(self._storage.snapshot, self._ledger.snapshot())
            except BulkError as error:
                self.failure = error
        self._thread.shutdown(wait=True)

    async def _run(self) -> None:
        try:
            while self._pending and self.failure is None:
                if len(self._pending) < _GROUP:
                    await asyncio.sleep(_GATHER)
                await self._write_group()
        finally:
            self._task = None
            if self._done is not None and not self._done.done():
                self._done.set_result(None)
                self._done = None

    async def _write_group(self) -> None:
        entries, callbacks, done = self._pending, self._callbacks, self._done
        self._pending, self._callbacks, self._done = [], [], None
        try:
            await self._in_thread(self._storage.write, entries)
        except Exception as error:
            self.failure = (
                error if isinstance(error, BulkError) else BulkError(f"the journal cannot be written: {error}")
            )
        else:
            for record, _ in entries:
                self._ledger.apply(record)
            for then in callbacks:
                then()
            if self._storage.wants_snapshot:
                await self._snapshot()
        if done is not None:
            done.set_result(None)

    async def _snapshot(self) -> None:
        try:
            await self._in_thread(self._storage.snapshot, self._ledger.snapshot())
        except BulkError as error:
            self.failure = error

    async def _in_thread(self, work: Callable[..., None], argument: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, argument)
