"""Deadlines on waiting, cheap enough to guard every read of a stream."""

from __future__ import annotations

import asyncio
import math

__all__ = ["Watchdog"]


class Watchdog:
    """Cancel the task that waits, when its time is up or when somebody stops it.

    One timer serves many waits: it is moved only when it fires too early, so that a wait that ends in time costs
    no timer of its own. Usage is `begin`, then the await in a `try`, `interrupted` in `except CancelledError`, and
    `end` in `finally`.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._when = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf
        self._fired = False

    def begin(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        """Guard what the current task awaits next until `when`, a time of the running loop; it may be infinite."""
        task = asyncio.current_task(loop)  # twice as fast as without naming the loop
        if task is None:  # cannot be: coroutines of this library run in tasks
            return
        self._task = task
        self._cancelling = task.cancelling()
        self._when = when
        if when < self._fires_at:
            self._arm()

    def interrupted(self) -> bool:
        """Whether the cancellation that just arrived came from here and from nobody else; it is then undone."""
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
        """Drop the timer; the watchdog can be used again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._fires_at = math.inf

    def _arm(self) -> None:
        self.close()
        self._timer = asyncio.get_running_loop().call_at(self._when, self._fire)
        self._fires_at = self._when

    def _fire(self) -> None:
        fired_at, self._timer, self._fires_at = self._fires_at, None, math.inf
        if self._task is None or self._when == math.inf:
            return
        if fired_at < self._when:
            self._arm()
        elif not self._fired:
            self._fired = True
            self._task.cancel()
