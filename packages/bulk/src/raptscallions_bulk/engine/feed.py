"""`Feed`: what is to be asked next: rows that come back first, then the source."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Any

from raptscallions_bulk.engine.ends import Ends
from raptscallions_bulk.engine.item import Item
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.errors import SourceError
from raptscallions_bulk.rows.request import Request, RequestMaker
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.store import RunStore

__all__ = ["Feed"]

_MOST_FOLLOWERS = 10_000  # rows kept in memory because they ask what is being asked

NO_REQUEST = Request("", bytes(16), 0)


class Feed:
    """The rows to ask, in turn.

    Args:
        store: The run.
        source: Its rows.
        maker: Makes their requests.
        settings: How they are asked.
        ends: Told of rows that cannot be asked, or whose answer is there already.
        key: The field that names a row; None for its number.
        limit: The most rows of the source to look at; None for all.

    Attributes:
        doubtful: Rows in doubt that the source has shown, by their number.
        seen: How many rows the source has shown.
    """

    def __init__(
        self,
        store: RunStore,
        source: Source,
        maker: RequestMaker,
        settings: Settings,
        ends: Ends,
        *,
        key: str | None,
        limit: int | None = None,
    ) -> None:
        self._store, self._maker, self._settings, self._key = store, maker, settings, key
        self._ends, self._limit = ends, limit
        self._rows: Iterator[Any] | None = source.rows(self._wanted)
        self._later: list[tuple[float, int, Item]] = []
        self._order = itertools.count()
        self._asked: dict[int, Item] = {}  # by number: what others may follow
        self._followers = 0
        self.doubtful: dict[int, Item] = {}
        self.seen = 0

    def again(self, item: Item, due: float) -> None:
        """Give a row again, once it is due."""
        heapq.heappush(self._later, (due, next(self._order), item))

    def next_due(self) -> float | None:
        """Return when the next of these rows is due; None if there are none."""
        return self._later[0][0] if self._later else None

    @property
    def is_read(self) -> bool:
        """Whether the source has come to its end."""
        return self._rows is None

    def take(self, now: float) -> Item | None:
        """Return the next row to ask; None if there is none now."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        while self._rows is not None and self._followers < _MOST_FOLLOWERS:
            found = next(self._rows, None)
            if found is None:
                self._rows = None
                break
            if (item := self._prepared(*found)) is not None:
                return item
        return None

    def _ended(self, item: Item) -> None:
        self._asked.pop(item.number, None)
        self._followers -= len(item.followers)

    def _wanted(self, number: int) -> bool:
        self.seen = max(self.seen, number + 1)
        if self._limit is not None and number >= self._limit:
            return False
        return not self._store.ledger.is_settled(number + self._store.file.base)

    def _prepared(self, place: int, row: dict[str, Any] | SourceError) -> Item | None:
        number = place + self._store.file.base
        if isinstance(row, SourceError):
            self._ends.invalid(Item(number, place, {}, NO_REQUEST), row)
            return None
        try:
            item = Item(number, self._key_of(place, row), row, self._maker.make(row), on_end=self._ended)
        except SourceError as error:
            self._ends.invalid(Item(number, place, row, NO_REQUEST), error)
            return None
        item.reserve = self._settings.most(item.request.prompt_tokens)
        if number in self._store.ledger.open:
            self.doubtful[number] = item
            return None
        if self._settings.dedupe and self._is_asked_already(item):
            return None
        self._asked[number] = item
        return item

    def _key_of(self, place: int, row: dict[str, Any]) -> str | int:
        if self._key is None:
            return place
        value = row.get(self._key)
        if not isinstance(value, str | int):
            raise SourceError(f"the row has no key: its field {self._key!r} is not there, or no text or whole number")
        return value

    def _is_asked_already(self, item: Item) -> bool:
        index, digest, number = self._store.index, item.request.digest, item.number
        found = index.put(digest, number)
        if found is None or found.row == number:
            return False
        if found.segment:
            self._ends.answered_before(item, found.row)
            return True
        if (first := self._asked.get(found.row) or self.doubtful.get(found.row)) is not None:
            first.followers.append(item)
            self._followers += 1
            return True
        # Its first row is one of an earlier source, or has failed.
        index.take_over(digest, number)
        return False
