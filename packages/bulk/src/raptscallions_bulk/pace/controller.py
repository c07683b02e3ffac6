"""`Pace`: when the next request may be sent."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from raptscallions_bulk.pace.bucket import LearnedBucket
from raptscallions_bulk.pace.window import Window

__all__ = ["Binding", "Pace"]

Binding: TypeAlias = Literal["window", "requests", "tokens", "retry-after", "outage", "none"]
"""What keeps the next request back: open requests, a rate, what the gateway asks for, or that it does not work."""

_FAILURES = 10  # that an outage begins with, at least
_SPAN = 1.0  # seconds that they take, at least
_PART = 0.8  # of what was sent meanwhile, that failed
_SILENCE = 15.0  # seconds without an answer, after which it does not matter how much is still open
_FIRST_PROBE, _LAST_PROBE = 1.0, 20.0  # seconds between probes
_PROBE_GROWTH = 1.5


class Pace:
    """When the next request may be sent: a window of open ones, and rates of requests and tokens.

    It is told of every request that is sent, and exactly once of how it ended. Times are seconds of one clock that
    does not go back.

    Args:
        now: The time.
        max_open: The most requests at a time.
        requests: The requests a second that the gateway or the person tells; None if nobody does.
        tokens: The tokens a second, likewise.
    """

    def __init__(
        self, now: float, *, max_open: int = 2048, requests: float | None = None, tokens: float | None = None
    ) -> None:
        self.window = Window(now, max_open)
        self.requests = LearnedBucket(now, requests)
        self.tokens = LearnedBucket(now, tokens)
        self.binding: Binding = "none"
        self._shut_until = -math.inf
        self._failures = self._sent_since = 0
        self._failing_since = now
        self._probe_at: float | None = None  # None while there is no outage
        self._probe_wait = _FIRST_PROBE

    @property
    def in_outage(self) -> bool:
        """Whether almost nothing gets through, so that single requests are sent to see when that ends."""
        return self._probe_at is not None

    def wait(self, now: float, tokens: float) -> float:
        """Return the seconds until a request of so many tokens may be sent: 0 for now, `inf` for when one ends."""
        if self._probe_at is not None:
            self.binding = "outage"
            return math.inf if self.window.open else max(0.0, self._probe_at - now)
        if now < self._shut_until:
            self.binding = "retry-after"
            return self._shut_until - now
        if self.window.is_full:
            self.binding = "window"
            return math.inf
        by_requests, by_tokens = self.requests.wait(now, 1), self.tokens.wait(now, tokens)
        if (longest := max(by_requests, by_tokens)) <= 0:
            return 0.0
        self.binding = "requests" if by_requests >= by_tokens else "tokens"
        return longest

    def sent(self, now: float, tokens: float) -> None:
        """Count a request as sent."""
        self.window.sent()
        self._sent_since += 1
        self.requests.take(now, 1)
        self.tokens.take(now, tokens)

    def answered(self, now: float, seconds: float, *, expected: float = 0, used: float | None = None) -> None:
        """Count a request as answered.

        Args:
            now: The time.
            seconds: What it took.
            expected: The tokens that it was sent with.
            used: The tokens that it used; None if nobody told.
        """
        self.window.answered(now, seconds)
        if used is not None:
            self.tokens.correct(used - expected)
        if now - seconds < self._failing_since:
            return  # what was sent before the failures says nothing of now
        self._failures = 0
        if self._probe_at is not None:
            self._probe_at, self._probe_wait = None, _FIRST_PROBE
            self.requests.come_back(now)
            self.tokens.come_back(now)

    def refused(self, now: float, tokens: float, retry_after: float | None = None) -> None:
        """Count a request as refused for a limit; `retry_after` is how many seconds the gateway asks to wait."""
        self.window.ended(clean=False)
        if retry_after is not None and retry_after > 0:
            self._shut_until = max(self._shut_until, now + retry_after)
        if self._probe_at is None:
            self.requests.refused(now, 1)
            self.tokens.refused(now, tokens)
        self._failed(now)

    def failed(self, now: float, retry_after: float | None = None) -> None:
        """Count a request as failed by the gateway: it could not be reached, or broke."""
        self.window.ended(clean=False)
        if retry_after is not None and retry_after > 0:
            self._shut_until = max(self._shut_until, now + retry_after)
        self._failed(now)

    def left(self) -> None:
        """Count a request as ended in a way that tells nothing of the gateway's load."""
        self.window.ended(clean=True)

    def told(self, now: float, *, requests: float | None = None, tokens: float | None = None) -> None:
        """Take rates that the gateway tells, a second each."""
        if requests is not None and _differs(requests, self.requests.told):
            self.requests.tell(now, requests)
        if tokens is not None and _differs(tokens, self.tokens.told):
            self.tokens.tell(now, tokens)

    def _failed(self, now: float) -> None:
        if self._probe_at is not None:
            self._probe_wait = min(_LAST_PROBE, self._probe_wait * _PROBE_GROWTH)
            self._probe_at = now + self._probe_wait
            return
        if not self._failures:
            self._failing_since, self._sent_since = now, 0
        self._failures += 1
        span = now - self._failing_since
        almost_all = self._failures - 1 >= _PART * self._sent_since or span >= _SILENCE
        if self._failures >= _FAILURES and span >= _SPAN and almost_all:
            self._probe_at = now + self._probe_wait
            self.requests.remember(now)
            self.tokens.remember(now)


def _differs(rate: float, before: float | None) -> bool:
    """Whether a rate is another one than before; what is concluded from figures on the way is never quite the same."""
    return rate > 0 and (before is None or not 0.8 <= rate / before <= 1.25)
