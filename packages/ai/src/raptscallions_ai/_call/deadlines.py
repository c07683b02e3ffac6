"""Until when a call may wait, and which of its limits says so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from raptscallions_ai._call.recovery import Recovery
    from raptscallions_ai.options.timeouts import Phase

__all__ = ["Deadline", "Deadlines"]

_PATIENCE = 10.0  # seconds that a silent route is waited for, with another to ask and no limit of the caller's own
_GRACE = 2.0  # seconds that an answer which is complete in all but its end mark waits for that mark
_USAGE_GRACE = 10.0  # the same for the usage, without which nobody knows what was paid


class Deadline(NamedTuple):
    """When a wait must end.

    Attributes:
        when: The time, which may be infinite.
        phase: Which limit it is.
        limit: That limit, in seconds; None if there is none.
    """

    when: float
    phase: Phase
    limit: float | None


class Deadlines:
    """The limits of one call, and what they are counted from; all times are the event loop's.

    Args:
        recovery: Knows the route that is asked, with its limits, and how many others there are.
        total: Seconds for the whole call; None for no limit.

    Attributes:
        began: When the caller began to wait for what comes next.
        ends_at: When the call as a whole must end.
        answering: Whether the caller has got content of the current attempt.
    """

    def __init__(self, recovery: Recovery, total: float | None) -> None:
        self._recovery = recovery
        self._total = total
        self.began = 0.0
        self.ends_at = math.inf
        self.answering = False
        self._route_at = 0.0  # when the route was asked for the first time
        self._waited = 0.0  # seconds that the caller had waited before `began`, since the last content
        self._end_mark_until: float | None = None

    def start(self, now: float) -> None:
        """Note that the call begins."""
        self.began = self._route_at = now
        if self._total is not None:
            self.ends_at = now + self._total

    def content(self) -> None:
        """Note that content has come, from which on the idle limit is counted."""
        self.answering, self._waited = True, 0.0

    def no_content(self, now: float) -> None:
        """Note that a wait ended without content: what is waited for next goes on with it."""
        self._waited += now - self.began

    def postpone(self, seconds: float) -> None:
        """Note that so much time has passed that counts for nothing."""
        self.began += seconds
        self.ends_at += seconds
        self._route_at += seconds

    def awaits_end(self, now: float, *, needs_usage: bool) -> None:
        """Note that the answer is whole, and only its usage or its end mark may still come."""
        grace = _USAGE_GRACE if needs_usage else _GRACE
        self._end_mark_until = min(self._end_mark_until or math.inf, now + grace)

    def attempt(self, now: float, *, moved: bool, restarted: bool) -> None:
        """Note that there will be another attempt.

        Args:
            now: The time.
            moved: Whether it asks another route.
            restarted: Whether the wait for the first content starts again.
        """
        self._end_mark_until = None
        if moved:
            self._route_at = now
        if restarted:
            self.answering, self.began, self._waited = False, now, 0.0

    def until(self) -> float:
        """Return the time at which the current wait must end; it may be infinite."""
        return self.nearest().when

    def nearest(self) -> Deadline:
        """Return what ends the current wait; without a limit if that is only that the answer has been whole so long."""
        nearest = self._nearest_limit()
        if self._end_mark_until is not None and self._end_mark_until < nearest.when:
            return Deadline(self._end_mark_until, "idle", None)
        return nearest

    def _nearest_limit(self) -> Deadline:
        limits = self._recovery.route.timeouts
        phase: Phase = "idle" if self.answering else "first_chunk"
        limit = limits.idle if self.answering else limits.first_chunk
        routes_left = 0 if self.answering else self._recovery.routes_left
        impatient = self._recovery.can_fail_over if self.answering else bool(routes_left)
        if impatient and self._recovery.route.waits_by_default:
            limit = min(limit or math.inf, _PATIENCE)
        when = math.inf if limit is None else self.began - self._waited + limit
        if routes_left and self.ends_at < math.inf:
            # Without a share for each, a silent route would leave nothing for those that may answer.
            share = (self.ends_at - self._route_at) / (1 + routes_left)
            if self._route_at + share < when:
                when, limit = self._route_at + share, share
        if self.ends_at < when:
            return Deadline(self.ends_at, "total", self._total)
        return Deadline(when, phase, limit)
