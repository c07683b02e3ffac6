"""Rows that have failed, to be asked again because a person says so."""

from __future__ import annotations

from pathlib import Path

from raptscallions_bulk.journal.records import Record, Reset
from raptscallions_bulk.store import RunStore
from raptscallions_bulk.viewing import RunView

__all__ = ["reset_rows"]


async def reset_rows(folder: Path, only: set[str]) -> int:
    """Make failed rows wait again, and return how many.

    Args:
        folder: The run's folder.
        only: The classes of errors; `in_doubt` and `lost` for such rows. All that failed if there are none.

    Raises:
        RunFolderError: There is no run, or another process owns it.
    """
    failed = [(row, name) for row, name in RunView(folder).failed_rows() if not only or name in only]
    store = RunStore(folder)
    try:
        await store.begin()
        records: list[Record] = [Reset(row, name) for row, name in failed if row in store.ledger.failed]
        if "in_doubt" in only:
            records += [Reset(row) for row in store.ledger.doubtful()]
        if "lost" in only:
            records += [Reset(row) for row in store.ledger.lost]
        await store.committer.commit(records)
        return len(records)
    finally:
        await store.aclose()
