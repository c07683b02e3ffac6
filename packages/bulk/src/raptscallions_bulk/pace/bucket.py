"""`LearnedBucket`: a token bucket whose rate a gateway's refusals teach, where the gateway does not tell it."""

from __future__ import annotations

import math

from raptscallions_bulk.pace.recent import Recent

__all__ = ["LearnedBucket"]

_BURST = 1.0  # seconds' worth
_KEPT = 0.97  # of what was admitted, after a refusal
_CUT = 0.85  # of the rate, where more than that was admitted
_BETWEEN_CUTS = 3.0  # seconds
_BEFORE_GROWTH = 6.0  # seconds after a cut
_GROWTH = 0.01  # a second
_FAST_GROWTH = 0.05  # a second, where the rate was learned while it still rose, or the limit must have risen
_LONG_UNREFUSED = 20.0  # seconds after a cut, in which slow growth would have found a limit that is still there
_RETURN_GROWTH = 0.10  # a second, after an outage
_GROWTH_STEP = 0.25  # seconds
_LEAST = 0.02  # a second
_INSTANT = 1e-6  # seconds that are not worth a timer


class LearnedBucket:
    """How much may be sent a second: no limit until a refusal, then a rate that is cut and grows again.

    Args:
        now: The time, in seconds of any clock.
        told: The rate that the gateway, or the person, tells; None if nobody does. Growth ends there.
    """

    def __init__(self, now: float, told: float | None = None) -> None:
        self.told = told
        self.rate = math.inf if told is None else told
        self._level = self._capacity()
        self._at = self._cut_at = self._grown_at = now
        self._growth = _GROWTH
        self._aim = math.inf  # the rate that an outage interrupted
        self._sent = Recent(now)

    def wait(self, now: float, amount: float) -> float:
        """Return the seconds until an amount may be sent; 0 for now."""
        if self.rate == math.inf:
            return 0.0
        self._fill(now)
        seconds = (min(amount, self._capacity()) - self._level) / self.rate
        return seconds if seconds > _INSTANT else 0.0

    def take(self, now: float, amount: float) -> None:
        """Count an amount as sent."""
        self._sent.add(now, amount)
        if self.rate != math.inf:
            self._fill(now)
            self._level -= amount

    def correct(self, amount: float) -> None:
        """Take what was used beyond the estimate, or give back what was not."""
        if self.rate != math.inf:
            self._level = min(self._capacity(), self._level - amount)

    def refused(self, now: float, amount: float) -> None:
        """Learn that the gateway refused an amount that had been sent a moment ago."""
        self._sent.add(now, -amount)
        first = self.rate == math.inf
        if not first and now - self._cut_at < _BETWEEN_CUTS:
            return
        recent, steady = self._sent.rate(now, 2.0), self._sent.rate(now, 10.0)
        admitted = max(recent, steady) if first else steady
        # One such amount a second is where to begin when nothing has been let through yet.
        cut = min(self.rate * 0.99, max(self.rate * _CUT, _KEPT * admitted))
        rate = max(amount, _KEPT * admitted) if first else cut
        self._set(now, max(_LEAST, rate))
        # While the rate still rises, what was admitted is less than what would have been.
        self._growth = _FAST_GROWTH if first and recent > 1.3 * steady else _GROWTH
        self._cut_at = now

    def tell(self, now: float, rate: float) -> None:
        """Take the rate that the gateway tells."""
        if rate != self.told:
            self.told = rate
            self._set(now, rate)

    def remember(self, now: float) -> None:
        """Note the rate that an outage is about to interrupt."""
        self._aim = self.rate if self.rate != math.inf else max(_LEAST, self._sent.rate(now, 10.0))

    def come_back(self, now: float) -> None:
        """Begin again after an outage with half of the rate from before."""
        if self._aim != math.inf:
            self._set(now, max(_LEAST, self._aim / 2))
            self._level = 0.0
            self._growth, self._cut_at = _RETURN_GROWTH, now - _BEFORE_GROWTH

    def _set(self, now: float, rate: float) -> None:
        self.rate = rate if self.told is None else min(rate, self.told)
        self._level = min(max(self._level, 0.0), self._capacity()) if self._level != math.inf else 0.0
        self._at = self._grown_at = now

    def _capacity(self) -> float:
        return self.rate * _BURST if self.rate == math.inf else max(self.rate * _BURST, 1.0)

    def _fill(self, now: float) -> None:
        if now <= self._at:
            return
        self._grow(now)
        self._level = min(self._capacity(), self._level + (now - self._at) * self.rate)
        self._at = now

    def _grow(self, now: float) -> None:
        since = max(self._grown_at, self._cut_at + _BEFORE_GROWTH)
        if now < since + _GROWTH_STEP:
            return
        limit = math.inf if self.told is None else self.told
        if self._growth == _RETURN_GROWTH:
            if self.rate >= self._aim:
                self._growth, self._aim = _GROWTH, math.inf
            else:
                limit = min(limit, self._aim)
        # A rate that is not used is not known to be good, and grows no further.
        if self.rate < limit and self._sent.rate(now, 10.0) >= 0.5 * self.rate:
            growth = self._growth if now - self._cut_at < _LONG_UNREFUSED else max(self._growth, _FAST_GROWTH)
            self.rate = min(limit, self.rate * (1 + growth) ** (now - since))
        self._grown_at = now
