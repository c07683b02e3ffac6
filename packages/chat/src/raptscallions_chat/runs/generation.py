"""One generation: ask the model, take in what comes, and store how it ended."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from raptscallions_ai import AiError, ChatResult, ChatStream, DoneChunk, Usage
from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.commands import Generation, RunEnd
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.run_ends import end_events
from raptscallions_chat.runs.chunk_events import event_of_chunk
from raptscallions_chat.runs.errors import failure_payload
from raptscallions_chat.runs.tool_steps import WatchedClient, with_results
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.rows import total_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from raptscallions_ai import StreamChunk
    from raptscallions_chat.domain.records import Message, Run, UsageTotal
    from raptscallions_chat.domain.statuses import RunStatus
    from raptscallions_chat.protocols import Clients, LeasedClient, RunLog
    from raptscallions_chat.runs.flusher import Flusher
    from raptscallions_chat.runs.live import LiveRun
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.runs.moderation import Moderation
    from raptscallions_chat.runs.prompts import Prompt, Prompts
    from raptscallions_chat.runs.settler import Settler
    from raptscallions_chat.runs.tool_steps import Steps, ToolSteps
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
        tool_steps: ToolSteps | None = None,
        moderation: Moderation | None = None,
        log_content: bool = False,
    ) -> None:
        self._tool_steps = tool_steps
        self._moderation = moderation
        self._log_content = log_content
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
        prompt, answer = await self._prompts.prompt(live.run, live.known)
        self._begin(live, answer)
        if self._log_content:
            _log.debug("run %s is asked %r", live.run.id, prompt.messages)
        if self._moderation is not None and live.run.kind == "answer":
            is_allowed, work.judged = await self._moderation.judge(live.run, prompt.messages)
            if not is_allowed:
                live.stop("filter")
        work.overlap = prompt.prefilled or ""
        if work.lease is None:
            work.lease = await self._clients.lease(live.run.tenant_id, prompt.model)
        options: dict[str, Any] = {"require_usage": False, **prompt.options, "on_interrupt": "fail"}
        if self._tool_steps is not None and (steps := await self._tool_steps.of(live.run)) is not None:
            await self._ask_with_tools(work, self._tool_steps, steps, prompt, answer, options)
            return
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

    async def _ask_with_tools(
        self,
        work: _Work,
        tool_steps: ToolSteps,
        steps: Steps,
        prompt: Prompt,
        answer: Message,
        options: dict[str, Any],
    ) -> None:
        """Let the model call functions until it has its answer, or one of its calls waits for the user."""
        live, messages = work.live, list(prompt.messages)
        assert work.lease is not None
        if results := await tool_steps.decided(live.run, answer):
            # In the place of the request to go on where the text broke off.
            messages = messages[: len(messages) - prompt.added] + with_results(answer, results)
            for event in results:
                live.add(event)
            self._flusher.note(live)
        if live.stop_reason is not None:
            return
        run = WatchedClient(work.lease.client, work.watch).run_tools(
            messages,
            model=prompt.model,
            tools=steps.tools,
            approve=steps.approve,
            stop_when=steps.waits_for_approval,
            **options,
        )
        live.attach(run)
        async with run:
            live.opened()
            async for each in run:
                event: Any = each
                match event.type:
                    case "tool_started":
                        pass
                    case "tool_finished":
                        live.add(await tool_steps.result_event(steps, event))
                        self._flusher.note(live)
                    case "step_finished":
                        work.finished.append(event.result)
                    case "done":
                        work.result = event.result
                        return
                    case _:
                        self._take(work, [event])

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
            if work.has_not_begun:
                work.has_not_begun = False
                work.first_token_at = work.first_token_at or utc_now()
                live.begun = work.generation()
            if work.overlap and event["type"] == "content":
                # The model was given the text without the spaces at its end, and may write them again.
                text, work.overlap = event["content"].removeprefix(work.overlap), ""
                event = {**event, "content": text}
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
        if self._log_content:
            _log.debug("run %s has answered %r", live.run.id, end.text)
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
        self.finished: list[ChatResult] = []  # the steps that are over, of a run whose model calls functions
        self.has_not_begun = True
        self.judged: ChatResult | None = None  # what moderation said, which costs, too
        self.overlap = ""  # the spaces at the end of the text that the model goes on from

    def watch(self, stream: ChatStream) -> None:
        """Take the stream of the next step."""
        self.stream = stream
        self.has_not_begun = True

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
        over = self.finished or ([] if self.result is None else [self.result])
        # Nobody tells the cost afterwards who had the chance and told the tokens only.
        known = [
            self._generation(each, each.usage, each.id, final=each.usage.reported, number=number)
            for number, each in enumerate(over, 1)
        ]
        judged = self.judged
        before = (
            []
            if judged is None
            else [self._generation(judged, judged.usage, judged.id, final=judged.usage.reported, number=0)]
        )
        return (*before, *known, *(self._broken_off() if self.result is None else ()))

    def _broken_off(self) -> tuple[Generation, ...]:
        partial = self.partial or ChatResult()
        generation_id = partial.id or (self.error.request_id if isinstance(self.error, AiError) else None)
        if self.has_not_begun and (generation_id is None or self.error is not None):
            return ()
        return (self._generation(partial, partial.usage, generation_id, final=partial.usage.cost is not None),)

    def _generation(
        self, result: ChatResult, usage: Usage, generation_id: str | None, *, final: bool, number: int | None = None
    ) -> Generation:
        return Generation(
            number=len(self.finished) + 1 if number is None else number,
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
    return total_of([asdict(one) for one in generations])
