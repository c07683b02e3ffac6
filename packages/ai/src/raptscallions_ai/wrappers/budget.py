"""`Budget`: how much calls may cost or use, and what is left of it."""

from __future__ import annotations

import math
import threading
from decimal import Decimal, InvalidOperation
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from raptscallions_ai.errors import BudgetExceededError
from raptscallions_ai.gateway_api.costs import PriceList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai.gateway_api.models import ModelInfo

__all__ = ["Budget", "Amount", "usd_of"]

_LIMITS = ("cost", "tokens", "requests")


class Amount(NamedTuple):
    """An amount of what a budget counts.

    Attributes:
        cost: USD.
        tokens: Tokens of conversations and answers.
        requests: Calls.
    """

    cost: Decimal = Decimal(0)
    tokens: int = 0
    requests: int = 0

    def plus(self, other: Amount) -> Amount:
        """Return the sum."""
        return Amount(self.cost + other.cost, self.tokens + other.tokens, self.requests + other.requests)

    def minus(self, other: Amount) -> Amount:
        """Return the difference."""
        return Amount(self.cost - other.cost, self.tokens - other.tokens, self.requests - other.requests)

    def not_below_zero(self) -> Amount:
        """Return the amount with negative parts set to 0; correcting a call of an earlier window can make them."""
        return Amount(max(self.cost, Decimal(0)), max(self.tokens, 0), max(self.requests, 0))


class Budget:
    """How much calls may cost or use, in all or in each window of time.

    Give it to the `BudgetedClient`s that share it: those of a key, a tenant or a whole service. Calls that
    are under way count too: their conversation from the start, and their answer as it grows.
    They count with estimates (one token for four bytes), which the real figures replace when a call ends.

    Safe to share between clients, event loops and threads.

    Args:
        cost: USD; a `Decimal`, or a `str` or number that is read as one.
        tokens: Tokens of conversations and answers.
        requests: Calls that are sent.
        window: Seconds after which the budget starts again, counted from the first call; None for never.
        prices: The models with their prices, from `client.models()`. Without them the cost of a call is only known at
            its end: `cost` then refuses new calls but stops none, and calls that run at the same time can exceed it
            together.

    Raises:
        ValueError: There is no limit, or one is negative or not a number.
    """

    reserves_answers = False  # a stream is stopped where it exceeds the budget

    def __init__(
        self,
        *,
        cost: Decimal | str | float | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        window: float | None = None,
        prices: Iterable[ModelInfo] = (),
    ) -> None:
        if cost is None and tokens is None and requests is None:
            raise ValueError("a budget needs at least one of cost, tokens and requests")
        self.cost = None if cost is None else usd_of(cost)
        self.tokens = _count("tokens", tokens)
        self.requests = _count("requests", requests)
        if window is not None and not (window > 0 and math.isfinite(window)):
            raise ValueError("window must be a positive number of seconds")
        self.window = window
        self.prices = PriceList(prices)
        self._allowed = (self.cost, self.tokens, self.requests)
        self._lock = threading.Lock()
        # A stream may end in the garbage collector, at any point of any thread: there nothing may wait for a lock.
        self._changes: SimpleQueue[tuple[Amount, Amount]] = SimpleQueue()
        self._spent = self._reserved = Amount()
        self._window_ends = math.inf

    @property
    def spent(self) -> Amount:
        """What the calls that have ended used, in this window."""
        with self._lock:
            self._catch_up()
            return self._spent

    @property
    def reserved(self) -> Amount:
        """About what the calls that are under way have used so far."""
        with self._lock:
            self._catch_up()
            return self._reserved

    def reset(self) -> None:
        """Reset the amount spent; calls that are under way count when they end."""
        with self._lock:
            self._catch_up()
            self._spent, self._window_ends = Amount(), math.inf

    def reserve(self, amount: Amount) -> None:
        """Reserve an amount for a new call; a `BudgetedClient` calls this and the next methods itself.

        Raises:
            BudgetExceededError: Not that much is left.
        """
        with self._lock:
            self._catch_up()
            if (error := self._exceeded(amount, beginning=True)) is not None:
                raise error
            self._reserved = self._reserved.plus(amount)
            if self.window is not None and self._window_ends == math.inf:
                self._window_ends = monotonic() + self.window

    async def admit(self, amount: Amount) -> None:
        """Set something aside, as `reserve` does; a budget that is kept elsewhere may have to wait for that.

        Raises:
            BudgetExceededError: Not that much is left.
        """
        self.reserve(amount)

    def grow(self, amount: Amount) -> BudgetExceededError | None:
        """Reserve more for a call that has used it already; return an error if that is too much."""
        with self._lock:
            self._catch_up()
            self._reserved = self._reserved.plus(amount)
            return self._exceeded(Amount(), beginning=False)

    def book(self, used: Amount, *, reserved: Amount) -> None:
        """Count what a call used, instead of what was reserved for it."""
        self._changes.put((used, reserved))

    def _exceeded(self, more: Amount, *, beginning: bool) -> BudgetExceededError | None:
        used = self._spent.plus(self._reserved)
        for limit, allowed, so_far, wanted in zip(_LIMITS, self._allowed, used, more, strict=True):
            if allowed is not None and (so_far + wanted > allowed or (beginning and so_far >= allowed)):
                left = self._window_ends - monotonic()
                retry_after = left if math.isfinite(left) else None
                return BudgetExceededError(limit, allowed=allowed, used=so_far, retry_after=retry_after)
        return None

    def _catch_up(self) -> None:
        if monotonic() >= self._window_ends:
            self._spent, self._window_ends = Amount(), math.inf
        while not self._changes.empty():
            spent, reserved = self._changes.get()
            self._spent = self._spent.plus(spent).not_below_zero()
            self._reserved = self._reserved.minus(reserved)

    def __repr__(self) -> str:
        limits = {"cost": self.cost, "tokens": self.tokens, "requests": self.requests, "window": self.window}
        given = ", ".join(f"{name}={value}" for name, value in limits.items() if value is not None)
        return f"Budget({given})"


def usd_of(cost: Decimal | str | float) -> Decimal:
    """Return an amount of USD that a person gave.

    Raises:
        ValueError: It is none, or negative.
    """
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ValueError("cost must be an amount in USD, 0 or more")
    return amount


def _count(name: str, value: int | None) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{name} must be a whole number, 0 or more")
    return value
