"""The runtime: everything that works on runs in one process, put together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.runs.flusher import Flusher
from raptscallions_chat.runs.following import Following
from raptscallions_chat.runs.generation import Generator
from raptscallions_chat.runs.metrics import RunMetrics
from raptscallions_chat.runs.prompts import Prompts
from raptscallions_chat.runs.settler import Settler
from raptscallions_chat.runs.sweeper import Sweeper
from raptscallions_chat.runs.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from raptscallions_chat.domain.commands import Guard, Idempotent, Outcome, Send, Sent
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.domain.statuses import StopReason
    from raptscallions_chat.protocols import Clients, RunLog, Signals
    from raptscallions_chat.runs.moderation import Moderation
    from raptscallions_chat.runs.options import RunOptions
    from raptscallions_chat.runs.tool_steps import ToolSteps
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Runtime"]

_log = logging.getLogger("raptscallions_chat")
_LAG_PAUSE = 0.5


class Runtime:
    """Sends, runs and their streams, in one process.

    Args:
        store: Where everything is stored.
        log: Where live events are.
        signals: How processes give each other hints.
        clients: Who is asked for answers.
        options: Figures.
        prompts: What models are asked; made from the store if it is not given.
    """

    def __init__(
        self,
        *,
        store: SqlStore,
        log: RunLog,
        signals: Signals,
        clients: Clients,
        options: RunOptions,
        prompts: Prompts | None = None,
        metrics: RunMetrics | None = None,
        tool_steps: ToolSteps | None = None,
        moderation: Moderation | None = None,
    ) -> None:
        self.store = store
        self.log = log
        self.signals = signals
        self.clients = clients
        self.options = options
        self.metrics = metrics or RunMetrics()
        self.closing = False
        worker_id = new_id()
        flusher = Flusher(store, log, worker_id, options.flush, self.metrics)
        settler = Settler(store, clients, self.metrics)
        sweeper = Sweeper(store, log, signals, self.metrics, options)
        generator = Generator(
            store=store,
            log=log,
            flusher=flusher,
            clients=clients,
            prompts=prompts or Prompts(store),
            settler=settler,
            metrics=self.metrics,
            tool_steps=tool_steps,
            moderation=moderation,
            log_content=options.log_content,
        )
        self._generator = generator
        self.worker = Worker(
            worker_id,
            store=store,
            log=log,
            signals=signals,
            flusher=flusher,
            generator=generator,
            settler=settler,
            sweeper=sweeper,
            metrics=self.metrics,
            options=options,
        )
        self.sweeper = sweeper
        self.following = Following(
            store, log, self.metrics, lambda: self.closing, lambda run_id: run_id in self.worker.live_runs
        )
        self._lag: asyncio.Task[None] | None = None
        self._beginning: set[asyncio.Task[Outcome[Sent]]] = set()
        if options.on_crash == "continue":
            sweeper.on_orphan = self._continue_orphan

    def forget(self, run_ids: Sequence[str]) -> None:
        """Forget the events of runs, because they are deleted."""
        self.log.drop(run_ids)

    def watch(self, on_begin: Callable[[Run], None], on_end: Callable[[Run], None]) -> None:
        """Call functions whenever a run of this process begins, and whenever this process ends one."""
        self.worker.on_begin = on_begin
        self._generator.on_end = self.sweeper.on_end = on_end

    async def start(self) -> None:
        """Begin to work."""
        await self.worker.start()
        self._lag = asyncio.create_task(self._measure_lag())

    @property
    def draining(self) -> bool:
        """Whether no new runs are taken."""
        return self.worker.draining

    async def drain(self) -> None:
        """Refuse new runs, send followers away, and let what goes on come to its end for a while."""
        self.worker.draining = True
        self.closing = True
        self.log.wake_all()
        await self.worker.drain(self.options.drain)

    async def aclose(self) -> None:
        """End."""
        self.closing = True
        if self._lag is not None:
            self._lag.cancel()
        await self.worker.aclose()
        await self.log.aclose()
        await self.signals.aclose()
        await self.clients.aclose()

    async def send(self, command: Send, request: Idempotent[Sent] | None = None) -> Outcome[Sent]:
        """Store a message, and see that it is answered."""
        self._refuse_while_draining()
        await self._refuse_while_overloaded()
        await self.clients.check(command.principal.tenant_id, command.model)
        return await self._to_the_end(self.store.send(command, request))

    async def continue_run(
        self,
        principal: Principal,
        run_id: str,
        *,
        model: str | None = None,
        options: dict[str, object] | None = None,
        request: Idempotent[Sent] | None = None,
        guards: Sequence[Guard] = (),
    ) -> Outcome[Sent]:
        """Go on in the answer of a run that broke off."""
        self._refuse_while_draining()
        await self.clients.check(principal.tenant_id, model)
        return await self._to_the_end(
            self.store.continue_run(
                principal, run_id, model=model, options=options, worker_id=self.claimant, request=request, guards=guards
            )
        )

    async def regenerate(
        self,
        principal: Principal,
        message_id: str,
        *,
        model: str | None = None,
        options: dict[str, object] | None = None,
        request: Idempotent[Sent] | None = None,
        guards: Sequence[Guard] = (),
    ) -> Outcome[Sent]:
        """Write another answer beside one."""
        self._refuse_while_draining()
        await self.clients.check(principal.tenant_id, model)
        return await self._to_the_end(
            self.store.regenerate(
                principal,
                message_id,
                model=model,
                options=options,
                worker_id=self.claimant,
                request=request,
                guards=guards,
            )
        )

    async def stop(
        self, principal: Principal, run_id: str, reason: StopReason = "user", request: Idempotent[Run] | None = None
    ) -> Outcome[Run]:
        """Stop a run, wherever it is."""
        outcome = await self.store.request_stop(principal, run_id, reason, request)
        if outcome.result is not None:
            await self._stop(run_id, reason)
        return outcome

    @property
    def claimant(self) -> str | None:
        """The worker that can begin a run at once; None if there is none in this process."""
        return self.worker.id if self.worker.has_room else None

    async def _to_the_end(self, storing: Coroutine[Any, Any, Outcome[Sent]]) -> Outcome[Sent]:
        """Store and begin a run even if whoever asked leaves in the middle: what is stored is claimed already."""

        async def work() -> Outcome[Sent]:
            outcome = await storing
            await self._begin(outcome.result)
            return outcome

        task = asyncio.create_task(work())
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        return await asyncio.shield(task)

    async def _begin(self, sent: Sent | None) -> None:
        if sent is None:
            return
        for run_id in sent.to_stop:
            await self._stop(run_id, "interrupt")
        for run_id in sent.stopped:
            await self.sweeper.tell(await self.store.get_run(run_id))
        if sent.run.status == "running":
            self.worker.begin(sent.run, title=sent.title, known=sent.known)
        elif not sent.to_stop:
            self.worker.wake()
            await self.signals.send("wake", sent.run.conversation_id)

    async def _stop(self, run_id: str, reason: StopReason) -> None:
        if not self.worker.stop(run_id, reason):
            await self.signals.send("stop", f"{run_id} {reason}")
            run = await self.store.get_run(run_id)
            if run.status == "stopped":
                await self.sweeper.tell(run)

    def _refuse_while_draining(self) -> None:
        if self.worker.draining:
            self.metrics.sheds.labels(reason="draining").inc()
            raise ChatError("draining", "The service is about to restart; try again in a moment.", retry_after=2.0)

    async def _refuse_while_overloaded(self) -> None:
        """Refuse a new run before what goes on becomes slow: no worker here is free, and too many runs wait."""
        if not self.options.max_queued or self.claimant is not None:
            return
        if await self.store.count_queued() >= self.options.max_queued:
            self.metrics.sheds.labels(reason="overloaded").inc()
            raise ChatError("overloaded", "Too many answers wait for a worker; try again later.", retry_after=5.0)

    async def _continue_orphan(self, run: Run) -> None:
        from raptscallions_chat.domain.principal import Principal

        if run.status != "interrupted":
            return
        try:
            await self.continue_run(Principal(run.tenant_id, run.user_id), run.id)
        except ChatError as error:
            _log.info("run %s is not continued: %s", run.id, error.code)

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(_LAG_PAUSE)
            self.metrics.loop_lag_seconds.set(max(0.0, loop.time() - began - _LAG_PAUSE))
