"""`SharedRateLimiter`: how many calls and tokens a minute there may be, for all processes that use a key together."""

from __future__ import annotations

import asyncio
import math
import threading
import uuid
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from raptscallions_ai.errors import RateLimitError
from raptscallions_ai.wrappers.redis_script import RedisAwayError, RedisScript

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["SharedRateLimiter"]

_BURST = 1.35  # seconds' worth that may be leased at once; a process asks once a second
_BETWEEN = 1.1  # seconds between two leases
_QUICK = 4  # leases that may follow each other at once, so that what begins need not wait
_AHEAD = 1.2  # times what the last second took: what is leased beyond what is needed now
_SHORTEST = 0.1  # seconds of which a speed is taken
_KEPT = 2.0  # seconds after which what is left of a lease is dropped
_MOST_OWED = 600.0  # seconds' worth: a figure that no call can have used must not close the limiter forever

# State: the key's two levels, and of each tenant its weight, its levels, and when its processes were last seen. The
# time is that of Redis alone. Tenants that ask share the rate by their weights; what one leaves, others may take.
_LEASE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local tenant, process, weight, burst = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local packed = redis.call('GET', KEYS[1])
local state = packed and cmsgpack.unpack(packed) or {at = now, levels = {}, tenants = {}}
local own = state.tenants[tenant] or {levels = {}, seen = {}}
state.tenants[tenant] = own
own.weight, own.seen[process] = weight, now
local weights = 0
for name, one in pairs(state.tenants) do
  for id, seen in pairs(one.seen) do
    if now - seen > 4 then one.seen[id] = nil end
  end
  local owes = (one.levels['1'] or 0) < 0 or (one.levels['2'] or 0) < 0
  if next(one.seen) == nil and not owes then state.tenants[name] = nil else weights = weights + one.weight end
end
local elapsed = math.max(0, now - state.at)
state.at = math.max(now, state.at)
local reply, wait, grants, lacks = {}, 0, {}, false
for number = 1, 2 do
  local rate = tonumber(ARGV[2 + 3 * number])
  local needed, wanted = tonumber(ARGV[3 + 3 * number]), tonumber(ARGV[4 + 3 * number])
  if rate > 0 then
    local field = tostring(number)
    local level = math.min(rate * burst, (state.levels[field] or rate) + elapsed * rate)
    local reserved = 0
    for name, one in pairs(state.tenants) do
      local share = rate * one.weight / weights
      one.levels[field] = math.min(share * burst, (one.levels[field] or share) + elapsed * share)
      -- What is there for one that got all it wanted, others may take, but for enough to begin with.
      local kept = one.lacks and one.levels[field] or math.min(one.levels[field], share * (burst - 1))
      if name ~= tenant then reserved = reserved + math.max(0, kept) end
    end
    state.levels[field] = level
    local share = rate * weight / weights
    local mine = math.max(0, own.levels[field])
    local free = math.min(level, mine + math.max(0, level - reserved - mine))
    local least = math.min(needed, share)
    if free < least - 0.000001 then
      wait = math.max(wait, (least - math.min(level, own.levels[field])) / share)
    end
    if free < wanted then lacks = true end
    grants[number] = {field, math.max(needed, math.min(wanted, free)), mine, math.max(0, free - mine)}
    reply[3 + number] = tostring(share)
  else
    reply[3 + number] = '0'
  end
end
local processes = 0
for _ in pairs(own.seen) do processes = processes + 1 end
reply[1], reply[2], reply[3] = tostring(wait), '0', '0'
if wait == 0 then
  for number, grant in pairs(grants) do
    local field, amount, mine, spare = grant[1], grant[2], grant[3], grant[4]
    -- What others leave is no debt; what goes beyond both is one of this tenant's.
    local borrowed = math.min(math.max(0, amount - mine), spare)
    own.levels[field] = own.levels[field] - (amount - borrowed)
    state.levels[field] = state.levels[field] - amount
    reply[1 + number] = tostring(amount)
  end
end
reply[6], own.lacks = tostring(processes), lacks
redis.call('SET', KEYS[1], cmsgpack.pack(state), 'PX', 3600000)
return reply
"""


class _Amounts(NamedTuple):
    """Requests and tokens."""

    requests: float
    tokens: float


class SharedRateLimiter:
    """How many calls and tokens a minute there may be for all processes that name the same limit, over Redis.

    A process leases up to a second's worth, spends that without asking again, and asks about once a second at most;
    what it does not need within two seconds is dropped. Only Redis' clock counts. Tenants share the rate by their
    weights, and what one leaves the others may take.

    Without Redis a process goes on with its part of its tenant's share, as the last answer of Redis told it, and with
    the whole limit if there was none. No call fails for it.

    Give it to a `RateLimitedClient`. Safe to share between clients, event loops and threads; it needs the extra
    `redis`.

    Args:
        redis: A URL, such as `redis://localhost:6379/0`, or a `redis.Redis` of your own.
        name: What the limit is of: a name for the gateway's key, the same in all processes. Never the key itself.
        requests_per_minute: Calls a minute for all of them, more than 0; the same in all processes.
        tokens_per_minute: Tokens a minute, of conversations and answers, likewise.
        tenant: Whose calls these are.
        weight: How large this tenant's share is beside the others', more than 0.
        max_wait: Seconds that a call may wait for its turn, 0 or more; then it fails. None for no limit but its own
            `Timeouts.total`.

    Attributes:
        trips: How often Redis was asked.

    Raises:
        ValueError: There is no limit, or an argument is out of its range.
        ImportError: The extra is not installed.
    """

    def __init__(
        self,
        redis: str | Redis,
        name: str,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        tenant: str = "",
        weight: float = 1.0,
        max_wait: float | None = None,
    ) -> None:
        if requests_per_minute is None and tokens_per_minute is None:
            raise ValueError("a shared rate limiter needs requests_per_minute or tokens_per_minute")
        for what, value in (
            ("requests_per_minute", requests_per_minute),
            ("tokens_per_minute", tokens_per_minute),
            ("weight", weight),
        ):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{what} must be a number above 0")
        if max_wait is not None and not max_wait >= 0:
            raise ValueError("max_wait must be a number of seconds, 0 or more")
        self._script = RedisScript(redis, f"raptscallions:limit:{name}", _LEASE)
        import aiologic

        self._turn = aiologic.Lock()
        self._rates = _Amounts((requests_per_minute or 0) / 60, (tokens_per_minute or 0) / 60)
        self._who = (tenant, uuid.uuid4().hex, weight)
        self._max_wait = max_wait
        self._lock = threading.Lock()
        self._left = _Amounts(0.0, 0.0)
        self._used = _Amounts(0.0, 0.0)  # since the last lease
        self._drop_at = -math.inf
        self._asked_at = self._leased_at = monotonic()
        self._quick = float(_QUICK)
        self._part = self._rates  # of this process alone, a second, for when Redis is away
        self.trips = 0

    async def acquire(self, tokens: int = 0, *, max_wait: float | None = None) -> int:
        """Wait until a call may begin, and return how many tokens it counts for; `release` must follow once.

        Args:
            tokens: About how many tokens it will use.
            max_wait: Seconds that it may wait at most, if that is less than the limiter's own.

        Raises:
            RateLimitError: It would have had to wait longer.
        """
        waits = [wait for wait in (max_wait, self._max_wait) if wait is not None]
        if not waits:
            return await self._acquire(tokens)
        try:
            async with asyncio.timeout(min(waits)):
                return await self._acquire(tokens)
        except TimeoutError:
            message = "The shared rate limit leaves no free slot before the call's deadline"
            raise RateLimitError(None, message=message) from None

    def take(self, tokens: int = 0) -> bool:
        """Take a call's part of what is leased already; False if that is not enough, so that `acquire` has to wait."""
        with self._lock:
            if monotonic() >= self._drop_at:
                self._left = _Amounts(min(0.0, self._left.requests), min(0.0, self._left.tokens))
            if self._lacks(1.0, self._left.requests, self._rates.requests):
                return False
            if self._lacks(float(tokens), self._left.tokens, self._rates.tokens):
                return False
            self._left = _Amounts(self._left.requests - 1, self._left.tokens - tokens)
            self._used = _Amounts(self._used.requests + 1, self._used.tokens + tokens)
            return True

    def release(self, used: int | None = None, *, expected: int = 0) -> None:
        """Count what a call really used; may be called from any thread.

        Args:
            used: The tokens that the call really used; None if they were not reported.
            expected: What `acquire` returned.
        """
        if used is None:
            return
        with self._lock:
            left = self._left.tokens - min(used - expected, _MOST_OWED * self._rates.tokens)
            self._left = _Amounts(self._left.requests, left)
            self._used = _Amounts(self._used.requests, max(0.0, self._used.tokens + used - expected))

    def close(self) -> None:
        """Close the connections to Redis."""
        self._script.close()

    async def _acquire(self, tokens: int) -> int:
        if not self._turn.locked() and self.take(tokens):
            return tokens
        async with self._turn:  # in the order in which calls came
            lasted = monotonic() - self._leased_at
            while not self.take(tokens):
                await self._lease(tokens, lasted)
        return tokens

    async def _lease(self, tokens: int, lasted: float) -> None:
        """Lease what a call needs and what the next ones will; wait if that is not there yet.

        Args:
            tokens: Of the call.
            lasted: The seconds within which the last lease was spent.
        """
        now = monotonic()
        self._quick = min(_QUICK, self._quick + (now - self._asked_at) / _BETWEEN)
        if self._quick < 1:
            await asyncio.sleep((1 - self._quick) * _BETWEEN)
            return
        with self._lock:
            needed = _Amounts(max(0.0, 1 - self._left.requests), max(0.0, tokens - self._left.tokens))
            # As fast as the last lease was spent, the next one will be.
            times = _AHEAD * _BETWEEN / max(lasted, _SHORTEST)
            ahead = _Amounts(*[used * times for used in self._used])
        started, self._quick = now, self._quick - 1
        elapsed, self._asked_at = now - self._asked_at, now
        self.trips += 1
        arguments = [*self._who, _BURST]
        for rate, need, more in zip(self._rates, needed, ahead, strict=True):
            arguments += [rate, need, need + more]
        try:
            reply = [float(one) for one in await self._script.run(arguments)]
        except RedisAwayError as error:
            self._go_on_alone(elapsed)
            if self._lacks_any(tokens):
                await asyncio.sleep(min(error.retry_in, _BETWEEN))
            return
        wait, requests, granted, *shares, processes = reply
        self._part = _Amounts(*[share / processes for share in shares])
        if wait > 0:
            # At least a lease's time, so that the next one is worth its trip.
            await asyncio.sleep(max(wait, 0.05))
            return
        with self._lock:
            self._left = _Amounts(self._left.requests + requests, self._left.tokens + granted)
            self._used = _Amounts(0.0, 0.0)
            self._leased_at, self._drop_at = started, started + _KEPT

    def _go_on_alone(self, elapsed: float) -> None:
        """Take what this process had a right to since it last asked."""
        with self._lock:
            left = [have + part * min(elapsed, _BURST) for have, part in zip(self._left, self._part, strict=True)]
            self._left, self._drop_at = _Amounts(*left), monotonic() + _KEPT

    def _lacks_any(self, tokens: int) -> bool:
        return self._lacks(1.0, self._left.requests, self._rates.requests) or self._lacks(
            float(tokens), self._left.tokens, self._rates.tokens
        )

    @staticmethod
    def _lacks(amount: float, left: float, rate: float) -> bool:
        return rate > 0 and left < amount

    def __repr__(self) -> str:
        limits = [str(round(rate * 60, 3)) if rate else "any" for rate in self._rates]
        return f"SharedRateLimiter({limits[0]} calls and {limits[1]} tokens a minute, for {self._who[0] or 'all'!r})"
