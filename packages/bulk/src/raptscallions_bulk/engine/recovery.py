"""`Recovery`: what becomes of rows that were sent, and of which nothing is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from raptscallions_ai import AiError, ChatClient, ChatResult, Usage
from raptscallions_bulk.engine.item import Item
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.journal.records import Lost, Reset
from raptscallions_bulk.ledger.ledger import OpenRow
from raptscallions_bulk.money import price_of, to_pico
from raptscallions_bulk.store import RunStore

__all__ = ["Recovery"]

_CACHE_KEEPS = 86_400.0  # seconds


class Recovery:
    """Finds out what rows in doubt cost, and gets their answers again where the gateway still has them.

    Args:
        client: Whom to ask.
        store: The run.
        settings: How it asks.
    """

    def __init__(self, client: ChatClient, store: RunStore, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._books: Any = getattr(client, "generation", None)
        self._opened_at = time.time()
        self._tried: set[int] = set()

    def learn(self, result: ChatResult) -> None:
        """See from an answer whether the gateway keeps answers."""
        if self._settings.caches and not self._store.file.caches and _cache_status(result) is not None:
            self._store.file.caches = True
            self._store.save()

    @property
    def can_recover(self) -> bool:
        """Whether answers can be had again for nothing: the gateway was to keep them, and has shown that it does."""
        return self._settings.in_doubt == "recover" and self._settings.caches and self._store.file.caches

    async def due(self, doubtful: Mapping[int, Item]) -> list[Item]:
        """Settle the rows whose first request must be over by now, and return those that are to be asked again."""
        again: list[Item] = []
        for number, item in list(doubtful.items()):
            entry = self._store.ledger.open.get(number)
            if entry is None or not entry.in_doubt or number in self._tried or self._wait(entry) > 0:
                continue
            self._tried.add(number)
            if entry.request != item.request.digest:
                continue  # what was asked is not what would be asked now
            if self._settings.in_doubt == "ask":
                await self._store.committer.commit([Reset(number)])
                again.append(item)
                continue
            item.first_cost = await self._cost_in_books(entry.generation)
            if self.can_recover and time.time() - entry.at < _CACHE_KEEPS:
                item.recovers = True
                again.append(item)
            elif item.first_cost is not None:
                await self._store.committer.commit([Lost(number, time.time(), item.first_cost)])
        return again

    def next_due(self, doubtful: Mapping[int, Item]) -> float | None:
        """Return the seconds until a row in doubt can be settled; None if none will ever be."""
        waits: list[float] = []
        for number in doubtful:
            entry = self._store.ledger.open.get(number)
            if entry is None or not entry.in_doubt or number in self._tried:
                continue
            if self._settings.in_doubt == "ask" or self.can_recover or (entry.generation and self._books is not None):
                waits.append(self._wait(entry))
        return min(waits, default=None)

    def cost_of(self, item: Item, result: ChatResult) -> tuple[int, bool, bool]:
        """Return what an answer cost, in picodollars, whether that is uncertain, and whether it is from the cache."""
        own = price_of(result.usage, self._settings.tariff)
        entry = self._store.ledger.open.get(item.number)
        if not item.recovers or entry is None:
            return own, False, False
        from_cache = _cache_status(result) == "hit" or (own == 0 and result.usage.cost == Decimal(0))
        first = entry.before if item.first_cost is None else item.first_cost
        return own + first, item.first_cost is None and first > 0, from_cache

    def cost_of_failure(self, item: Item, error: Exception) -> int:
        """Return what a failed row cost, as far as the gateway told, in picodollars."""
        partial = error.partial if isinstance(error, AiError) else None
        own = 0 if partial is None else price_of(partial.usage, self._settings.tariff)
        entry = self._store.ledger.open.get(item.number)
        if not item.recovers or entry is None:
            return own
        return own + (entry.before if item.first_cost is None else item.first_cost)

    def _wait(self, entry: OpenRow) -> float:
        """Return the seconds until nobody works on a request any more; a clock that went back counts from now."""
        now = time.time()
        begun = entry.at if entry.at <= now else self._opened_at
        return begun + self._settings.quiet_after - now

    async def _cost_in_books(self, generation: str) -> int | None:
        if not generation or self._books is None:
            return None
        try:
            info = await self._books(generation)
        except AiError:
            return None
        usage = cast("Usage", info.usage)
        return None if usage.cost is None else to_pico(usage.cost)


def _cache_status(result: ChatResult) -> str | None:
    """Return what the gateway's cache said of an answer: `hit`, `miss`, or None if there is none."""
    attempt: Any = result.attempts[-1] if result.attempts else None
    return getattr(attempt, "response_cache", None)
