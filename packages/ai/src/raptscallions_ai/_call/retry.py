"""When, and after how long, a failed attempt is made again."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.errors import AiError

__all__ = ["backoff", "checked_retries", "retry_delay"]

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 8.0


def retry_delay(
    error: AiError, *, failures: int, max_retries: int, remaining: float, patience: float = math.inf
) -> float | None:
    """Return the seconds to wait before the next attempt, or None if there must not be one.

    The gateway's own `retry_after` is followed exactly. Otherwise the delay doubles from half a second up to eight,
    of which a random half is taken off, so that clients that failed together do not come back together.

    Args:
        error: What the last attempt failed with, before any content had arrived.
        failures: How many attempts have failed, this one included.
        max_retries: How many further attempts a call may make.
        remaining: Seconds until the call's nearest deadline; a delay that does not fit is not begun.
        patience: The longest delay that is worth it, in seconds; less than infinite where others can be asked.
    """
    if not error.retryable or failures > max_retries:
        return None
    delay = backoff(error, failures=failures)
    return delay if delay < remaining and delay <= patience else None


def backoff(error: AiError, *, failures: int) -> float:
    """Return the seconds to wait after so many failures: what the gateway asks for, or else twice as long each time."""
    if error.retry_after is not None:
        return error.retry_after
    ceiling = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (failures - 1))
    return ceiling * random.uniform(0.5, 1)


def checked_retries(max_retries: int) -> int:
    """Return how many further attempts a call may make.

    Raises:
        ValueError: It is not a whole number from 0 to 5.
    """
    if type(max_retries) is not int or not 0 <= max_retries <= 5:
        raise ValueError("max_retries must be a whole number from 0 to 5")
    return max_retries
