"""A run while this process works on it: what has come of the answer, and what of it nobody has stored yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.events import Event, frames, line_of, opening_events
from raptscallions_chat.domain.log_batches import LogBatch
from raptscallions_chat.domain.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai import ChatStream, ToolRun
    from raptscallions_chat.domain.commands import Generation, Known, Piece
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.domain.statuses import StopReason

__all__ = ["LiveRun"]

_HEADERS_PATIENCE = 0.25  # seconds that a stop waits for the id of the generation, by which its cost can be asked for


class LiveRun:
    """A run that this process works on.

    Args:
        run: The run, as it was claimed.
        known: What was read together with what began it.

    Attributes:
        answer: The answer, with everything that has come.
        begun: The generation that begins with the next events to be stored.
        stop_reason: Why it is to stop; None if it is not.
        lost: Whether another worker has it now, so that nothing of it may be stored any more.
        in_flight: Set while events of it are being stored.
    """

    def __init__(self, run: Run, known: Known | None = None) -> None:
        self.run = run
        self.known = known
        self.answer = Answer()
        self.begun: Generation | None = None
        self.stop_reason: StopReason | None = None
        self.lost = False
        self.in_flight: asyncio.Future[None] | None = None
        self.seq = 0
        self.task: asyncio.Task[None] | None = None
        self._is_new = True
        self._pending: list[Event] = list(opening_events(run))
        self._later: list[Event] = []
        self._stream: ChatStream | ToolRun | None = None
        self._opened = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    @property
    def is_new(self) -> bool:
        """Whether nobody has seen anything of the answer yet."""
        return self._is_new

    @property
    def has_pending(self) -> bool:
        """Whether there are events that nobody has stored."""
        return bool(self._pending)

    def add_later(self, event: Event) -> None:
        """Add an event that can wait for the next one, or for a moment: it is not worth a transaction before that."""
        self._later.append(event)

    def hurry(self) -> bool:
        """Let what could wait be pending now; False if there was nothing."""
        later, self._later = self._later, []
        self._pending += later
        return bool(later)

    def add(self, event: Event) -> None:
        """Add an event; pieces of text that follow one another become one event."""
        if self._later:
            self.hurry()
        kind = event["type"]
        if kind in ("content", "reasoning"):
            text = clean(event["content"])
            if not text:
                return
            if self._pending and self._pending[-1]["type"] == kind:
                self._pending[-1] = {"type": kind, "content": self._pending[-1]["content"] + text}
            else:
                self._pending.append({"type": kind, "content": text})
            return
        self._pending.append(_cleaned(event))

    def take(self) -> tuple[Piece | None, LogBatch]:
        """Number the events that are pending, and return them for the store and for readers.

        The events that open a run are not stored, so that there may be nothing for the store.
        """
        events, self._pending = self._pending, []
        first, run = self.seq + 1, self.run
        self.seq += len(events)
        self.answer.add_all(events)
        self._is_new = self._is_new and self.answer.is_empty
        final = bool(events) and events[-1]["type"] in ("completed", "stopped", "failed", "interrupted")
        batch = LogBatch(run.id, run.attempt, first, self.seq, frames(run.id, first, events), final)
        stored = events[len(opening_events(run)) :] if first == 1 else events
        lines = "\n".join(map(line_of, stored))
        return ((run.id, run.attempt, self.seq, lines) if stored else None), batch

    def attach(self, stream: ChatStream | ToolRun) -> None:
        """Take the stream that a stop is to close."""
        self._stream = stream

    def opened(self) -> None:
        """Note that the gateway has answered, so that the generation's id is known if it told one."""
        self._opened.set()

    def stop(self, reason: StopReason) -> None:
        """Stop the run: close the connection upstream, keep what has come."""
        if self.stop_reason is None and not self.lost:
            self.stop_reason = reason
            self._stopping = asyncio.create_task(self._close())

    def lose(self) -> None:
        """Give the run up, because it belongs to another worker now."""
        self.lost = True
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._close())

    async def _close(self) -> None:
        if self._stream is None:
            return  # the run looks for a reason to stop before it begins
        try:
            async with asyncio.timeout(_HEADERS_PATIENCE):
                await self._opened.wait()
        except TimeoutError:
            pass
        await self._stream.aclose()


def _cleaned(event: Event) -> Event:
    return {key: _clean_value(value) for key, value in event.items()}


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {clean(key): _clean_value(entry) for key, entry in entries.items()}
    if isinstance(value, list | tuple):
        return [_clean_value(entry) for entry in cast("Sequence[Any]", value)]
    return value
