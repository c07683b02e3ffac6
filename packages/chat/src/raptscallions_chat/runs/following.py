"""Following a run: from the log while it has everything, from the store where it has not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.events import END_EVENTS, event_of, frame, opening_events
from raptscallions_chat.domain.run_ends import retold
from raptscallions_chat.domain.statuses import ENDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from raptscallions_chat.domain.events import Event
    from raptscallions_chat.domain.log_batches import LogBatch
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.protocols import LogReader, RunLog
    from raptscallions_chat.runs.metrics import RunMetrics
    from raptscallions_chat.store.sql_store import SqlStore

__all__ = ["PING", "Following"]

PING = b": ping\n\n"
_KEEP_ALIVE = 15.0  # half of what the strictest of the usual proxies allow
_BLIND = 0.5  # seconds between looks at the store while the log cannot be relied on
_MOST_BEHIND = 64 * 1024


class Following:
    """Streams of runs, for any number of readers.

    Args:
        store: The truth.
        log: What is new.
        metrics: What is counted.
        is_closing: Whether readers are to be sent away.
        is_here: Whether this process works on a run, so that its log will have everything.
    """

    def __init__(
        self,
        store: SqlStore,
        log: RunLog,
        metrics: RunMetrics,
        is_closing: Callable[[], bool],
        is_here: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._log = log
        self._metrics = metrics
        self._is_closing = is_closing
        self._is_here = is_here

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[bytes]:
        """Yield the events of a run that follow one, to its end.

        Comments are yielded in silence. It ends without the run's end if the service closes.
        """
        reader = self._log.read(run_id)
        self._metrics.readers.inc()
        try:
            async for data in self._follow(_Place(run_id, after), reader):
                yield data
        finally:
            self._metrics.readers.dec()
            reader.close()

    async def _follow(self, place: _Place, reader: LogReader) -> AsyncGenerator[bytes]:
        loop = asyncio.get_running_loop()
        batches: Sequence[LogBatch] = await reader.next(place.after, 0)
        from_log = place.is_next(batches) or (not batches and self._is_here(place.run_id))
        self._metrics.resumes.labels(source="log" if from_log else "store").inc()
        silent_since = asked_at = loop.time()
        ask_store = not from_log
        while not self._is_closing():
            if place.is_next(batches) and not place.is_behind(batches):
                data = place.take(batches)
            elif batches or ask_store:
                data = await self._from_store(place)
                asked_at = loop.time()
            else:
                data = b""
            if data:
                yield data
                silent_since = loop.time()
            elif batches:
                # There is a gap, and the store cannot tell yet what was in it.
                await asyncio.sleep(_BLIND)
            if place.ended:
                return
            patience = _KEEP_ALIVE if reader.is_sound else _BLIND
            batches = await reader.next(place.after, patience)
            # The log may have lost what nobody will send again, such as the end.
            ask_store = not batches and loop.time() - asked_at >= min(patience, _KEEP_ALIVE)
            if not batches and loop.time() - silent_since >= _KEEP_ALIVE:
                yield PING
                silent_since = loop.time()
        yield b"retry: 1000\n\n"

    async def _from_store(self, place: _Place) -> bytes:
        """Return what the store has of the events that follow, exactly or as a snapshot."""
        try:
            run = await self._store.get_run(place.run_id)
            if run.status == "queued":
                return b""
            pieces = await self._store.pieces_after(run.id, place.after)
            events = place.exact(run, pieces)
            if events is None or sum(len(lines) for _, lines in pieces) > _MOST_BEHIND:
                events = await self._collapsed(run, place)
        except ChatError as error:
            if error.code == "not_found":
                place.ended = True  # it was deleted
            return b""
        return place.tell(events)

    async def _collapsed(self, run: Run, place: _Place) -> Sequence[tuple[int, Event]]:
        """Return one snapshot for everything that is stored, and the end if there is one."""
        pieces = await self._store.pieces_after(run.id, 0)
        opening = list(enumerate(opening_events(run), 1))
        if not pieces or pieces[0][0] - pieces[0][1].count("\n") > len(opening) + 1:
            if run.status not in ENDS:
                return [one for one in opening if one[0] > place.after]
            answer = await self._store.stored_text(run.answer_message_id)
            return [one for one in retold(run, answer) if one[0] > place.after]
        answer, ends, last = Answer(), list[tuple[int, "Event"]](), len(opening)
        for seq_to, lines in pieces:
            events = [event_of(line) for line in lines.split("\n")]
            for number, event in enumerate(events, seq_to - len(events) + 1):
                if event["type"] in END_EVENTS or event["type"] == "usage":
                    ends.append((number, event))
                else:
                    answer.add(event)
                    last = number
        events = [*opening, (last, answer.snapshot()), *ends]
        return [one for one in events if one[0] > place.after]


class _Place:
    """How far a reader has come.

    Attributes:
        after: The number of the last event that it has.
        ended: Whether that was the run's last.
    """

    def __init__(self, run_id: str, after: int) -> None:
        self.run_id = run_id
        self.after = after
        self.ended = False

    def is_next(self, batches: Sequence[LogBatch]) -> bool:
        """Whether batches begin no later than they should."""
        return bool(batches) and batches[0].first <= self.after + 1

    def is_behind(self, batches: Sequence[LogBatch]) -> bool:
        """Whether so much has come meanwhile that the reader is better told it in one piece."""
        return len(batches) > 1 and sum(len(batch.frames) for batch in batches) > _MOST_BEHIND

    def take(self, batches: Sequence[LogBatch]) -> bytes:
        """Return the events of batches that follow, up to the first gap."""
        parts: list[bytes] = []
        for batch in batches:
            if batch.first > self.after + 1:
                break
            parts.append(batch.after(self.after))
            self.after = batch.last
            self.ended = batch.final
        return b"".join(parts)

    def exact(self, run: Run, pieces: Sequence[tuple[int, str]]) -> Sequence[tuple[int, Event]] | None:
        """Return the events that follow if the store has them all, as they were told; None if not."""
        events = [one for one in enumerate(opening_events(run), 1) if one[0] > self.after]
        expected = max(self.after, len(opening_events(run))) + 1
        for seq_to, lines in pieces:
            numbered = list(enumerate(lines.split("\n"), seq_to - lines.count("\n")))
            if numbered[0][0] > expected:
                return None
            events += [(number, event_of(line)) for number, line in numbered if number >= expected]
            expected = seq_to + 1
        if run.status in ENDS and expected <= run.last_seq:
            return None
        return events

    def tell(self, events: Sequence[tuple[int, Event]]) -> bytes:
        """Return events as they are sent."""
        if events:
            self.after = events[-1][0]
            self.ended = events[-1][1]["type"] in END_EVENTS
        return b"".join(frame(self.run_id, number, event) for number, event in events)
