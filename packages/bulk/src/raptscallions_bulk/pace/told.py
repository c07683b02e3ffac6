"""The rate behind the limits that a gateway tells."""

from __future__ import annotations

__all__ = ["told_rate"]

_MINUTE = 60.0
_TOO_FEW = 5  # of a limit, used up, to conclude from when they come back
_SHORTEST, _LONGEST = 0.5, 200_000.0  # seconds in which all of a limit comes back


def told_rate(limit: int | None, left: int | None, reset: float | None) -> float | None:
    """Return how much a gateway allows a second; None if what it tells does not say so.

    Some count by the minute, some by the day, under the same name. What is used up, and when it will be there again,
    tells which.

    Args:
        limit: How much it allows, in a time that it does not name.
        left: How much of that was left.
        reset: Seconds until all of it is there again.
    """
    if limit is None or limit <= 0:
        return None
    if left is None or reset is None:
        return limit / _MINUTE
    used = limit - left
    if used < _TOO_FEW or reset <= 0:
        return None
    period = limit * reset / used
    return limit / period if _SHORTEST <= period <= _LONGEST else None
