"""Deadlines on waiting, cheap enough to guard every read of a stream."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watchdog"]


class Watchdog:
    """Cancel the task that waits, when its time is up or when it is stopped.

    One timer serves many waits: only when it fires, it asks until when the current wait may go on. So a wait that ends
    in time costs no timer, and not even the computing of a deadline. Usage is `begin`, then the await in a `try`,
    `interrupted` in `except CancelledError`, and `end` in `finally`; and `close` when the deadline comes sooner than it
    was, so that the next wait sets the timer again.

    Args:
        deadline: Returns the time of the loop at which the current wait must end; it may be infinite.
    """

    def __init__(self, deadline: Callable[[], float]) -> None:
        self._deadline = deadline
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._timer: asyncio.TimerHandle | None = None
        self._fired = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Guard what the current task awaits next."""
        task = asyncio.current_task(loop)  # finding the loop would be a system call on 3.11
        if task is None:  # cannot be: coroutines of this library run in tasks
            return
        self._task = task
        self._cancelling = task.cancelling()
        if self._timer is None:
            self._arm(loop, self._deadline())

    def interrupted(self) -> bool:
        """Whether the cancellation that just arrived came only from here; it is then undone."""
        if not self._fired or self._task is None:
            return False
        self._fired = False
        return self._task.uncancel() <= self._cancelling

    def end(self) -> None:
        """Stop guarding; the timer stays for the next wait."""
        if self._fired and self._task is not None:  # what was awaited turned the cancellation into something else
            self._task.uncancel()
        self._fired = False
        self._task = None

    def stop(self) -> bool:
        """Interrupt the wait at once, from another task; return whether there was one."""
        if self._task is None:
            return False
        self._fired = True
        self._task.cancel()
        return True

    def close(self) -> None:
        """Drop the timer; the next wait sets it again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if when != math.inf:
            self._timer = loop.call_at(when, self._fire, when)

    def _fire(self, when: float) -> None:
        self._timer = None
        if self._task is None or self._fired:
            return
        if (later := self._deadline()) > when:
            self._arm(asyncio.get_running_loop(), later)
        else:
            self._fired = True
            self._task.cancel()
