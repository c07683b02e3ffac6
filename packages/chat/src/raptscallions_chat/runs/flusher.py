"""The flush: what all runs of this process received in a moment is stored in one statement, and then shown."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from raptscallions_chat.domain.commands import Generation, Piece
    from raptscallions_chat.domain.log_batches import LogBatch
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.protocols import RunLog
    from raptscallions_chat.runs.live import LiveRun
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Flusher"]

_log = logging.getLogger("raptscallions_chat")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Flusher:
    """Stores and shows the events of all live runs of a worker, one transaction a moment.

    Args:
        store: Where they are stored, before anybody sees them.
        log: Where they are shown.
        worker_id: The worker; a store that has declared it dead refuses everything.
        window: Seconds for which events are collected. The first ones of a run do not wait.
        metrics: What is counted.
    """

    def __init__(self, store: SqlStore, log: RunLog, worker_id: str, window: float, metrics: RunMetrics) -> None:
        self._store = store
        self._log = log
        self._worker_id = worker_id
        self._window = window
        self._metrics = metrics
        self._dirty: dict[str, LiveRun] = {}
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    def rename(self, worker_id: str) -> None:
        """Go on for another worker."""
        self._worker_id = worker_id

    def note(self, live: LiveRun) -> None:
        """Note that a run has events that are to be stored."""
        self._dirty[live.run.id] = live
        self._wake.set()
        if live.is_new:
            self._urgent.set()

    def forget(self, live: LiveRun) -> None:
        """Leave a run's events alone from now on; whoever ends it stores them."""
        self._dirty.pop(live.run.id, None)

    async def run(self) -> None:
        """Flush for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            if not self._urgent.is_set():
                try:
                    async with asyncio.timeout(self._window):
                        await self._urgent.wait()
                except TimeoutError:
                    pass
            self._wake.clear()
            self._urgent.clear()
            began = loop.time()
            await self.flush()
            self._metrics.flush_seconds.observe(loop.time() - began)

    async def flush(self) -> None:
        """Store and show what is there."""
        lives = [live for live in self._dirty.values() if live.has_pending and not live.lost]
        self._dirty.clear()
        if not lives:
            return
        flight = asyncio.get_running_loop().create_future()
        pieces: list[Piece] = []
        batches: list[LogBatch] = []
        begun: list[tuple[Run, Generation]] = []
        for live in lives:
            live.in_flight = flight
            piece, batch = live.take()
            batches.append(batch)
            if piece is not None:
                pieces.append(piece)
            if live.begun is not None:
                begun.append((live.run, live.begun))
                live.begun = None
        try:
            refused = await self._stored(pieces, begun) if pieces else set[str]()
            for live in lives:
                if live.run.id in refused:
                    live.lose()
            shown = [batch for batch in batches if batch.run_id not in refused]
            self._log.append(shown)
            self._metrics.events.inc(sum(batch.last - batch.first + 1 for batch in shown))
            self._metrics.event_bytes.inc(sum(len(batch.frames) for batch in shown))
        finally:
            for live in lives:
                live.in_flight = None
                if live.hurry():
                    self._dirty[live.run.id] = live
                    self._wake.set()
            flight.set_result(None)

    async def _stored(self, pieces: list[Piece], begun: list[tuple[Run, Generation]]) -> set[str]:
        """Store pieces, however long the store takes to come back, and return the runs that are lost."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._store.append_pieces(self._worker_id, pieces, begun)
            except ChatError as error:
                self._metrics.store_failures.inc()
                _log.warning("the store did not take %d pieces: %s", len(pieces), error.code)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
