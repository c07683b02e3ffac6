"""One generation: ask the model, take in what comes, and store how it ended."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from raptscallions_ai import AiError, ChatResult, ChatStream, DoneChunk, Usage
from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.commands import Generation, RunEnd
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.records import UsageTotal
from raptscallions_chat.domain.run_ends import end_events
from raptscallions_chat.runs.chunk_events import event_of_chunk
from raptscallions_chat.runs.errors import failure_payload
from raptscallions_chat.store.database import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from raptscallions_ai import StreamChunk
    from raptscallions_chat.domain.records import Message, Run
    from raptscallions_chat.domain.statuses import RunStatus
    from raptscallions_chat.protocols import Clients, LeasedClient, RunLog
    from raptscallions_chat.runs.flusher import Flusher
    from raptscallions_chat.runs.live import LiveRun
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.runs.prompts import Prompts
    from raptscallions_chat.runs.settler import Settler
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["Generator"]

_log = logging.getLogger("raptscallions_chat")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Generator:
    """Writes the answers of runs; one object serves all runs of a worker."""

    def __init__(
        self,
        *,
        store: SqlStore,
        log: RunLog,
        flusher: Flusher,
        clients: Clients,
        prompts: Prompts,
        settler: Settler,
        metrics: RunMetrics,
    ) -> None:
        self._store = store
        self._log = log
        self._flusher = flusher
        self._clients = clients
        self._prompts = prompts
        self._settler = settler
        self._metrics = metrics
        self.on_end: Callable[[Run], None] | None = None

    async def generate(self, live: LiveRun) -> None:
        """Write an answer from the beginning to the end, whatever happens; cancellation ends it as interrupted."""
        work = _Work(live)
        try:
            await self._ask(work)
        except asyncio.CancelledError:
            live.stop_reason = live.stop_reason or "drain"
        except AiError as error:
            work.error = error
        except Exception as error:
            work.error = error
            if not isinstance(error, ChatError):
                _log.exception("run %s failed", live.run.id)
        finally:
            if work.stream is not None:
                work.partial = work.stream.partial
                await work.stream.aclose()
            if work.lease is not None:
                await work.lease.release()
        if live.lost:
            _log.warning("run %s belongs to another worker now", live.run.id)
            return
        await self._finish(work)

    async def _ask(self, work: _Work) -> None:
        live = work.live
        if live.stop_reason is not None:
            return
        if live.run.kind != "continue":
            self._flusher.note(live)
        prompt, answer = await self._prompts.prompt(live.run)
        self._begin(live, answer)
        if work.lease is None:
            work.lease = await self._clients.lease(live.run.tenant_id, prompt.model)
        options: dict[str, Any] = {"require_usage": False, **prompt.options, "on_interrupt": "fail"}
        # Between here and the first await nobody else runs, so that no stop can be missed.
        if live.stop_reason is not None:
            return
        stream = work.stream = work.lease.client.stream_chat(prompt.messages, model=prompt.model, **options)
        live.attach(stream)
        async with stream:
            live.opened()
            while chunks := await stream.read():
                self._take(work, chunks)
                if work.result is not None:
                    return

    def _begin(self, live: LiveRun, answer: Message) -> None:
        """Show that the run has begun; of an answer that goes on, what there is of it already."""
        if live.run.kind == "continue" and (answer.text or answer.parts):
            live.add(Answer(answer.text, answer.parts).snapshot())
        self._flusher.note(live)

    def _take(self, work: _Work, chunks: Sequence[StreamChunk]) -> None:
        live = work.live
        for chunk in chunks:
            if isinstance(chunk, DoneChunk):
                work.result = chunk.result
                return
            if (event := event_of_chunk(chunk)) is None:
                continue
            if work.first_token_at is None:
                work.first_token_at = utc_now()
                live.begun = work.generation()
            live.add(event)
        if live.has_pending:
            self._flusher.note(live)

    async def _finish(self, work: _Work) -> None:
        """Store the end, then tell it."""
        live = work.live
        self._flusher.forget(live)
        while live.in_flight is not None:
            await live.in_flight
            self._flusher.forget(live)
        if live.lost:
            return
        status = work.status
        generations = work.generations()
        unsettled = any(not one.final for one in generations)
        ended = work.ended_run(status, generations)
        for event in end_events(ended):
            live.add(event)
        piece, batch = live.take()
        assert piece is not None
        end = RunEnd(
            status=status,
            last_seq=live.seq,
            text=live.answer.text,
            parts=live.answer.parts,
            piece=(piece[2], piece[3]),
            stop_reason=live.stop_reason if status in ("stopped", "interrupted") else None,
            error=ended.error,
            finish_reason=ended.finish_reason,
            model=work.model,
            first_token_at=work.first_token_at,
            generations=generations,
            settle_after=utc_now() if unsettled else None,
        )
        if not await self._stored(live, end):
            _log.warning("run %s was ended by another worker", live.run.id)
            return
        self._log.append([batch])
        self._metrics.runs.labels(end=status).inc()
        if self.on_end is not None:
            self.on_end(ended)
        if unsettled:
            self._settler.wake()

    async def _stored(self, live: LiveRun, end: RunEnd) -> bool:
        """Store an end, however long the store takes to come back."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._store.finish_run(live.run, end)
            except ChatError as error:
                self._metrics.store_failures.inc()
                _log.warning("the store did not take the end of run %s: %s", live.run.id, error.code)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if live.lost:
                return False


class _Work:
    """What is known of a generation while it goes on."""

    def __init__(self, live: LiveRun) -> None:
        self.live = live
        self.lease: LeasedClient | None = None
        self.stream: ChatStream | None = None
        self.result: ChatResult | None = None
        self.partial: ChatResult | None = None
        self.error: Exception | None = None
        self.first_token_at: datetime | None = None

    @property
    def status(self) -> RunStatus:
        if self.result is not None:
            return "completed"
        if self.live.stop_reason is not None:
            return "interrupted" if self.live.stop_reason == "drain" else "stopped"
        return "failed"

    @property
    def model(self) -> str | None:
        known = self.result or self.partial
        return (known.model if known is not None else None) or self.live.run.model

    def generation(self) -> Generation:
        """Return the generation as it begins."""
        partial = self.stream.partial if self.stream is not None else ChatResult()
        return self._generation(partial, Usage(), partial.id, final=False)

    def generations(self) -> tuple[Generation, ...]:
        """Return the generations as they ended."""
        if self.result is not None:
            usage, told = self.result.usage, self.result.usage.reported
            # Nobody tells the cost afterwards who had the chance and told the tokens only.
            return (self._generation(self.result, usage, self.result.id, final=told),)
        partial = self.partial or ChatResult()
        generation_id = partial.id or (self.error.request_id if isinstance(self.error, AiError) else None)
        if self.first_token_at is None and (generation_id is None or self.error is not None):
            return ()
        return (self._generation(partial, partial.usage, generation_id, final=partial.usage.cost is not None),)

    def _generation(self, result: ChatResult, usage: Usage, generation_id: str | None, *, final: bool) -> Generation:
        return Generation(
            number=1,
            generation_id=generation_id,
            credential_id=None if self.lease is None else self.lease.credential_id,
            model=result.model or self.live.run.model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cost=usage.cost,
            cost_source=usage.cost_source,
            final=final,
        )

    def ended_run(self, status: RunStatus, generations: Sequence[Generation]) -> Any:
        """Return the run as it will be stored, for the events that tell its end."""
        from dataclasses import replace

        error = self.error or AiError("The answer broke off.") if status == "failed" else None
        return replace(
            self.live.run,
            status=status,
            stop_reason=self.live.stop_reason,
            error=None if error is None else failure_payload(error),
            finish_reason=self.result.finish_reason if self.result is not None else None,
            usage=_total(generations),
        )


def _total(generations: Sequence[Generation]) -> UsageTotal:
    if not generations:
        return UsageTotal()
    (one,) = generations
    return UsageTotal(
        prompt_tokens=one.prompt_tokens,
        completion_tokens=one.completion_tokens,
        total_tokens=one.prompt_tokens + one.completion_tokens,
        reasoning_tokens=one.reasoning_tokens,
        cached_tokens=one.cached_tokens,
        cache_write_tokens=one.cache_write_tokens,
        cost=one.cost,
        cost_source=one.cost_source,
        final=one.final,
        generations=1,
    )
