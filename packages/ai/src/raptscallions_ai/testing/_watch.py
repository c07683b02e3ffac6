"""Waiting for a state that another thread changes, from a thread and from any event loop alike."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch"]


class Watch:
    """A condition variable that threads and event loops can wait on."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def notify(self) -> None:
        """Wake every waiter so that it looks at its predicate again; may be called from any thread."""
        with self._condition:
            self._condition.notify_all()
            waiters = list(self._waiters)
        for loop, event in waiters:
            # A loop that was closed while it waited has no task left to wake.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def wait(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Block this thread until `predicate` holds, at most `timeout` seconds; return whether it holds."""
        with self._condition:
            return self._condition.wait_for(predicate, timeout)

    async def until(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Do what `wait` does without blocking the running event loop."""
        event = asyncio.Event()
        waiter = (asyncio.get_running_loop(), event)
        with self._condition:
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                # Cleared before the look, so that a change right after the look is not missed.
                while event.clear() or not predicate():
                    await event.wait()
        except TimeoutError:
            return predicate()
        else:
            return True
        finally:
            with self._condition:
                self._waiters.discard(waiter)
