"""`Ends`: what is kept and told of rows that have come to an end, however they were asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from raptscallions_ai import ChatResult, ParsedResult
from raptscallions_bulk.engine.meter import Meter
from raptscallions_bulk.journal.records import Answered, Failed, Returned, Same
from raptscallions_bulk.money import to_decimal
from raptscallions_bulk.report import Row
from raptscallions_bulk.rows.answers import line_of_answer, line_of_error, line_of_same

if TYPE_CHECKING:
    from raptscallions_bulk.engine.item import Item
    from raptscallions_bulk.engine.recovery import Recovery
    from raptscallions_bulk.engine.settings import Settings
    from raptscallions_bulk.store import RunStore

__all__ = ["Ends"]

_ALIKE = 20  # failures of one class, before there is any answer, that stop a run


class _Stop(Protocol):
    def __call__(self, why: str, error: Exception | None = None) -> None: ...


class Ends:
    """Writes what became of rows, and tells of it once it is on the disk.

    Args:
        store: The run.
        settings: How it asks.
        recovery: What rows cost.
        on_row: Told of every row that has come to an end.
        changed: Called when one has.
        stop: Called when a run cannot come to anything.

    Attributes:
        meter: How fast they come to an end.
    """

    def __init__(
        self,
        store: RunStore,
        settings: Settings,
        recovery: Recovery,
        *,
        on_row: Callable[[Row], None] | None,
        changed: Callable[[], None],
        stop: _Stop,
    ) -> None:
        self._store, self._settings, self._recovery = store, settings, recovery
        self._on_row, self._changed, self._stop = on_row, changed, stop
        self._now = asyncio.get_running_loop().time
        self.meter = Meter(self._now())
        self._alike: tuple[str, int] = ("", 0)

    def answered(self, item: Item, result: ChatResult, seconds: float) -> None:
        """Keep an answer."""
        usage, settings = result.usage, self._settings
        cost, uncertain, from_cache = self._recovery.cost_of(item, result)
        answer = kept = result.content
        if settings.answer_type is not None:
            answer = cast("ParsedResult[Any]", result).parsed
            kept = settings.answer_type.to_json(answer)
        line = line_of_answer(
            item.number, item.key, kept, result, cost=cost, seconds=seconds, request=item.request.digest
        )
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        record = Answered(item.number, time.time(), cost, *tokens, seconds, from_cache=from_cache, uncertain=uncertain)
        if usage.cost is None and settings.tariff is None:
            self._store.ledger.count_unpriced()
        self._store.committer.add(record, line, lambda: self._answer_kept(item, record, answer))

    def failed(self, item: Item, error: Exception, cost: int) -> None:
        """Keep a failure that is final."""
        line = line_of_error(item.number, item.key, error, cost=cost, request=item.request.digest)
        record = Failed(item.number, time.time(), cost, type(error).__name__)
        self._store.committer.add(record, line, lambda: self._failure_kept(item, error, cost))

    def returned(self, item: Item, error: Exception) -> None:
        """Note that a row came back unpaid."""
        self._store.committer.add(Returned(item.number, time.time(), type(error).__name__))

    def invalid(self, item: Item, error: Exception) -> None:
        """Keep that no request can be made of a row."""
        self.count_alike(error)
        self.failed(item, error, 0)

    def answered_before(self, item: Item, first: int) -> None:
        """Keep that a row asks what an earlier one has the answer of."""
        found = self._store.index.find(item.request.digest)
        assert found is not None and found.segment
        answer = self._store.line(found.segment, found.offset).answer
        if self._settings.answer_type is not None:
            answer = self._settings.answer_type.from_json(answer)
        self._same(item, first, answer)

    def count_alike(self, error: Exception) -> None:
        """Stop a run whose rows all fail alike before any was answered."""
        if len(self._store.ledger.answered):
            return
        name, count = self._alike
        self._alike = (type(error).__name__, count + 1 if name == type(error).__name__ else 1)
        if self._alike[1] >= _ALIKE:
            self._stop(f"the first {_ALIKE} rows all failed with {type(error).__name__}: {error}", error)

    def _answer_kept(self, item: Item, record: Answered, answer: Any) -> None:
        self._store.index.locate(item.request.digest, item.number, record.segment, record.offset)
        self._tell(item, answer=answer, cost=record.cost)
        for follower in item.let_go():
            self._same(follower, item.number, answer)

    def _failure_kept(self, item: Item, error: Exception, cost: int) -> None:
        self._tell(item, error=error, cost=cost)
        for follower in item.let_go():
            self.failed(follower, error, 0)

    def _same(self, item: Item, first: int, answer: Any) -> None:
        line = line_of_same(item.number, item.key, first)
        self._store.committer.add(
            Same(item.number, first), line, lambda: self._tell(item, answer=answer, same_as=first)
        )

    def _tell(
        self,
        item: Item,
        *,
        answer: Any = None,
        error: Exception | None = None,
        cost: int = 0,
        same_as: int | None = None,
    ) -> None:
        self.meter.add(self._now())
        self._changed()
        if self._on_row is None:
            return
        base = self._store.file.base
        self._on_row(
            Row(
                number=item.number - base,
                key=item.key,
                status="answered" if error is None else "failed",
                answer=answer,
                error=error,
                cost=to_decimal(cost),
                input=item.row,
                same_as=None if same_as is None else same_as - base,
            )
        )
