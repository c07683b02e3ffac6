"""`BatchEngine`: hands rows over in batches, which the gateway answers within a day at about half the price."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from raptscallions_ai import AiError, ChatClient
from raptscallions_ai.batches import Batch, BatchAnswer, Batching, BatchRequest
from raptscallions_bulk.engine.ends import Ends
from raptscallions_bulk.engine.feed import Feed
from raptscallions_bulk.engine.item import Item
from raptscallions_bulk.engine.outcomes import meaning_of
from raptscallions_bulk.engine.recovery import Recovery
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import BulkError
from raptscallions_bulk.journal.records import BatchKnown, BatchPlanned, Record, Returned, Sent
from raptscallions_bulk.report import Row
from raptscallions_bulk.rows.request import RequestMaker
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.store import RunStore

__all__ = ["BatchEngine"]

_MOST_ROWS = 5_000  # of a batch, if the person does not say
_MOST_BYTES = 32 << 20  # of a batch, which is held in memory while it is sent
_MOST_OPEN = 50_000  # rows in batches, whose keys are held in memory
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 60.0  # seconds between two looks
_UNLISTED = 30.0  # seconds after which a batch that the gateway does not list was never taken
_SKEW = 3600.0  # seconds by which the gateway's clock may differ from ours
_NOT_ASKED = frozenset({"expired", "cancelled", "failed"})


class BatchEngine:
    """One run in one process, whose rows go into batches.

    What is to be in a batch is on the disk before it is sent, and the gateway's id of it as soon as that is known.
    After a crash a batch without an id is looked for among those that the gateway lists: by its label, or by the ids
    of its requests once it is over.

    Args:
        client: Whom to ask.
        store: The run.
        source: Its rows.
        maker: Makes their requests.
        settings: How they are asked.
        key: The field that names a row; None for its number.
        on_row: Told of every row that has come to an end, once that is on the disk.
        has_room: Whether `on_row` can take more rows now.
        limit: The most rows of the source to look at; None for all.
    """

    binding = "batch"

    def __init__(
        self,
        client: ChatClient,
        store: RunStore,
        source: Source,
        maker: RequestMaker,
        settings: Settings,
        *,
        key: str | None = None,
        on_row: Callable[[Row], None] | None = None,
        has_room: Callable[[], bool] = lambda: True,
        limit: int | None = None,
    ) -> None:
        assert isinstance(client, Batching)
        self._client, self._store, self._settings, self._has_room = client, store, settings, has_room
        self.now = asyncio.get_running_loop().time
        self.recovery = Recovery(client, store, settings)
        self.ends = Ends(store, settings, self.recovery, on_row=on_row, changed=self.changed, stop=self.stop)
        self.meter = self.ends.meter
        self.feed = Feed(store, source, maker, settings, self.ends, key=key, limit=limit)
        self.stopped: str | None = None
        self.stop_error: Exception | None = None
        most, most_bytes = client.batch_limits
        self._most = min(settings.batch_size or _MOST_ROWS, most)
        self._most_bytes = min(_MOST_BYTES, most_bytes)
        self._ready: list[Item] = []
        self._open: dict[int, Item] = {}
        self._event = asyncio.Event()
        self._task: asyncio.Task[object] | None = None
        self._looked_at: dict[int, float] = {}
        self._is_held = False  # until another batch is over

    async def run(self) -> None:
        """Hand over what is to be asked, and return when all batches are over."""
        self._task = asyncio.current_task()
        try:
            await self._run()
            await self._store.committer.flush()
        except BulkError as error:
            self.stop(str(error), error)
        except AiError as error:
            self.stop(f"the batches cannot be looked at: {error}", error)
        except asyncio.CancelledError:
            if self.stopped is None:
                raise
            assert self._task is not None
            self._task.uncancel()

    def stop(self, why: str, error: Exception | None = None) -> None:
        """Hand over nothing more, and return; batches go on without us, and the next run looks at them."""
        self.stopped = self.stopped or why
        self.stop_error = self.stop_error or error
        self._event.set()

    def cut(self) -> None:
        """Return at once."""
        self.stop("it was interrupted")
        if self._task is not None:
            self._task.cancel()

    def changed(self) -> None:
        """Look again whether there is something to do."""
        self._event.set()

    def limit_open(self, most: int) -> None:
        """Do nothing: the gateway decides how many requests of a batch it answers at a time."""

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while self.stopped is None:
            if await self._hand_over():
                pause = _FIRST_PAUSE
                continue
            open_batches = self._open_batches()
            if not open_batches and not self._ready and self.feed.is_read and self.feed.next_due() is None:
                if not self._store.committer.is_busy:
                    return
                await self._store.committer.flush()  # the end of a row may bring others
                continue
            is_any_over = False
            for number, rows in open_batches.items():
                is_any_over = await self._look_at(number, rows) or is_any_over
            pause = _FIRST_PAUSE if is_any_over else min(_LONGEST_PAUSE, pause * 1.5)
            if not is_any_over:
                await self._wait(pause)

    async def _hand_over(self) -> bool:
        """Hand over the next batch; False if there is none, or no room or money for it."""
        items = self._next_items()
        if not items:
            return False
        number = max(self._store.ledger.batches, default=0) + 1
        at = time.time()
        records: list[Record] = [BatchPlanned(number, at, len(items))]
        records += [Sent(item.number, at, item.reserve, item.request.digest, batch=number) for item in items]
        await self._store.committer.commit(records)
        self._open |= {item.number: item for item in items}
        requests = [
            BatchRequest(self._custom_id(number, item.number), item.request.messages, self._settings.plain_options)
            for item in items
        ]
        settings = self._settings
        try:
            batch = await self._client.submit_batch(
                requests, model=settings.model, response_model=settings.answer_as, label=self._label(number)
            )
        except (AiError, ValueError, TypeError) as error:
            await self._not_taken(number, items, error)
        else:
            await self._store.committer.commit([BatchKnown(number, batch.id)])
        return True

    def _next_items(self) -> list[Item]:
        items, size, reserved = list[Item](), 0, 0
        cap, committed = self._settings.max_cost, self._store.ledger.committed
        while not self._is_held and len(items) < self._most and len(self._open) + len(items) < _MOST_OPEN:
            item = self._ready.pop() if self._ready else self.feed.take(self.now()) if self._has_room() else None
            if item is None:
                break
            size, reserved = size + item.request.prompt_tokens, reserved + item.reserve
            if cap is not None and committed + reserved > cap:
                self._ready.append(item)
                if not items and not self._store.ledger.open:
                    self.stop("max_cost is reached")
                break
            if items and size > self._most_bytes:
                self._ready.append(item)
                break
            items.append(item)
        return items

    async def _not_taken(self, number: int, items: list[Item], error: Exception) -> None:
        """Find out what a failed submission means; if the batch may have been taken, it is looked for later."""
        verdict = meaning_of(error).verdict
        if verdict == "uncertain":
            self._looked_at[number] = self.now()
            return
        for item in items:
            self._give_back(item, error)
        await self._store.committer.flush()
        if verdict in ("limited", "broken gateway"):
            await self._wait(getattr(error, "retry_after", None) or _LONGEST_PAUSE / 2)
        else:
            self.stop(f"the gateway took no batch: {error}", error)

    async def _look_at(self, number: int, rows: list[int]) -> bool:
        """See how a batch is, and take its answers if it is over; return whether it is."""
        gateway_id = self._store.ledger.batches.get(number, "")
        if not gateway_id:
            return await self._look_for(number, rows)
        batch = await self._client.batch(gateway_id)
        if batch is None:
            for row in rows:
                self._store.ledger.doubt(row)
            return True
        if not batch.is_over:
            return False
        if batch.problem is not None:
            await self._refused(batch.problem, rows)
            return True
        self._is_held = False
        asked: set[int] = set()
        async for answer in self._client.batch_answers(batch, response_model=self._settings.answer_as):
            row = self._row_of(answer.custom_id, number)
            if row is not None and row in self._store.ledger.open and row not in asked:
                asked.add(row)
                self._take(self._item(row), answer)
                while not self._has_room():
                    await self._wait(1.0)
        for row in rows:
            if row not in asked and batch.status in _NOT_ASKED:
                self._give_back(self._item(row), None)
            elif row not in asked:
                self._store.ledger.doubt(row)  # the gateway says nothing of it
        await self._store.committer.flush()
        return True

    def _take(self, item: Item, answer: BatchAnswer) -> None:
        """Keep what became of a row."""
        entry = self._store.ledger.open[item.number]
        if answer.result is not None:
            self._open.pop(item.number, None)
            self.ends.answered(item, answer.result, max(0.0, time.time() - entry.at))
        elif answer.error is None:
            self._give_back(item, None)
        else:
            verdict = meaning_of(answer.error).verdict
            if verdict in ("limited", "broken gateway", "hopeless"):
                item.unpaid += 1
                if item.unpaid < 3 and verdict != "hopeless":
                    self._give_back(item, answer.error)
                    return
            self._open.pop(item.number, None)
            self.ends.count_alike(answer.error)
            self.ends.failed(item, answer.error, self.recovery.cost_of_failure(item, answer.error))

    async def _refused(self, problem: str, rows: list[int]) -> None:
        """Take back the rows of a batch that the gateway did not take up after all."""
        for row in rows:
            self._give_back(self._item(row), None)
        await self._store.committer.flush()
        if self._open_batches():
            self._is_held = True  # too much may be waiting there; when another batch is over, it is tried again
        else:
            self.stop("the gateway refused a batch", BulkError(f"the gateway refused a batch: {problem}"))

    async def _look_for(self, number: int, rows: list[int]) -> bool:
        """Look for a batch that was about to be handed over when the process died, or the connection failed."""
        planned = min(self._store.ledger.open[row].at for row in rows)
        first_look = self._looked_at.setdefault(number, self.now())
        known, is_undecided = set(self._store.ledger.batches.values()), False
        for batch in await self._client.batches():
            is_older = batch.created_at is not None and batch.created_at.timestamp() < planned - _SKEW
            if batch.id in known or is_older or (batch.label and batch.label != self._label(number)):
                continue
            if batch.label == self._label(number) or (batch.is_over and await self._is_ours(batch, number)):
                await self._store.committer.commit([BatchKnown(number, batch.id)])
                return True
            is_undecided = is_undecided or not batch.is_over
        if is_undecided or self.now() - first_look < _UNLISTED:
            return False
        for row in rows:
            self._give_back(self._item(row), None)
        await self._store.committer.flush()
        return True

    async def _is_ours(self, batch: Batch, number: int) -> bool:
        whole = await self._client.batch(batch.id)
        if whole is None or not whole.is_over:
            return False
        async for answer in self._client.batch_answers(whole):
            return self._row_of(answer.custom_id, number) is not None
        return False

    def _give_back(self, item: Item, error: Exception | None) -> None:
        """Let a row wait again, which was not paid."""
        self._open.pop(item.number, None)
        name = "NotAsked" if error is None else type(error).__name__
        self._store.committer.add(Returned(item.number, time.time(), name), then=lambda: self._ready.append(item))

    def _open_batches(self) -> dict[int, list[int]]:
        """Return the rows of all batches that are not over."""
        found: dict[int, list[int]] = {}
        for row, entry in self._store.ledger.open.items():
            if entry.batch and not entry.in_doubt:
                found.setdefault(entry.batch, []).append(row)
        return found

    def _item(self, row: int) -> Item:
        """Return a row that is open, reading the source up to it after a restart."""
        while row not in self._open:
            if row in self.feed.doubtful:
                self._open[row] = self.feed.doubtful.pop(row)
            elif (item := self.feed.take(self.now())) is not None:
                self._ready.append(item)
            elif row not in self.feed.doubtful:
                raise BulkError(f"the source has no row {row} any more, which is in a batch")
        return self._open[row]

    def _label(self, number: int) -> str:
        return f"{self._store.file.token}-{number}"

    def _custom_id(self, number: int, row: int) -> str:
        return f"{self._store.file.token}-{number}-{row}"

    def _row_of(self, custom_id: str, number: int) -> int | None:
        row = custom_id.removeprefix(self._label(number) + "-")
        return int(row) if row != custom_id and row.isdigit() else None

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        self._event.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
