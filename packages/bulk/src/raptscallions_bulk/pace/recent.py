"""How much was let through in the last seconds."""

from __future__ import annotations

__all__ = ["Recent"]

_SLOTS = 40
_WIDTH = 0.25  # seconds


class Recent:
    """Sums of amounts over the last ten seconds, in slots of a quarter of a second.

    Args:
        now: The time, in seconds of any clock.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._slots = [0.0] * _SLOTS
        self._last = int(now / _WIDTH)

    def add(self, now: float, amount: float) -> None:
        """Count an amount; a negative one takes back what did not get through after all."""
        self._turn(now)
        self._slots[self._last % _SLOTS] += amount

    def rate(self, now: float, seconds: float) -> float:
        """Return the amount a second over the last seconds, ten at most; over less where less has passed."""
        self._turn(now)
        count = min(_SLOTS, max(1, round(seconds / _WIDTH)))
        total = sum(self._slots[(self._last - back) % _SLOTS] for back in range(count))
        begun = max(self._began, (self._last - count + 1) * _WIDTH)
        return max(0.0, total) / max(now - begun, _WIDTH)

    def _turn(self, now: float) -> None:
        number = int(now / _WIDTH)
        if number <= self._last:
            return  # a clock that went back stays in the slot that it was in
        for later in range(self._last + 1, min(number, self._last + _SLOTS) + 1):
            self._slots[later % _SLOTS] = 0.0
        self._last = number
