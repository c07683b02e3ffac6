"""`UsageTracker`: what calls have used so far, in all and by tag."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field, fields
from decimal import Decimal
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.result import Usage
from raptscallions_ai.gateway_api.costs import PriceList
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.billed import priced, used_by
from raptscallions_ai.wrappers.source import AroundSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai.answer.result import ChatResult, CostSource
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.gateway_api.models import ModelInfo
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["TrackedClient", "TrackedUsage", "UsageTotals", "UsageTracker"]


@dataclass(frozen=True, slots=True)
class UsageTotals(Usage):
    """The usage of many calls; its `cost` is a lower bound if there are `unmeasured_calls`.

    Attributes:
        calls: How many calls have ended.
        failed_calls: How many of them failed.
        left_calls: How many of them were left by the caller before their end.
        unmeasured_calls: How many of them have a cost that was not reported; `settle` on their streams looks it up.
    """

    calls: int = 0
    failed_calls: int = 0
    left_calls: int = 0
    unmeasured_calls: int = 0


@dataclass(slots=True, eq=False)
class TrackedUsage:
    """What one call used, as a tracker has counted it.

    Attributes:
        usage: What it used, with an estimated cost if none was reported; None if nothing was billed.
        tag: The tag of the call.
        failed: Whether it failed.
        left: Whether the caller left before its end.
    """

    usage: Usage | None
    tag: str | None = None
    failed: bool = False
    left: bool = False
    sums: list[_Sums] = field(default_factory=list["_Sums"], repr=False)  # what it was added to


class UsageTracker:
    """Adds up what the calls of `TrackedClient`s use, including failed, interrupted and abandoned ones.

    Safe to share between clients, event loops and threads.

    Args:
        prices: The models with their prices, from `client.models()`. With them the cost of a call is estimated where
            the gateway reports tokens but no cost; the sum's `cost_source` is then `priced`.
    """

    def __init__(self, *, prices: Iterable[ModelInfo] = ()) -> None:
        self._prices = PriceList(prices)
        # A stream may end in the garbage collector, at any point of any thread: there nothing may wait for a lock.
        self._changes: SimpleQueue[tuple[TrackedUsage, Usage | None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._sums: defaultdict[str | None, _Sums] = defaultdict(_Sums)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that have been used, in order of appearance."""
        with self._lock:
            self._add_up()
            return tuple(tag for tag in self._sums if tag is not None)

    def get_usage(self, tag: str | None = None) -> UsageTotals:
        """Return what was used since the last reset.

        Args:
            tag: The tag; None for all calls.
        """
        with self._lock:
            return self._totals(tag)

    def reset_usage(self, tag: str | None = None) -> UsageTotals:
        """Reset the usage and return what had been used; calls that are under way count when they end.

        Args:
            tag: The tag to reset; the total keeps its usage. None foreverything, tags included.
        """
        with self._lock:
            totals = self._totals(tag)
            if tag is None:
                self._sums.clear()
            else:
                self._sums.pop(tag, None)
            return totals

    def record(self, call: TrackedUsage) -> None:
        """Count a call; a `TrackedClient` does this itself."""
        self._changes.put((call, call.usage))

    def correct(self, call: TrackedUsage, usage: Usage) -> None:
        """Replace the usage of a recorded call; this has no effect after a reset."""
        self._changes.put((call, usage))

    def priced(self, usage: Usage, *models: str | None) -> Usage:
        """Return a usage with its cost estimated, if it has none and one of the models has a price."""
        return priced(usage, self._prices, *models)

    def add_up(self) -> None:
        """Add up what was recorded so far. Reading the usage does it too, and a `TrackedClient` before each call."""
        with self._lock:
            self._add_up()

    def _totals(self, tag: str | None) -> UsageTotals:
        self._add_up()
        return self._sums[tag].totals() if tag in self._sums else UsageTotals()

    def _add_up(self) -> None:
        while not self._changes.empty():  # only this reads it, under the lock
            call, usage = self._changes.get()
            if call.sums:
                for sums in call.sums:
                    sums.replace(call, usage)
            else:
                call.sums = [self._sums[tag] for tag in {None, call.tag}]
                for sums in call.sums:
                    sums.add(call)
            call.usage = usage

    def __repr__(self) -> str:
        return f"UsageTracker({self.get_usage().calls} calls)"


class TrackedClient(WrappedClient):
    """A chat client whose usage is added up.

    Args:
        inner: The client to wrap.
        tracker: The tracker to add to; a new one by default.
        tag: A tag for these calls, such as a tenant's name; None for no tag.

    Attributes:
        tracker: The same.
        tag: The same.
    """

    def __init__(self, inner: ChatClient, tracker: UsageTracker | None = None, *, tag: str | None = None) -> None:
        super().__init__(inner)
        self.tracker = tracker or UsageTracker()
        self.tag = tag
        self._is_view = False

    def tagged(self, tag: str) -> TrackedClient:
        """Return a view of this client whose calls also count under a tag; closing it closes nothing."""
        view = TrackedClient(self.inner, self.tracker, tag=tag)
        view._is_view = True
        return view

    def get_usage(self) -> UsageTotals:
        """Return the usage of this client's tag; without a tag, that of all calls of its tracker."""
        return self.tracker.get_usage(self.tag)

    def reset_usage(self) -> UsageTotals:
        """Reset the usage, and return what `get_usage` would have returned."""
        return self.tracker.reset_usage(self.tag)

    async def aclose(self) -> None:
        """Close the wrapped client, unless this is a view of another one."""
        if not self._is_view:
            await super().aclose()

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        return _TrackedCall(self.ask(call), self.tracker, self.tag, self.resolve_model(call.model))


class _TrackedCall(AroundSource):
    def __init__(self, inner: ChunkSource, tracker: UsageTracker, tag: str | None, model: str | None) -> None:
        super().__init__(inner)
        self._tracker, self._tag, self._model = tracker, tag, model
        self._usage_record = TrackedUsage(None, tag)

    async def begin(self) -> None:
        self._tracker.add_up()  # or records would pile up if the sums are never read

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        usage = used_by(result, error, partial := self.partial())
        self._usage_record = TrackedUsage(
            None if usage is None else self._tracker.priced(usage, (result or partial).model, self._model),
            self._tag,
            failed=isinstance(error, Exception),
            left=result is None and not isinstance(error, Exception),
        )
        self._tracker.record(self._usage_record)

    async def settle(self) -> Usage:
        settled = self._tracker.priced(await super().settle(), self.partial().model, self._model)
        if self._usage_record.usage is not None:
            self._tracker.correct(self._usage_record, settled)
        return settled


_OTHERS = ("cost", "cost_source", "upstream_cost", "is_byok", "raw", "byok_cost")
_COUNTS = tuple(each.name for each in fields(Usage) if each.name not in _OTHERS)


class _Sums:
    """Sums that support subtraction, unlike a `Usage` with its single `cost_source`."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._cost = self._upstream_cost = self._upstream_extra = Decimal(0)
        self._costs = self._upstream_costs = 0  # how many usages had such a figure
        self._sources: dict[CostSource, int] = {"reported": 0, "priced": 0, "unknown": 0}
        self._calls = self._failed = self._left = self._byok = 0

    def add(self, call: TrackedUsage) -> None:
        self._calls += 1
        self._failed += call.failed
        self._left += call.left
        self._add(call.usage, 1)

    def replace(self, call: TrackedUsage, usage: Usage | None) -> None:
        self._add(call.usage, -1)
        self._add(usage, 1)

    def _add(self, usage: Usage | None, sign: int) -> None:
        if usage is None:
            return
        for name in _COUNTS:
            self._counts[name] += sign * getattr(usage, name)
        if usage.cost is not None:
            self._cost += sign * usage.cost
            self._costs += sign
        if usage.upstream_cost is not None:
            self._upstream_cost += sign * usage.upstream_cost
            self._upstream_costs += sign
        if usage.spend is not None:
            self._upstream_extra += sign * (usage.spend - (usage.cost or 0))
        self._byok += sign * usage.is_byok
        self._sources[usage.cost_source] += sign

    def totals(self) -> UsageTotals:
        sources = self._sources
        counts: dict[str, Any] = self._counts
        return UsageTotals(
            **counts,
            cost=self._cost if self._costs else None,
            cost_source=(
                "unknown" if sources["unknown"] or not self._costs else "priced" if sources["priced"] else "reported"
            ),
            upstream_cost=self._upstream_cost if self._upstream_costs else None,
            is_byok=bool(self._byok),
            byok_cost=self._upstream_extra if self._byok else None,
            calls=self._calls,
            failed_calls=self._failed,
            left_calls=self._left,
            unmeasured_calls=sources["unknown"],
        )
