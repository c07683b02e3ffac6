"""The worker: claims runs, keeps its lease, sweeps up after the dead, and ends in good order."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.runs.live import LiveRun

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from raptscallions_chat.domain.commands import Known
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.domain.statuses import StopReason
    from raptscallions_chat.protocols import RunLog, Signals
    from raptscallions_chat.runs.flusher import Flusher
    from raptscallions_chat.runs.generation import Generator
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.runs.options import RunOptions
    from raptscallions_chat.runs.settler import Settler
    from raptscallions_chat.runs.sweeper import Sweeper
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Worker"]

_log = logging.getLogger("raptscallions_chat")


class Worker:
    """A process that works on runs.

    Attributes:
        id: Its name in the store, for this start of the process alone.
        draining: Whether it begins nothing new.
    """

    def __init__(
        self,
        worker_id: str,
        *,
        store: SqlStore,
        log: RunLog,
        signals: Signals,
        flusher: Flusher,
        generator: Generator,
        settler: Settler,
        sweeper: Sweeper,
        metrics: RunMetrics,
        options: RunOptions,
    ) -> None:
        self.id = worker_id
        self.draining = False
        self._store = store
        self._log = log
        self._signals = signals
        self._flusher = flusher
        self._generator = generator
        self._settler = settler
        self._sweeper = sweeper
        self._metrics = metrics
        self._options = options
        self._live: dict[str, LiveRun] = {}
        self._unknown: set[str] = set()
        self._claim_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._renewed_at = 0.0
        self.on_begin: Callable[[Run], None] | None = None

    @property
    def live_runs(self) -> dict[str, LiveRun]:
        """The runs that it works on."""
        return self._live

    @property
    def has_room(self) -> bool:
        """Whether it can begin another run now."""
        most = self._options.max_runs
        return not self.draining and self._options.role != "web" and (not most or len(self._live) < most)

    async def start(self) -> None:
        """Register, and begin to work."""
        await self._store.register_worker(self.id, socket.gethostname(), self._options.lease)
        self._renewed_at = time.monotonic()
        if self._options.single_process:
            await self._store.bury(all_but=self.id)
        self._signals.listen("stop", self._on_stop)
        self._signals.listen("wake", lambda _: self.wake())
        loops: list[Coroutine[Any, Any, None]] = [self._keep_lease(), self._flusher.run()]
        if self._options.role != "web":
            loops += [self._claim_for_ever(), self._settler.run(), self._sweeper.run()]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        self.wake()

    def begin(self, run: Run, *, title: str | None = None, known: Known | None = None) -> None:
        """Begin a run that was claimed for this worker.

        Args:
            run: The run.
            title: The conversation's new title, which its stream tells.
            known: What was read together with what began the run.
        """
        live = LiveRun(run, known)
        if title is not None:
            live.add_later({"type": "title", "title": title})
        self._live[run.id] = live
        self._metrics.live_runs.set(len(self._live))
        if run.started_at is not None:
            self._metrics.queue_seconds.observe(max(0.0, (run.started_at - run.queued_at).total_seconds()))
        live.task = asyncio.create_task(self._work(live))
        if self.on_begin is not None:
            self.on_begin(run)

    def wake(self) -> None:
        """Look for runs that wait."""
        self._claim_wanted.set()

    def stop(self, run_id: str, reason: StopReason) -> bool:
        """Stop a run, if it is one of this worker's."""
        live = self._live.get(run_id)
        if live is None:
            return False
        if live.stop_reason is None:
            self._metrics.stops.labels(reason=reason).inc()
        live.stop(reason)
        return True

    async def drain(self, patience: float) -> None:
        """Begin nothing more, wait for what goes on, and interrupt what does not end in time."""
        self.draining = True
        tasks = {live.task for live in self._live.values() if live.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for live in list(self._live.values()):
            live.stop("drain")
        if left := {live.task for live in self._live.values() if live.task is not None}:
            await asyncio.wait(left, timeout=5.0)

    async def aclose(self) -> None:
        """End: everything that goes on is interrupted."""
        await self.drain(0.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._store.leave(self.id)
        except ChatError as error:
            _log.warning("could not say goodbye to the store: %s", error.code)

    async def _work(self, live: LiveRun) -> None:
        try:
            await self._generator.generate(live)
        finally:
            self._live.pop(live.run.id, None)
            self._metrics.live_runs.set(len(self._live))
            # The next one of the same conversation may wait anywhere.
            self.wake()
            await self._signals.send("wake", live.run.conversation_id)

    async def _claim_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._options.heartbeat):
                    await self._claim_wanted.wait()
            except TimeoutError:
                pass
            self._claim_wanted.clear()
            try:
                await self._claim()
            except ChatError as error:
                _log.warning("could not look for waiting runs: %s", error.code)

    async def _claim(self) -> None:
        while self.has_room:
            claimed = await self._store.claim_runs(self.id, 20)
            for run in claimed:
                self.begin(run)
            if not claimed:
                return

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat)
            try:
                alive = await self._store.renew_lease(self.id, self._options.lease)
                if alive:
                    self._renewed_at = time.monotonic()
                    await self._obey()
                else:
                    await self._rise_again()
            except ChatError as error:
                _log.warning("could not renew the lease: %s", error.code)
            # By its own clock, and before anybody else can know: what it generates from now on could not be stored.
            if time.monotonic() - self._renewed_at > 0.9 * self._options.lease:
                for live in list(self._live.values()):
                    live.stop("drain")

    async def _obey(self) -> None:
        """Stop what is to be stopped, because a signal may have been lost; end what this worker knows nothing of."""
        unknown: set[str] = set()
        for run in await self._store.running_runs(self.id):
            if run.id not in self._live:
                unknown.add(run.id)
                if run.id in self._unknown:
                    _log.error("run %s was claimed and never begun", run.id)
                    await self._sweeper.interrupt(run)
            elif run.stop_requested_at is not None:
                self.stop(run.id, run.stop_reason or "user")
        # Those that are new here may have been stored a moment ago, or be over.
        self._unknown = unknown

    async def _rise_again(self) -> None:
        """Go on as another worker, because this one was declared dead."""
        _log.error("this worker was declared dead; its runs are interrupted")
        for live in list(self._live.values()):
            live.lose()
        self.id = new_id()
        self._flusher.rename(self.id)
        await self._store.register_worker(self.id, socket.gethostname(), self._options.lease)
        self._renewed_at = time.monotonic()

    def _on_stop(self, value: str) -> None:
        run_id, _, reason = value.partition(" ")
        self.stop(run_id, reason or "user")  # pyright: ignore[reportArgumentType] - sent by ourselves
