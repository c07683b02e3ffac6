"""Runs of many prompts: no row is paid twice, a cap on cost holds, and the pace is learned from the gateway.

::

    async with OpenRouterClient() as client:
        run = BulkRun(client, "tickets.csv", "runs/tickets", ask="Classify: {text}", max_cost="5")
        async for row in run:
            print(row.key, row.answer)
"""

from __future__ import annotations

from raptscallions_bulk._version import __version__
from raptscallions_bulk.engine.settings import InDoubt
from raptscallions_bulk.errors import (
    BulkError,
    OwnerLostError,
    PriceError,
    RunChangedError,
    RunFolderError,
    SourceError,
    StorageError,
)
from raptscallions_bulk.money import Price
from raptscallions_bulk.progress import ProgressLine
from raptscallions_bulk.report import Plan, Report, Row, RowStatus, RunStoppedError, Status
from raptscallions_bulk.run import BulkRun

__all__ = [
    "__version__",
    "BulkRun",
    "InDoubt",
    "Plan",
    "Price",
    "ProgressLine",
    "Report",
    "Row",
    "RowStatus",
    "Status",
    # errors
    "BulkError",
    "OwnerLostError",
    "PriceError",
    "RunChangedError",
    "RunFolderError",
    "RunStoppedError",
    "SourceError",
    "StorageError",
]
