"""`Meter`: how fast rows come to an end, and how long the rest will take."""

from __future__ import annotations

from collections import deque

__all__ = ["Meter"]

_SPAN = 60.0  # seconds
_STEP = 1.0


class Meter:
    """Rows a second over the last minute.

    Args:
        now: The time, in seconds of any clock.
    """

    def __init__(self, now: float) -> None:
        self._count = 0
        self._marks: deque[tuple[float, int]] = deque([(now, 0)])

    def add(self, now: float) -> None:
        """Count a row."""
        self._count += 1
        if now - self._marks[-1][0] >= _STEP:
            self._marks.append((now, self._count))
            while len(self._marks) > 2 and self._marks[1][0] <= now - _SPAN:
                self._marks.popleft()

    def per_second(self, now: float) -> float:
        """Return the rows a second."""
        begun, count = self._marks[0]
        return (self._count - count) / max(now - begun, 1e-9) if self._count else 0.0

    def seconds_left(self, now: float, rows: int, tail: float | None) -> float | None:
        """Return how long some rows will take; at least as long as one that takes long, which is `tail`."""
        if (rate := self.per_second(now)) <= 0:
            return None
        return max(rows / rate, tail or 0.0) if rows else 0.0
