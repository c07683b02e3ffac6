"""`Window`: how many requests may be open at a time."""

from __future__ import annotations

import math

__all__ = ["Window"]

_FIRST = 8
_ROUND = 0.7  # of the window, so that the slowest answers do not hold the round up
_GAIN = 1.1  # of throughput, that is worth a larger window
_UNHURRIED = 1.3  # times the base latency, that is still as quick as ever
_HURRIED = 1.8  # times the base latency, that is a queue
_DRIFT = 1.02  # a round, for a base that is not seen any more


class Window:
    """How many requests may be open: doubled while that pays, smaller where it makes answers late.

    A round is some seven answers for ten places of the window. Only a round in which the window was full, and nothing
    was refused, tells whether it is too small.

    Args:
        now: The time, in seconds of any clock.
        most: Its upper limit.
    """

    def __init__(self, now: float, most: int) -> None:
        self.most = most
        self.size: float = min(_FIRST, most)
        self.open = 0
        self._base = math.inf
        self._best = 0.0
        self._renew(now)

    @property
    def is_full(self) -> bool:
        """Whether no further request may be sent before one ends."""
        return self.open >= int(self.size)

    def sent(self) -> None:
        """Count a request as open."""
        self.open += 1
        self._full = self._full or self.is_full

    def ended(self, *, clean: bool) -> None:
        """Count a request as ended without an answer; `clean` if it tells nothing of the gateway's load."""
        self.open -= 1
        self._clean = self._clean and clean

    def answered(self, now: float, seconds: float) -> None:
        """Count a request as answered after so many seconds."""
        self.open -= 1
        self._count += 1
        self._seconds += seconds
        if self._count >= max(_FIRST, int(self.size * _ROUND)):
            self._judge(now)
            self._renew(now)

    def set_most(self, most: int) -> None:
        """Change the upper limit."""
        self.most = most
        self.size = min(self.size, most)

    def _judge(self, now: float) -> None:
        latency = self._seconds / self._count
        throughput = self._count / max(now - self._began, 1e-9)
        self._base = min(self._base * _DRIFT, latency)
        if self._clean and self._full:
            gains = throughput > _GAIN * self._best
            if latency > _HURRIED * self._base and not gains:
                self.size = max(1.0, self.size * 0.75)
            elif gains or latency < _UNHURRIED * self._base:
                self.size = min(self.most, self.size * 2)
        self._best = max(self._best * 0.98, throughput)

    def _renew(self, now: float) -> None:
        self._began, self._count, self._seconds = now, 0, 0.0
        self._clean, self._full = True, False
