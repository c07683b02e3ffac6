"""`CircuitBreaker`: remembers that a route is down, so that not every call has to find out again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raptscallions_ai._guards.bounded import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CircuitBreaker", "CircuitBreakers"]

_MOST_MODELS = 256  # that fail at the same time; their names may be a stranger's choice
_FAILURES = 3
_COOLDOWN = 5.0  # seconds


class CircuitBreaker:
    """Tell whether a route should be asked, from how it answered before.

    After three calls in a row that failed on the route it is left alone for a while. Then one call may try it: if that
    is answered the route is back, else it rests again, as long as before. A call that never reports back, because its
    caller left, counts for nothing; the next may try after another rest.

    See Michael Nygard, "Release It!", chapter "Stability patterns".

    Args:
        clock: Seconds that never go back; for tests.
        cooldown: Seconds of a rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, cooldown: float = _COOLDOWN) -> None:
        self._clock = clock
        self._failures = 0
        self._cooldown = cooldown
        self._rests_until: float | None = None
        self._tried = False  # by the one call that may, since the last rest was over

    def allows(self) -> bool:
        """Whether the route may be asked now; where it is resting, at most one call a rest is let through."""
        if self._rests_until is None:
            return True
        now = self._clock()
        if now < self._rests_until:
            return False
        self._rests_until = now + self._cooldown
        self._tried = True
        return True

    def succeeded(self) -> None:
        """Note that the route gave a whole answer."""
        self._failures, self._rests_until, self._tried = 0, None, False

    def failed(self) -> None:
        """Note that a call gave up on the route; one that was under way before the rest began changes nothing."""
        self._failures += 1
        if self._rests_until is None:
            if self._failures >= _FAILURES:
                self._rests_until = self._clock() + self._cooldown
        elif self._tried:
            self._tried = False
            self._rests_until = self._clock() + self._cooldown

    @property
    def rests(self) -> bool:
        """Whether the route is left alone, or tried for the first time since."""
        return self._rests_until is not None

    def __repr__(self) -> str:
        return f"CircuitBreaker({'resting' if self._rests_until is not None else 'closed'})"


class CircuitBreakers:
    """The circuit breakers of a client's models: one for each that fails, and none for the others.

    Args:
        clock: Seconds that never go back; for tests.
        cooldown: Seconds for which a model that is down is left alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, cooldown: float = _COOLDOWN) -> None:
        self._clock = clock
        self._cooldown = cooldown
        self._failing: BoundedMap[CircuitBreaker] = BoundedMap(_MOST_MODELS)

    def allows(self, model: str) -> bool:
        """Whether a model may be asked now; see `CircuitBreaker.allows`."""
        breaker = self._failing.get(model)
        return breaker is None or breaker.allows()

    def is_tried(self, model: str) -> bool:
        """Whether a model that is asked now was resting, so that one attempt is enough to see whether it is back."""
        breaker = self._failing.get(model)
        return breaker is not None and breaker.rests

    def succeeded(self, model: str) -> None:
        """Note that a model gave a whole answer, so that there is nothing to remember of it."""
        self._failing.drop(model)

    def failed(self, model: str) -> None:
        """Note that a call gave up on a model."""
        if (breaker := self._failing.get(model)) is None:
            self._failing.put(model, breaker := CircuitBreaker(self._clock, cooldown=self._cooldown))
        breaker.failed()

    def __len__(self) -> int:
        return len(self._failing)

    def __repr__(self) -> str:
        return f"CircuitBreakers({len(self)} models fail)"
