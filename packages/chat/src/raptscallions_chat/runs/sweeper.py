"""The sweeper: ends what dead workers left behind, and clears away what is not needed any more."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.events import event_of, frames
from raptscallions_chat.domain.log_batches import LogBatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.protocols import RunLog, Signals
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.runs.options import RunOptions
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Sweeper"]

_log = logging.getLogger("raptscallions_chat")
_PAUSE = 1.0
_CLEAR_EVERY = 30  # rounds


class Sweeper:
    """Sweeps for ever; any number of workers may do so side by side."""

    def __init__(
        self, store: SqlStore, log: RunLog, signals: Signals, metrics: RunMetrics, options: RunOptions
    ) -> None:
        self._store = store
        self._log = log
        self._signals = signals
        self._metrics = metrics
        self._options = options
        self.on_orphan: Callable[[Run], Awaitable[None]] | None = None
        self.on_end: Callable[[Run], None] | None = None

    async def run(self) -> None:
        """Sweep for ever."""
        rounds = 0
        while True:
            try:
                await self.sweep()
                if rounds % _CLEAR_EVERY == 0:
                    await self.clear()
            except ChatError as error:
                _log.warning("could not sweep: %s", error.code)
            rounds += 1
            await asyncio.sleep(_PAUSE)

    async def sweep(self) -> list[Run]:
        """End the runs of dead workers, and those that waited for too long; return the former."""
        await self._store.bury()
        orphans = await self._store.find_orphans()
        ended = [run for orphan in orphans if (run := await self.interrupt(orphan)) is not None]
        if self._options.queue_wait:
            waited = ChatError("queue_timeout", "No worker was free in time.", retry_after=5.0)
            for run in await self._store.fail_overdue(self._options.queue_wait, waited.payload()):
                self._metrics.runs.labels(end=run.status).inc()
                await self.tell(run)
        self._metrics.queued_runs.set(await self._store.count_queued())
        return ended

    async def interrupt(self, orphan: Run) -> Run | None:
        """End a run that nobody works on any more; None if somebody else did."""
        run = await self._store.interrupt_orphan(orphan)
        if run is None:
            return None
        self._metrics.orphans.inc()
        self._metrics.runs.labels(end=run.status).inc()
        await self.tell(run)
        if self.on_orphan is not None:
            await self.on_orphan(run)
        return run

    async def clear(self) -> None:
        """Clear away the events of runs that are over for a while."""
        while dropped := await self._store.drop_pieces(self._options.log_ttl):
            self._log.drop(dropped)

    async def tell(self, run: Run) -> None:
        """Tell readers the end of a run, and workers that the next one of its conversation may begin."""
        if self.on_end is not None:
            self.on_end(run)
        pieces = await self._store.pieces_after(run.id, run.last_seq - 1)
        for seq_to, lines in pieces:
            events = [event_of(line) for line in lines.split("\n")]
            first = seq_to - len(events) + 1
            attempt = max(run.attempt, 1)
            self._log.append([LogBatch(run.id, attempt, first, seq_to, frames(run.id, first, events), final=True)])
        await self._signals.send("wake", run.conversation_id)
