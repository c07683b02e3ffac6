"""`Worker`: asks blocks of rows for which the journal is elsewhere."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from raptscallions_ai import AiError, ChatClient, ChatResult, RateLimitError
from raptscallions_bulk.cluster.journal import Asked, Claim, Outcome
from raptscallions_bulk.engine.outcomes import meaning_of
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import SourceError
from raptscallions_bulk.journal.records import Answered, Failed, Returned
from raptscallions_bulk.money import price_of
from raptscallions_bulk.pace.controller import Pace
from raptscallions_bulk.rows.answers import AnswerLine, ErrorLine, line_of_answer, line_of_error, read_line
from raptscallions_bulk.rows.request import Request, RequestMaker

__all__ = ["AskedRow", "RemoteJournal", "Worker"]

_GATHER = 0.005  # seconds in which outcomes come together
_GROUP = 64  # outcomes of one message
_LOOK_AGAIN = 0.2  # seconds
_UNPAID_ATTEMPTS = 6
_HEARTBEAT = 3.0  # seconds


class RemoteJournal(Protocol):
    """A `Journal`, wherever it is."""

    async def claim(self, worker: str, claims: Sequence[Claim]) -> list[Asked]:
        """Return what may be done about rows."""
        ...

    async def keep(self, worker: str, outcomes: Sequence[Outcome], *, caches: bool = False) -> None:
        """Keep what became of them."""
        ...

    async def heard_of(self, worker: str) -> int:
        """Return how many workers there are."""
        ...


@dataclass(slots=True)
class AskedRow:
    """What became of a row of a block.

    Attributes:
        status: `answered` or `failed`; `in doubt`, `lost`, or `waiting` where a cap leaves no money for it.
        answer: The text, or the object as JSON has it.
        error: What it failed with.
        cost: USD, as a text.
    """

    status: str
    answer: Any = None
    error: str | None = None
    cost: str = "0"


@dataclass(slots=True)
class _Row:
    place: int
    key: str | int
    number: int | None
    request: Request
    reserve: int
    unpaid: int = 0
    again_at: float = 0.0
    recovers: bool = False


class Worker:
    """Asks the rows of blocks, one block at a time, each row once in all of the run.

    Args:
        client: Whom to ask.
        journal: Who says what may be asked, and keeps what came.
        maker: Makes the requests.
        settings: How they are asked.
        key: The field that names a row; None for its number.
    """

    def __init__(
        self, client: ChatClient, journal: RemoteJournal, maker: RequestMaker, settings: Settings, *, key: str | None
    ) -> None:
        self._client, self._journal, self._maker, self._settings, self._key = client, journal, maker, settings, key
        self._options = settings.call_options()
        self._name = uuid.uuid4().hex
        self._outcomes: list[Outcome] = []
        self._kept: asyncio.Future[None] | None = None
        self._caches = False
        self._sent: set[bytes] = set()  # of which no end has been kept
        self._pace: Pace | None = None
        self._changed = asyncio.Event()

    async def ask(self, rows: Sequence[dict[str, Any]], numbers: Sequence[int] | None = None) -> list[AskedRow]:
        """Return what became of each row, in their order.

        Args:
            rows: The rows.
            numbers: Their places in the source; None where they have none.

        Raises:
            AiError: No row can be asked, because of the key, for instance.
        """
        loop = asyncio.get_running_loop()
        if self._pace is None:
            given = self._settings
            self._pace = Pace(loop.time(), max_open=given.max_open, requests=given.requests, tokens=given.tokens)
        asked: list[AskedRow | None] = [None] * len(rows)
        pending: list[_Row] = []
        for place, row in enumerate(rows):
            try:
                pending.append(self._prepared(place, row, None if numbers is None else numbers[place]))
            except SourceError as error:
                asked[place] = AskedRow("failed", error=f"SourceError: {error}")
        heartbeat = asyncio.create_task(self._beat())
        try:
            while pending:
                pending = await self._turn(pending, asked)
        finally:
            heartbeat.cancel()
        return [row or AskedRow("waiting") for row in asked]

    async def _turn(self, rows: list[_Row], asked: list[AskedRow | None]) -> list[_Row]:
        """Claim rows, ask those that may be asked, and return those that are to be claimed again."""
        now = time.monotonic()
        due = [row for row in rows if row.again_at <= now]
        if not due:
            await asyncio.sleep(min(row.again_at for row in rows) - now)
            return rows
        claims = [
            Claim(row.number, row.key, row.request.digest, row.reserve, row.request.digest in self._sent) for row in due
        ]
        later = [row for row in rows if row.again_at > now]
        tasks: list[asyncio.Task[_Row | None]] = []
        for row, verdict in zip(due, await self._journal.claim(self._name, claims), strict=True):
            if verdict.verdict == "ask":
                row.recovers = verdict.wait is not None
                tasks.append(asyncio.create_task(self._ask(row, verdict.number, asked)))
            elif verdict.verdict == "elsewhere" or (verdict.verdict == "in doubt" and verdict.wait is not None):
                row.again_at = now + max(_LOOK_AGAIN, min(verdict.wait or 0.0, 30.0))
                later.append(row)
            else:
                asked[row.place] = _told(verdict)
        try:
            later += [row for row in await asyncio.gather(*tasks) if row is not None]
        finally:
            for task in tasks:
                task.cancel()
        return later

    async def _ask(self, row: _Row, number: int, asked: list[AskedRow | None]) -> _Row | None:
        """Ask a row; return it if it is to be claimed again."""
        pace, tokens = self._pace, row.request.prompt_tokens
        assert pace is not None
        await self._admitted(tokens)
        self._sent.add(row.request.digest)
        begun = time.monotonic()
        try:
            result = await self._call(row.request)
        except Exception as error:
            seconds = time.monotonic() - begun
            return await self._failed(row, number, error, seconds, asked)
        finally:
            self._changed.set()
        seconds = time.monotonic() - begun
        used = result.usage.total_tokens if result.usage.reported else None
        pace.answered(asyncio.get_running_loop().time(), seconds, expected=tokens, used=used)
        self._caches = self._caches or bool(result.attempts and result.attempts[-1].response_cache)
        asked[row.place] = await self._keep_answer(row, number, result, seconds)
        return None

    async def _keep_answer(self, row: _Row, number: int, result: ChatResult, seconds: float) -> AskedRow:
        usage, kept = result.usage, cast("Any", result.content)
        if self._settings.answer_type is not None:
            kept = self._settings.answer_type.to_json(cast("Any", result).parsed)
        cost = price_of(usage, self._settings.tariff)
        from_cache = bool(result.attempts) and result.attempts[-1].response_cache == "hit"
        # What the first request of a row in doubt cost nobody tells, so that the most that it can be is taken.
        uncertain = row.recovers and row.reserve > 0
        cost += row.reserve if uncertain else 0
        line = line_of_answer(number, row.key, kept, result, cost=cost, seconds=seconds, request=row.request.digest)
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        record = Answered(number, time.time(), cost, *tokens, seconds, from_cache=from_cache, uncertain=uncertain)
        await self._keep(row, Outcome(record, line))
        return _row_of(read_line(line))

    async def _failed(
        self, row: _Row, number: int, error: Exception, seconds: float, asked: list[AskedRow | None]
    ) -> _Row | None:
        verdict, loop, pace = meaning_of(error).verdict, asyncio.get_running_loop(), self._pace
        assert pace is not None
        retry_after = error.retry_after if isinstance(error, AiError) else None
        name = type(error).__name__
        if verdict == "limited":
            pace.refused(loop.time(), row.request.prompt_tokens, retry_after)
        elif verdict == "broken gateway":
            pace.failed(loop.time(), retry_after)
            row.unpaid += not pace.in_outage
        elif verdict == "answered badly":
            pace.answered(loop.time(), seconds, expected=row.request.prompt_tokens)
        else:
            pace.left()
        if verdict == "uncertain" and not meaning_of(error).is_told:
            row.again_at = time.monotonic() + _LOOK_AGAIN
            return row  # it is open and was sent, so that the journal says when it may be asked again
        if verdict == "hopeless":
            await self._keep(row, Outcome(Returned(number, time.time(), name)))
            raise error
        if verdict == "limited" or (verdict == "broken gateway" and row.unpaid < _UNPAID_ATTEMPTS):
            await self._keep(row, Outcome(Returned(number, time.time(), name)))
            row.again_at = time.monotonic() + (0.0 if isinstance(error, RateLimitError) else 2.0 ** min(row.unpaid, 4))
            return row
        partial = error.partial if isinstance(error, AiError) else None
        cost = 0 if partial is None else price_of(partial.usage, self._settings.tariff)
        line = line_of_error(number, row.key, error, cost=cost, request=row.request.digest)
        await self._keep(row, Outcome(Failed(number, time.time(), cost, name), line))
        asked[row.place] = _row_of(read_line(line))
        return None

    async def _admitted(self, tokens: int) -> None:
        loop, pace = asyncio.get_running_loop(), self._pace
        assert pace is not None
        while (wait := pace.wait(loop.time(), tokens)) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if wait == math.inf else wait):
                    await self._changed.wait()
            except TimeoutError:
                pass
        pace.sent(loop.time(), tokens)

    async def _call(self, request: Request) -> ChatResult:
        settings = self._settings
        if settings.answer_as is None:
            return await self._client.chat(
                request.messages, stream=settings.stream, model=settings.model, **self._options
            )
        client = cast("Any", self._client)
        return await client.parse(
            request.messages, settings.answer_as, stream=settings.stream, model=settings.model, **self._options
        )

    async def _keep(self, row: _Row, outcome: Outcome) -> None:
        """Hand an outcome to the journal, together with those of the next milliseconds, and wait until it is kept."""
        self._outcomes.append(outcome)
        if self._kept is None:
            self._kept = asyncio.ensure_future(self._hand_over())
        await asyncio.shield(self._kept)
        self._sent.discard(row.request.digest)

    async def _hand_over(self) -> None:
        if len(self._outcomes) < _GROUP:
            await asyncio.sleep(_GATHER)
        outcomes, self._outcomes, self._kept = self._outcomes, [], None
        await self._journal.keep(self._name, outcomes, caches=self._caches)

    async def _beat(self) -> None:
        """Let the journal know that this worker lives, and take its part of the limits that are given."""
        while True:
            workers = max(1, await self._journal.heard_of(self._name))
            given, pace = self._settings, self._pace
            assert pace is not None
            now = asyncio.get_running_loop().time()
            for bucket, rate in ((pace.requests, given.requests), (pace.tokens, given.tokens)):
                if rate is not None:
                    bucket.tell(now, rate / workers)
            await asyncio.sleep(_HEARTBEAT)

    def _prepared(self, place: int, row: dict[str, Any], number: int | None) -> _Row:
        request = self._maker.make(row)
        key: str | int = place if number is None else number
        if self._key is not None:
            value = row.get(self._key)
            if not isinstance(value, str | int):
                raise SourceError(f"the row has no key: its field {self._key!r} is not there, or no text or number")
            key = value
        return _Row(place, key, number, request, self._settings.most(request.prompt_tokens))


def _told(asked: Asked) -> AskedRow:
    if asked.line is not None:
        return _row_of(read_line(asked.line))
    if asked.verdict == "done":
        return AskedRow("failed", error="it failed before; the folder has the reason")
    return AskedRow("waiting" if asked.verdict == "capped" else asked.verdict)


def _row_of(line: AnswerLine) -> AskedRow:
    error: ErrorLine | None = line.error
    if error is not None:
        return AskedRow("failed", error=f"{error.error}: {error.message}", cost=line.cost or "0")
    return AskedRow("answered", line.answer, cost=line.cost or "0")
