"""Who asked whom, and how it went: records without a word of what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias

from raptscallions_ai._guards.callbacks import call_hook
from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import AiError
from raptscallions_ai.proxy.failures import for_callers
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.billed import used_by
from raptscallions_ai.wrappers.source import AroundSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["AuditHook", "AuditLog", "AuditRecord", "AuditedClient", "Entry"]

Outcome: TypeAlias = Literal["complete", "failed", "left", "refused", "replayed"]
_log = Log()


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One request to a proxy, without contents.

    Attributes:
        started: When it came, in UTC.
        caller: The caller's id; None for a stranger.
        wire: What was asked: `stream`, `chunks` (the same in the proxy's own events) or `completions`.
        model: The name of the model that was asked for; None for the proxy's choice.
        outcome: `complete`, `failed`, `left` (the caller left), `refused` (nothing went upstream), or `replayed`.
        answered_by: The model that answered.
        error: The class of the error, if it failed or was refused.
        status: The HTTP status of that error.
        usage: What it used, as far as anybody told; None if nothing was billed.
        generation_id: The gateway's id of the answer.
        time_to_first_chunk: Seconds until the first of the answer.
        duration: Seconds until the end.
    """

    started: datetime
    caller: str | None
    wire: str
    model: str | None = None
    outcome: Outcome = "refused"
    answered_by: str | None = None
    error: str | None = None
    status: int | None = None
    usage: Usage | None = None
    generation_id: str | None = None
    time_to_first_chunk: float | None = None
    duration: float = 0.0


AuditHook: TypeAlias = Callable[[AuditRecord], Awaitable[None] | None]
"""Takes a record, once for each request; it must not block."""


class AuditLog:
    """Hands records to the log and to a function of the operator's.

    Args:
        hook: The function; None for the log alone.
    """

    def __init__(self, hook: AuditHook | None) -> None:
        self._hook = hook
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, record: AuditRecord, loop: asyncio.AbstractEventLoop) -> None:
        """Take a record; may be called from any thread.

        Args:
            record: The record.
            loop: The loop in which the function is called.
        """
        _log.info(
            "proxy: caller=%s wire=%s model=%s outcome=%s error=%s in %.2f s",
            *(record.caller, record.wire, record.model, record.outcome, record.error, record.duration),
        )
        if self._hook is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._start, self._hook, record)

    async def drain(self) -> None:
        """Wait until all records are taken."""
        await asyncio.sleep(0)  # those of which the loop is only just being told
        while self._tasks:
            await asyncio.wait({*self._tasks})

    def _start(self, hook: AuditHook, record: AuditRecord) -> None:
        task = asyncio.create_task(_take(hook, record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _take(hook: AuditHook, record: AuditRecord) -> None:
    try:
        await call_hook("audit", hook, record)
    except Exception as error:
        _log.error("the proxy's audit function failed: %s", type(error).__name__)


@dataclass(slots=True, eq=False)
class Entry:
    """A record that is being written: one for each request.

    Attributes:
        log: Where it goes.
        record: What is known so far.
    """

    log: AuditLog
    record: AuditRecord
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _began: float = field(default_factory=monotonic)
    _closed: bool = False

    @classmethod
    def of(cls, log: AuditLog, wire: str) -> Entry:
        """Return the entry for a request that has just come."""
        return cls(log, AuditRecord(datetime.now(UTC), None, wire))

    def note(self, *, caller: str | None = None, model: str | None = None) -> None:
        """Note who asks, and for what."""
        self.record = replace(self.record, caller=caller or self.record.caller, model=model or self.record.model)

    def began_to_answer(self) -> None:
        """Note that the answer begins."""
        if self.record.time_to_first_chunk is None:
            self.record = replace(self.record, time_to_first_chunk=monotonic() - self._began)

    def close(
        self,
        outcome: Outcome,
        *,
        error: BaseException | None = None,
        result: ChatResult | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Write how it ended; only the first end counts."""
        if self._closed:
            return
        self._closed = True
        self.record = replace(
            self.record,
            outcome=outcome,
            answered_by=(result.model or None) if result is not None else None,
            error=None if error is None else type(error).__name__,
            status=error.status_code if isinstance(error, AiError) else None,
            usage=usage,
            generation_id=result.id if result is not None else None,
            duration=monotonic() - self._began,
        )
        self.log.write(self.record, self._loop)


class AuditedClient(WrappedClient):
    """The outermost client of one request: it writes the end into an entry, and tells callers what is theirs to know.

    Args:
        inner: The client to wrap.
        entry: What to write into.
    """

    def __init__(self, inner: ChatClient, entry: Entry) -> None:
        super().__init__(inner)
        self._entry = entry

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        return _AuditedCall(self.ask(call), self._entry)


class _AuditedCall(AroundSource):
    def __init__(self, inner: ChunkSource, entry: Entry) -> None:
        super().__init__(inner)
        self._entry = entry

    async def open(self) -> None:
        try:
            await super().open()
        except AiError as error:
            raise for_callers(error) from None

    async def read(self) -> Sequence[StreamChunk]:
        try:
            return await super().read()
        except AiError as error:
            raise for_callers(error) from None

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        self._entry.began_to_answer()
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        partial = result or self.partial()
        outcome: Outcome = "complete" if result is not None else "failed" if isinstance(error, Exception) else "left"
        self._entry.close(outcome, error=error, result=partial, usage=used_by(result, error, partial))
