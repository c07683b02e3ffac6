"""The lists of models that a client has fetched, kept for a while and fetched once for all who ask."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai._guards.bounded import BoundedMap
from raptscallions_ai._guards.running_loop import running_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine
    from typing import Any

    from raptscallions_ai.gateway_api.models import ModelInfo

__all__ = ["Catalogue"]


_MOST_LISTS = 32  # for as many different queries, which may be a stranger's choice


class Catalogue:
    """The models of one gateway, by the query that lists them.

    It may be used by several event loops; each has its own request on the way.
    """

    def __init__(self) -> None:
        self._lists: BoundedMap[tuple[float, list[ModelInfo]]] = BoundedMap(_MOST_LISTS)
        self._fetching: dict[tuple[AbstractEventLoop, str], _Fetch] = {}
        self._context_lengths: dict[str, int] = {}

    async def models(
        self, fetch: Callable[[], Coroutine[Any, Any, list[ModelInfo]]], *, query: str, max_age: float
    ) -> list[ModelInfo]:
        """Return a list that is at most `max_age` seconds old, fetching it if there is none.

        Whoever asks while it is being fetched gets the same list, or the same error. When all of them have been
        cancelled, so is the request.

        Args:
            fetch: Gets the list from the gateway.
            query: Identifies the list among others of the same gateway.
            max_age: In seconds; 0 for one that is not older than this call.

        Raises:
            ValueError: `max_age` is negative, or no number.
            AiError: The list could not be fetched.
        """
        if not max_age >= 0 or isinstance(max_age, bool):
            raise ValueError("max_age must be a number of seconds, from 0")
        if (cached := self.cached(query, max_age=max_age)) is not None:
            return cached
        loop = running_loop()
        key = loop, query
        fetching = self._fetching.get(key)
        if fetching is None:
            fetching = self._fetching[key] = _Fetch(loop.create_task(self._fetch(fetch, query)))
        fetching.waiting += 1
        try:
            return list(await asyncio.shield(fetching.task))
        finally:
            fetching.waiting -= 1
            if not fetching.waiting:
                del self._fetching[key]
                fetching.task.cancel()

    def cached(self, query: str = "", *, max_age: float = math.inf) -> list[ModelInfo] | None:
        """Return a list that is at hand and at most `max_age` seconds old."""
        fetched_at, models = self._lists.get(query) or (-math.inf, [])
        return list(models) if time.monotonic() - fetched_at < max_age else None

    def context_length(self, model: str) -> int | None:
        """Return a model's context length in tokens, if a list that was fetched has it."""
        return self._context_lengths.get(model)

    async def _fetch(self, fetch: Callable[[], Coroutine[Any, Any, list[ModelInfo]]], query: str) -> list[ModelInfo]:
        models = await fetch()
        self._lists.put(query, (time.monotonic(), models))
        # Remembered beyond the list's age, so that what is too long for one model is not tried on a smaller one.
        self._context_lengths.update({model.id: model.context_length for model in models if model.context_length})
        return models


@dataclass(slots=True)
class _Fetch:
    """A request on its way, and how many callers wait for it."""

    task: asyncio.Task[list[ModelInfo]]
    waiting: int = 0
