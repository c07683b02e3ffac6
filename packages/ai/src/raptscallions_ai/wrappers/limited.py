"""`RateLimiter`: a limit on calls, tokens and parallel calls, and the client that keeps to it."""

from __future__ import annotations

import asyncio
import math
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai.errors import RateLimitError
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.estimate import prompt_tokens
from raptscallions_ai.wrappers.source import AroundSource, TotalClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyrate_limiter import StateBucket

    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.call import ChatCall
    from raptscallions_ai.wrappers.shared_limiter import SharedRateLimiter

__all__ = ["RateLimitedClient", "RateLimiter"]

_LONGEST_ADJUSTMENT = 10  # minutes: a figure that no call can have used must not close the limiter forever
_MINUTE = 60_000  # milliseconds
_MOST_ADJUSTMENT = 10  # bucketfuls: a gateway that reports a million times too much must not stop calls forever


class RateLimiter:
    """A limit on calls and tokens per minute, and on calls at the same time.

    Rates are token buckets: full at first, and filled evenly; calls wait in the order in which they came. The tokens of
    a call are estimated beforehand, from its conversation; if it used more, the next calls wait longer.

    Safe to share between clients, event loops and threads; it needs the extra `limits`.

    Args:
        requests_per_minute: Calls a minute, 1 or more.
        tokens_per_minute: Tokens a minute, of conversations and answers, 1 or more.
        max_concurrency: Calls at the same time, 1 or more.
        max_wait: Seconds that a call may wait for its turn, 0 or more; then it fails. None for no limit but its
            own `Timeouts.total`.

    Raises:
        ValueError: There is no limit, or one is out of its range.
        ImportError: The extra is not installed.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrency: int | None = None,
        max_wait: float | None = None,
    ) -> None:
        require_extra("limits", "pyrate_limiter", "aiologic")
        import aiologic

        limits = (requests_per_minute, tokens_per_minute, max_concurrency)
        if all(limit is None for limit in limits):
            raise ValueError("a rate limiter needs requests_per_minute, tokens_per_minute or max_concurrency")
        if any(limit is not None and (type(limit) is not int or limit < 1) for limit in limits):
            raise ValueError("requests_per_minute, tokens_per_minute and max_concurrency must be whole numbers from 1")
        if max_wait is not None and not max_wait >= 0:
            raise ValueError("max_wait must be a number of seconds, 0 or more")
        self._requests = _Bucket(requests_per_minute)
        self._tokens = _Bucket(tokens_per_minute)
        self._slots = None if max_concurrency is None else aiologic.Semaphore(max_concurrency)
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._max_wait = max_wait

    async def acquire(self, tokens: int = 0, *, max_wait: float | None = None) -> int:
        """Wait until a call may begin, and return how many tokens it counts for; `release` must follow once.

        Args:
            tokens: About how many tokens it will use.
            max_wait: Seconds that it may wait at most, if that is less than the limiter's own.

        Raises:
            RateLimitError: It would have to wait longer; `retry_after` is the minimum, if known.
        """
        waits = [wait for wait in (max_wait, self._max_wait) if wait is not None]
        ends = monotonic() + min(waits) if waits else None
        if self._slots is not None:
            await _within(ends, self._slots.async_acquire)
        try:
            turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
            await _within(ends, turn.acquire)
            try:
                await self._requests.take(1, ends)
                return await self._tokens.take(tokens, ends)
            finally:
                turn.release()
        except BaseException:
            self.release()
            raise

    def release(self, used: int | None = None, *, expected: int = 0) -> None:
        """Make room for the next call; may be called from any thread.

        Args:
            used: The tokens that the call really used; None if they were not reported.
            expected: What `acquire` returned.
        """
        if used is not None:
            self._tokens.adjust(used - expected)
        if self._slots is not None:
            self._slots.async_release()

    def __repr__(self) -> str:
        slots = "" if self._slots is None else f", {self._slots.value} calls free"
        return f"RateLimiter({self._requests} calls and {self._tokens} tokens a minute{slots})"


class RateLimitedClient(WrappedClient):
    """A chat client whose calls wait until a `RateLimiter` lets them through.

    Waiting counts toward the call's `Timeouts.total`, if it has one. A call holds its slot until its answer is
    complete, has failed or is left, so a stream that is held without being read holds up others.

    Args:
        inner: The client to wrap.
        limiter: The limits of the calls.

    Attributes:
        limiter: The same.
    """

    def __init__(self, inner: ChatClient, limiter: RateLimiter | SharedRateLimiter) -> None:
        super().__init__(inner)
        self.limiter = limiter

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        total, tokens = self.total_of(call), prompt_tokens(call)
        if total is None:
            return _LimitedCall(self.limiter, tokens, TotalClock(None), self.ask(call))
        call.request()  # reports mistakes at once
        later = call.snapshot()
        return _LimitedCall(
            self.limiter, tokens, TotalClock(total), None, lambda seconds: self.ask_within(later, seconds)
        )


class _LimitedCall(AroundSource):
    def __init__(
        self,
        limiter: RateLimiter | SharedRateLimiter,
        tokens: int,
        clock: TotalClock,
        inner: ChunkSource | None,
        ask_within: Callable[[float | None], ChunkSource] | None = None,
    ) -> None:
        super().__init__(inner)
        self._limiter, self._tokens = limiter, tokens
        self._clock, self._ask_within = clock, ask_within

    async def begin(self) -> ChunkSource | None:
        self._clock.start()
        wait = self._clock.left_or(math.inf)
        self._tokens = await self._limiter.acquire(self._tokens, max_wait=None if wait == math.inf else wait)
        if self._ask_within is None:
            return None
        try:
            return self._ask_within(self._clock.left())
        except BaseException:
            self._limiter.release()
            raise

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        usage = (result or self.partial()).usage
        self._limiter.release(usage.total_tokens if usage.reported else None, expected=self._tokens)


class _Bucket:
    """A token bucket, or none, and the corrections for it that are still to be made."""

    def __init__(self, per_minute: int | None) -> None:
        self._limit = per_minute
        # A stream may end in the garbage collector, at any point of any thread: there nothing may wait for a lock.
        self._adjustments: SimpleQueue[int] = SimpleQueue()
        self._bucket: StateBucket | None = None
        if per_minute is not None:
            from pyrate_limiter import Rate, StateBucket, TokenBucket

            self._bucket = StateBucket([Rate(per_minute, _MINUTE)], TokenBucket())

    def adjust(self, amount: int) -> None:
        """Let the next calls wait longer, or shorter, because a call used more or less than estimated."""
        if self._bucket is not None and self._limit is not None:
            self._adjustments.put(min(amount, _LONGEST_ADJUSTMENT * self._limit))

    async def take(self, amount: int, ends: float | None) -> int:
        """Wait for the amount and the corrections; return the amount, or a bucketful if that is less."""
        from pyrate_limiter import RateItem

        bucket, limit = self._bucket, self._limit
        if bucket is None or limit is None:
            return amount
        due = min(limit, amount) + (adjustment := min(self._pending_adjustment(), _MOST_ADJUSTMENT * limit))
        part = max(0, min(limit, due))
        while part:
            item = RateItem("call", _number(bucket.now()), weight=part)
            if bucket.put(item):
                break
            seconds = max(1, _number(bucket.waiting(item))) / 1000
            if ends is not None and monotonic() + seconds > ends:
                self._adjustments.put(adjustment)
                raise _refused(seconds)
            await asyncio.sleep(seconds)
        # A bucket holds no more than a minute's, so that what was spared is not worth more either.
        self._adjustments.put(max(-limit, due - part))
        return min(limit, amount)

    def _pending_adjustment(self) -> int:
        total = 0
        while True:
            try:
                total += self._adjustments.get_nowait()
            except Empty:
                return total

    def __str__(self) -> str:
        return "any" if self._limit is None else str(self._limit)


async def _within(ends: float | None, wait: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(None if ends is None else max(0.0, ends - monotonic())):
            await wait()
    except TimeoutError:
        raise _refused(None) from None


def _refused(seconds: float | None) -> RateLimitError:
    return RateLimitError(
        seconds, message="The rate limit of this client leaves no free slot before the call's deadline"
    )


def _number(value: int | Awaitable[int]) -> int:
    assert isinstance(value, int), "a bucket in memory answers at once"
    return value
