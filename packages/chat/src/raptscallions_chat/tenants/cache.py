"""Look-ups that every request needs, kept for a few seconds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["ShortCache"]

T = TypeVar("T")


class ShortCache(Generic[T]):
    """Remembers what a look-up gave for a few seconds; those who ask at the same time share one look-up.

    Args:
        seconds: How long something is remembered.
        size: The most things to remember; the oldest are forgotten.
    """

    def __init__(self, seconds: float = 5.0, size: int = 10_000) -> None:
        self._seconds = seconds
        self._size = size
        self._kept: OrderedDict[str, tuple[float, asyncio.Future[T]]] = OrderedDict()

    async def get(self, key: str, look_up: Callable[[], Awaitable[T]]) -> T:
        """Return what is remembered for a key, or look it up; a look-up that fails is not remembered."""
        until, found = self._kept.get(key, (0.0, None))
        # A look-up that is in progress is of the loop that began it.
        if found is None or until < monotonic() or found.get_loop() is not asyncio.get_running_loop():
            found = asyncio.ensure_future(look_up())
            self._kept[key] = monotonic() + self._seconds, found
            self._kept.move_to_end(key)
            found.add_done_callback(lambda done: self._forget_failure(key, done))
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return await asyncio.shield(found)

    def forget(self, key: str | None = None) -> None:
        """Forget one key, or everything."""
        if key is None:
            self._kept.clear()
        else:
            self._kept.pop(key, None)

    def _forget_failure(self, key: str, done: asyncio.Future[T]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._kept.get(key, (0, None))[1] is done:
            del self._kept[key]
