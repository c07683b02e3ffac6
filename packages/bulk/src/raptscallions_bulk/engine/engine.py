"""`Engine`: sends rows when pace and money allow it, and notes what becomes of them."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Any, cast

from raptscallions_ai import AiError, ChatClient, ChatResult, RateLimitError, RateLimits
from raptscallions_bulk.engine.ends import Ends
from raptscallions_bulk.engine.feed import Feed
from raptscallions_bulk.engine.item import Item
from raptscallions_bulk.engine.outcomes import Meaning, meaning_of
from raptscallions_bulk.engine.recovery import Recovery
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import BulkError
from raptscallions_bulk.journal.records import Known, Record, Sent
from raptscallions_bulk.pace.controller import Pace
from raptscallions_bulk.pace.told import told_rate
from raptscallions_bulk.report import Row
from raptscallions_bulk.rows.request import RequestMaker
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.store import RunStore

__all__ = ["Engine"]

_GROUP = 64  # rows whose intents are written together
_UNPAID_ATTEMPTS = 6  # of a row that the gateway fails at while it answers others
_LONGEST_PAUSE = 30.0  # seconds


class Engine:
    """One run in one process.

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
        self._client, self._store, self._settings = client, store, settings
        self._has_room = has_room
        loop = asyncio.get_running_loop()
        self.now = loop.time
        self._options = settings.call_options()
        self.recovery = Recovery(client, store, settings)
        self.ends = Ends(store, settings, self.recovery, on_row=on_row, changed=self.changed, stop=self.stop)
        self.feed = Feed(store, source, maker, settings, self.ends, key=key, limit=limit)
        self.pace = Pace(loop.time(), max_open=settings.max_open, requests=settings.requests, tokens=settings.tokens)
        self.meter = self.ends.meter
        self.stopped: str | None = None
        self.stop_error: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._event = asyncio.Event()
        self._promised = 0  # of rows whose intents are not on the disk yet
        self._is_warm = len(store.ledger.answered) > 0

    async def run(self) -> None:
        """Ask everything that is to be asked, and return when nothing is open any more."""
        try:
            await self._dispatch()
            while self._tasks:
                await asyncio.wait(self._tasks)
            await self._store.committer.flush()
        except BulkError as error:
            self.stop(str(error), error)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def stop(self, why: str, error: Exception | None = None) -> None:
        """Send nothing more; what is open may end."""
        self.stopped = self.stopped or why
        self.stop_error = self.stop_error or error
        self._event.set()

    def cut(self) -> None:
        """Send nothing more, and wait for nothing; what was open is in doubt afterwards."""
        self.stop("it was interrupted")
        for task in self._tasks:
            task.cancel()

    @property
    def binding(self) -> str:
        """What keeps the run from being faster."""
        return self.pace.binding

    def limit_open(self, most: int) -> None:
        """Change the most requests at a time."""
        if most != self.pace.window.most:
            self.pace.window.set_most(most)
            self.changed()

    def changed(self) -> None:
        """Look again whether there is something to do."""
        self._event.set()

    async def _dispatch(self) -> None:
        group: list[Item] = []
        while self.stopped is None:
            item = self.feed.take(self.now()) if self._has_room() else None
            if item is None:
                if group:
                    await self._send(group)
                    group = []
                elif not await self._wait_for_more():
                    return
                continue
            if not await self._admitted(item, group):
                return
            self._promised += item.reserve
            self.pace.sent(self.now(), item.request.prompt_tokens)
            group.append(item)
            if len(group) >= _GROUP:
                await self._send(group)
                group = []

    async def _admitted(self, item: Item, group: list[Item]) -> bool:
        """Wait until a row may be sent; False if the run stops before. The group is sent meanwhile."""
        while self.stopped is None:
            if self._is_beyond_cap(item):
                wait = math.inf
                if not self._tasks and not group:
                    self.stop("max_cost is reached")
                    return False
            elif not self._is_warm and (self._tasks or group):
                wait = math.inf  # the first answer fills the gateway's prompt cache for all others
            elif (wait := self.pace.wait(self.now(), item.request.prompt_tokens)) <= 0:
                return True
            if group:
                await self._send(group)
                group.clear()
            else:
                await self._wait(wait)
        return False

    def _is_beyond_cap(self, item: Item) -> bool:
        cap = self._settings.max_cost
        return cap is not None and self._store.ledger.committed + self._promised + item.reserve > cap

    async def _wait_for_more(self) -> bool:
        """Wait until there may be something to ask; False if nothing will come any more."""
        due = self.feed.next_due()
        if due is None and not self._tasks and self.feed.is_read:
            if self._store.committer.is_busy:
                await self._store.committer.flush()
                return True
            for item in await self.recovery.due(self.feed.doubtful):
                self.feed.again(item, self.now())
            if self.feed.next_due() is not None:
                return True
            if (seconds := self.recovery.next_due(self.feed.doubtful)) is None:
                return False
            await self._wait(seconds)
            return True
        await self._wait(math.inf if due is None else due - self.now())
        return True

    async def _wait(self, seconds: float) -> None:
        """Wait until something has ended, or so many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        handle = None
        if seconds != math.inf:
            handle = asyncio.get_running_loop().call_later(seconds, self._event.set)
        await self._event.wait()
        self._event.clear()
        if handle is not None:
            handle.cancel()

    async def _send(self, group: list[Item]) -> None:
        """Write the intents of some rows, and only then ask them."""
        at = time.time()
        records: list[Record] = [
            Sent(item.number, at, item.reserve, item.request.digest, item.recovers) for item in group
        ]
        await self._store.committer.commit(records)
        for item in group:
            self._promised -= item.reserve
            task = asyncio.create_task(self._ask(item))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._event.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stop(f"an unexpected {type(error).__name__}", error if isinstance(error, Exception) else None)

    async def _ask(self, item: Item) -> None:
        begun = self.now()
        try:
            result = await self._call(item)
        except Exception as error:
            self._failed(item, error, self.now() - begun)
        else:
            self._answered(item, result, self.now() - begun)

    async def _call(self, item: Item) -> ChatResult:
        settings, messages = self._settings, item.request.messages
        if settings.stream and settings.answer_as is None:
            async with self._client.stream_chat(messages, model=settings.model, **self._options) as stream:
                if (generation := stream.partial.id) is not None:
                    # Known as soon as the headers are there, so that the gateway's books can be asked after a crash.
                    self._store.committer.add(Known(item.number, generation))
                return await stream.result()
        if settings.answer_as is None:
            return await self._client.chat(messages, stream=settings.stream, model=settings.model, **self._options)
        client = cast("Any", self._client)
        return await client.parse(
            messages, settings.answer_as, stream=settings.stream, model=settings.model, **self._options
        )

    def _answered(self, item: Item, result: ChatResult, seconds: float) -> None:
        usage = result.usage
        used = usage.total_tokens if usage.reported and usage.total_tokens else None
        self.pace.answered(self.now(), seconds, expected=item.request.prompt_tokens, used=used)
        self._is_warm = True
        self._take_limits(result.attempts[-1].limits if result.attempts else None)
        self.recovery.learn(result)
        self.ends.answered(item, result, seconds)

    def _failed(self, item: Item, error: Exception, seconds: float) -> None:
        meaning, now = meaning_of(error), self.now()
        self._pace_after(item, error, meaning, seconds)
        if isinstance(error, AiError) and error.request_id and meaning.verdict == "uncertain":
            self._store.committer.add(Known(item.number, error.request_id))
        if meaning.verdict == "hopeless":
            self.ends.returned(item, error)
            self.stop(str(error), error)
        elif meaning.verdict == "limited":
            self.ends.returned(item, error)
            self.feed.again(item, now)
        elif meaning.verdict == "broken gateway":
            self._try_again(item, error)
        elif meaning.verdict == "uncertain" and not meaning.is_told:
            self.ends.count_alike(error)
            self._store.ledger.doubt(item.number)
            self.feed.doubtful[item.number] = item
        else:
            self.ends.count_alike(error)
            self.ends.failed(item, error, self.recovery.cost_of_failure(item, error))

    def _take_limits(self, limits: RateLimits | None) -> None:
        if limits is None:
            return
        now, given = self.now(), self._settings
        requests = told_rate(limits.requests, limits.requests_left, limits.requests_reset)
        tokens = told_rate(limits.tokens, limits.tokens_left, limits.tokens_reset)
        # What the person says counts for more than what the gateway does.
        self.pace.told(
            now,
            requests=None if given.requests is not None else requests,
            tokens=None if given.tokens is not None else tokens,
        )

    def _pace_after(self, item: Item, error: Exception, meaning: Meaning, seconds: float) -> None:
        now, tokens = self.now(), item.request.prompt_tokens
        retry_after = error.retry_after if isinstance(error, AiError) else None
        if meaning.verdict == "limited":
            self._take_limits(error.limits if isinstance(error, RateLimitError) else None)
            self.pace.refused(now, tokens, retry_after)
        elif meaning.verdict == "broken gateway":
            self.pace.failed(now, retry_after)
        elif meaning.verdict == "answered badly":
            self._is_warm = True
            self.pace.answered(now, seconds, expected=tokens)
        else:
            self.pace.left()

    def _try_again(self, item: Item, error: Exception) -> None:
        """Ask a row again that the gateway failed at, after a pause; a few times while the gateway is well."""
        if not self.pace.in_outage:
            item.unpaid += 1
        if item.unpaid >= _UNPAID_ATTEMPTS:
            self.ends.count_alike(error)
            self.ends.failed(item, error, 0)
            return
        self.ends.count_alike(error)
        self.ends.returned(item, error)
        pause = min(_LONGEST_PAUSE, 2.0 ** max(0, item.unpaid - 1)) * random.uniform(0.5, 1.0)
        self.feed.again(item, self.now() + pause)
