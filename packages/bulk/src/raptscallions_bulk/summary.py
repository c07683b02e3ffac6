"""What the ledger of a run says, in words of its report and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_bulk.money import to_decimal
from raptscallions_bulk.report import Report, Status

if TYPE_CHECKING:
    from raptscallions_bulk.engine.batches import BatchEngine
    from raptscallions_bulk.engine.engine import Engine
    from raptscallions_bulk.engine.settings import Settings
    from raptscallions_bulk.store import RunStore

__all__ = ["report_of", "status_of"]


def report_of(store: RunStore, stopped: str | None, seconds: float) -> Report:
    """Return what came of a run."""
    ledger, base = store.ledger, store.file.base
    rows = store.file.rows
    answered = sum(1 for row in ledger.answered if row >= base) if base else len(ledger.answered)
    failed = sum(1 for row in ledger.failed if row >= base) if base else len(ledger.failed)
    lost = sum(1 for row in ledger.lost if row >= base) if base else len(ledger.lost)
    in_batches = sum(1 for row, entry in ledger.open.items() if row >= base and entry.batch and not entry.in_doubt)
    doubtful = tuple(
        sorted(row - base for row, entry in ledger.open.items() if row >= base and (entry.in_doubt or not entry.batch))
    )
    waiting = None if rows is None else max(0, rows - answered - failed - lost - len(doubtful) - in_batches)
    return Report(
        rows=rows,
        answered=answered,
        failed=failed,
        waiting=waiting,
        in_doubt=doubtful,
        in_batches=in_batches,
        lost=lost,
        recovered=ledger.count("recovered"),
        duplicates=ledger.count("duplicates"),
        errors={name: group.count for name, group in ledger.errors.items()},
        retries=dict(ledger.returned),
        requests=ledger.count("requests"),
        spent=to_decimal(ledger.spent),
        uncertain=ledger.count("uncertain"),
        reserved=to_decimal(ledger.reserved),
        unpriced=ledger.count("unpriced"),
        prompt_tokens=ledger.count("prompt_tokens"),
        completion_tokens=ledger.count("completion_tokens"),
        p50=ledger.latencies.percentile(0.5),
        p95=ledger.latencies.percentile(0.95),
        seconds=seconds,
        stopped=stopped,
    )


def status_of(store: RunStore, engine: Engine | BatchEngine, settings: Settings) -> Status:
    """Return where a run is."""
    ledger, now = store.ledger, engine.now()
    rows = None if store.file.rows is None else store.file.rows + store.file.base
    rest = None if rows is None else max(0, rows - ledger.settled)
    doubtful = sum(1 for entry in ledger.open.values() if entry.in_doubt)
    return Status(
        rows=rows,
        answered=len(ledger.answered),
        failed=len(ledger.failed),
        open=len(ledger.open) - doubtful,
        in_doubt=doubtful,
        lost=len(ledger.lost),
        spent=to_decimal(ledger.spent),
        reserved=to_decimal(ledger.reserved),
        max_cost=None if settings.max_cost is None else to_decimal(settings.max_cost),
        per_second=engine.meter.per_second(now),
        seconds_left=None if rest is None else engine.meter.seconds_left(now, rest, ledger.latencies.percentile(0.95)),
        binding=engine.binding,
        retries=dict(ledger.returned),
    )
