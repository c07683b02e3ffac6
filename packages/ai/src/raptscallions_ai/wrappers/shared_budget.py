"""`SharedBudget`: how much calls may cost, for all processes that spend the same money."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from decimal import ROUND_CEILING, Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

from raptscallions_ai._guards.threads import daemon_threads
from raptscallions_ai.errors import BudgetExceededError
from raptscallions_ai.gateway_api.costs import PriceList
from raptscallions_ai.wrappers.budget import Amount, usd_of
from raptscallions_ai.wrappers.redis_script import RedisAwayError, RedisScript

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

    from raptscallions_ai.gateway_api.models import ModelInfo

__all__ = ["SharedBudget"]

_NANO = Decimal(10) ** 9  # in a USD: whole numbers that Redis' scripts can hold up to nine million USD
_REPORT_EVERY = 1.0  # seconds

# State: what is spent for certain, when the window ends, and of each owner what it has told and what it holds. An owner
# tells what it has spent in all, so that a message that comes twice counts once, and so that a Redis that has forgotten
# everything is told again.
_EXCHANGE = """
local time = redis.call('TIME')
local now = tonumber(time[1])
local owner, cap, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local told, held, needed, wanted = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local packed = redis.call('GET', KEYS[1])
local state = packed and cmsgpack.unpack(packed) or {spent = 0, told = {}, held = {}}
if state.ends and now >= state.ends then
  state.spent, state.ends = 0, nil
end
if window > 0 and not state.ends then state.ends = now + window end
state.spent = state.spent + math.max(0, told - (state.told[owner] or 0))
state.told[owner] = math.max(told, state.told[owner] or 0)
state.held[owner] = held
local all = 0
for _, one in pairs(state.held) do all = all + one end
local free, grant = cap - state.spent - all, 0
if free >= needed then
  grant = math.max(0, math.min(free, wanted))
  state.held[owner] = held + grant
end
if state.held[owner] == 0 then state.held[owner] = nil end
redis.call('SET', KEYS[1], cmsgpack.pack(state))
local left = state.ends and state.ends - now or 0
return {string.format('%.0f', grant), string.format('%.0f', state.spent), string.format('%.0f', all), tostring(left)}
"""

# A dead owner's money becomes spent: as much of it as somebody found out, or all.
_SETTLE = """
local packed = redis.call('GET', KEYS[1])
if not packed then return {'0'} end
local state = cmsgpack.unpack(packed)
local held = state.held[ARGV[1]] or 0
state.spent = state.spent + math.min(held, tonumber(ARGV[2]))
state.held[ARGV[1]] = nil
redis.call('SET', KEYS[1], cmsgpack.pack(state))
return {string.format('%.0f', held)}
"""

_OWNERS = """
local packed, found = redis.call('GET', KEYS[1]), {}
if packed then
  for owner, held in pairs(cmsgpack.unpack(packed).held) do
    found[#found + 1] = owner
    found[#found + 1] = string.format('%.0f', held)
  end
end
return found
"""


class SharedBudget:
    """How much the calls of all processes that name the same budget may cost, over Redis.

    Before a call is sent, about the most that it can cost is set aside, in one step for all processes, so that what all
    have set aside and spent is never more than `cost`. A process sets a little more aside than it needs, `lease`, and
    spends that without asking again; what it spent it tells about once a second. What a process had set aside when it
    died counts as spent until somebody says what became of it, with `settle_owner`.

    The most that a call can cost is known if it has `max_tokens`, and its model a price. Of others only the
    conversation is set aside, and their answers are stopped once they exceed what is held and no more is left.

    Without Redis calls go on within what the process holds. Those that need more wait for it, for `max_wait` at most.

    Give it to a `BudgetedClient`. Safe to share between clients, event loops and threads; it needs the extra `redis`.
    Redis has to keep what it is told (`appendonly yes`): one that forgets knows only of the processes that live.

    Args:
        redis: A URL, such as `redis://localhost:6379/0`, or a `redis.Redis` of your own.
        name: What the budget is of, such as a tenant; the same in all processes.
        cost: USD; a `Decimal`, or a `str` or number that is read as one; the same in all processes.
        window: Seconds after which all of it may be spent again, by Redis' clock, the first from the first call on;
            None for never.
        prices: The models with their prices, from `client.models()`.
        lease: USD that a process sets aside beyond what it needs; a hundredth of `cost` if not given. The smaller, the
            more often Redis is asked.
        max_wait: Seconds that a call waits for Redis when that is away, 0 or more.

    Attributes:
        owner: The name of this process in Redis.

    Raises:
        ValueError: An argument is out of its range.
        ImportError: The extra is not installed.
    """

    reserves_answers = True  # what other processes may spend meanwhile cannot be known while a stream grows

    def __init__(
        self,
        redis: str | Redis,
        name: str,
        *,
        cost: Decimal | str | float,
        window: float | None = None,
        prices: Iterable[ModelInfo] = (),
        lease: Decimal | str | float | None = None,
        max_wait: float = 30.0,
    ) -> None:
        self.cost = usd_of(cost)
        if window is not None and not window >= 1:
            raise ValueError("window must be a number of seconds, 1 or more")
        if not max_wait >= 0:
            raise ValueError("max_wait must be a number of seconds, 0 or more")
        self.prices, self.owner = PriceList(prices), uuid.uuid4().hex
        key = f"raptscallions:budget:{name}"
        self._exchange_script = RedisScript(redis, key, _EXCHANGE)
        self._settle_script = RedisScript(redis, key, _SETTLE)
        self._owners_script = RedisScript(redis, key, _OWNERS)
        import aiologic

        self._turn = aiologic.Lock()
        self._requesting = threading.Lock()  # one message at a time, so that they arrive in their order
        self._cap, self._window, self._max_wait = _nano(self.cost), int(window or 0), max_wait
        self._lease = max(1, self._cap // 100 if lease is None else _nano(usd_of(lease)))
        self._lock = threading.Lock()
        self._held = 0  # of Redis, what is reserved and what is spent but not told included
        self._reserved = self._spent = self._reported = 0
        self._elsewhere = 0  # spent or held by others, when last heard of
        self._resets_at: float | None = None
        self._reported_at = 0.0
        self._is_reporting = False

    @property
    def spent(self) -> Amount:
        """What the calls of this process that have ended cost."""
        with self._lock:
            return Amount(_usd(self._spent))

    @property
    def reserved(self) -> Amount:
        """The most that its calls under way can cost, as far as that is known."""
        with self._lock:
            return Amount(_usd(self._reserved))

    async def admit(self, amount: Amount) -> None:
        """Set something aside for a call that is to begin.

        Raises:
            BudgetExceededError: That much is not left; or Redis is away, and this process holds less.
        """
        wanted, ends = _nano(amount.cost), monotonic() + self._max_wait
        if self._reserve(wanted):
            return
        async with self._turn:
            while not self._reserve(wanted):
                try:
                    enough = await daemon_threads().run(lambda: self._exchange(wanted))
                except RedisAwayError as error:
                    if monotonic() + error.retry_in > ends:
                        raise self._exceeded("Redis, which keeps the shared budget, cannot be reached") from None
                    await asyncio.sleep(error.retry_in)
                else:
                    if not enough:
                        raise self._exceeded(None)

    def grow(self, amount: Amount) -> BudgetExceededError | None:
        """Reserve more for a call that has used it already; return an error if that is too much."""
        with self._lock:
            self._reserved += _nano(amount.cost)
            lacks = self._idle < 0
            over = lacks and self._elsewhere + self._untold + self._reserved > self._cap
        if over:
            return self._exceeded(None)
        if lacks:
            self._report_soon(at_once=True)
        return None

    def book(self, used: Amount, *, reserved: Amount) -> None:
        """Count what a call cost instead of what was set aside for it; waits for nothing."""
        with self._lock:
            self._reserved -= min(self._reserved, _nano(reserved.cost))
            self._spent += _nano(used.cost)
        self._report_soon()

    async def owners(self) -> dict[str, Decimal]:
        """Return the USD that each process has set aside, by its `owner`; dead ones are among them.

        Raises:
            RedisAwayError: Redis cannot be reached.
        """
        found = [_text(one) for one in await self._owners_script.run([])]
        return {owner: _usd(int(held)) for owner, held in zip(found[::2], found[1::2], strict=True)}

    async def settle_owner(self, owner: str, spent: Decimal | str | float | None = None) -> Decimal:
        """Say what a process that is dead had spent of what it had set aside, and return how much that was.

        Args:
            owner: Its `owner`.
            spent: USD that it spent of that; all of it if nobody knows.

        Raises:
            RedisAwayError: Redis cannot be reached.
        """
        known = self._cap if spent is None else _nano(usd_of(spent))
        (held,) = await self._settle_script.run([owner, known])
        return _usd(int(held))

    async def aclose(self) -> None:
        """Tell what was spent, give back what was not, and close the connections."""
        with contextlib.suppress(RedisAwayError):  # what it holds counts as spent then
            await daemon_threads().run(lambda: self._exchange(0, keep=0))
        for script in (self._exchange_script, self._settle_script, self._owners_script):
            script.close()

    @property
    def _untold(self) -> int:
        return self._spent - self._reported

    @property
    def _idle(self) -> int:
        """What this process holds and needs for nothing yet."""
        return self._held - self._untold - self._reserved

    def _reserve(self, nano: int) -> bool:
        with self._lock:
            if self._idle < max(1, nano):
                return False
            self._reserved += nano
            return True

    def _exchange(self, wanted: int, *, keep: int | None = None) -> bool:
        """Tell what was spent, and hold enough for an amount; return whether that was left.

        Args:
            wanted: What is about to be reserved, in billionths of a USD.
            keep: How much may stay idle, if less than usual.
        """
        with self._requesting:
            with self._lock:
                most = max(wanted, 2 * self._lease) if keep is None else keep
                self._held -= max(0, self._idle - most)  # is given back
                own, held = self._spent, self._held - self._untold + max(0, -self._idle)
                needed = max(0, wanted - self._idle)
                more = needed + self._lease if wanted else 0
            arguments = [self.owner, self._cap, self._window, own, held, needed, more]
            *reply, left = self._exchange_script.run_now(arguments)
            granted, spent, everything = map(int, reply)
            with self._lock:
                self._reported, self._held = own, held + granted
                self._elsewhere = spent + everything - held
                self._resets_at = monotonic() + float(left) if float(left) else None
                self._reported_at = monotonic()
                return granted >= needed

    def _report_soon(self, *, at_once: bool = False) -> None:
        with self._lock:
            if self._is_reporting or not (at_once or monotonic() - self._reported_at > _REPORT_EVERY):
                return
            self._is_reporting = True
        try:
            daemon_threads().submit(self._report)
        except RuntimeError:  # the interpreter ends
            self._is_reporting = False

    def _report(self) -> None:
        try:
            self._exchange(0)
        except RedisAwayError:
            pass  # the next message tells it all
        finally:
            self._is_reporting = False

    def _exceeded(self, message: str | None) -> BudgetExceededError:
        left = None if self._resets_at is None else max(0.0, self._resets_at - monotonic())
        used = _usd(self._elsewhere + self._untold + self._reserved)
        return BudgetExceededError("cost", allowed=self.cost, used=used, retry_after=left, message=message)

    def __repr__(self) -> str:
        return f"SharedBudget(cost={self.cost}, window={self._window or None})"


def _nano(usd: Decimal) -> int:
    return int((usd * _NANO).to_integral_value(ROUND_CEILING))


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / _NANO


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
