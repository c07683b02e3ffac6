"""How long answers take, as counts in steps of a tenth, so that any number of them needs the same memory."""

from __future__ import annotations

import math

__all__ = ["Latencies"]

_STEP = math.log(1.1)
_FIRST = 0.001  # seconds
_STEPS = 160  # up to about an hour


class Latencies:
    """Counts of durations; percentiles are right within a tenth.

    Args:
        counts: What `counts` was.
    """

    def __init__(self, counts: list[int] | None = None) -> None:
        self.counts = list(counts or [0] * _STEPS)

    def add(self, seconds: float) -> None:
        """Count a duration."""
        step = 0 if seconds <= _FIRST else min(_STEPS - 1, int(math.log(seconds / _FIRST) / _STEP))
        self.counts[step] += 1

    def percentile(self, part: float) -> float | None:
        """Return the seconds within which a part of all durations stays; None if there are none."""
        wanted, seen = part * sum(self.counts), 0
        for step, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return _FIRST * math.exp((step + 0.5) * _STEP)
        return None
