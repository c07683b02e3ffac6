"""Usage as it trickles in: on any chunk, once or many times, whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.chunk import WireUsage, decode_usage
from raptscallions_ai.answer.result import Usage

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import TypeVar

    _S = TypeVar("_S", bound=msgspec.Struct)

__all__ = ["UsageMeter"]

_LARGEST_EXPONENT = 100


class UsageMeter:
    """Merge usage objects field by field, the last word winning, into one `Usage`."""

    def __init__(self) -> None:
        self._usage = WireUsage()
        self._raw: dict[str, Any] = {}

    @property
    def seen(self) -> bool:
        """Whether the gateway reported any count or cost."""
        usage = self._usage
        figures = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, _amount(usage.cost))
        return any(figure is not None for figure in figures)

    def feed(self, raw: msgspec.Raw) -> None:
        """Take in one usage object; null, and anything that is not an object, says nothing."""
        if (decoded := decode_usage(raw)) is not None:
            typed, received = decoded
            self._usage = _merged(self._usage, typed)
            self._raw |= received

    def result(self) -> Usage:
        """Return the usage so far; all zero, with an empty `raw`, if none was reported."""
        if not self.seen:
            return Usage()
        usage = self._usage
        cost = _amount(usage.cost)
        prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
        inputs, outputs, costs = usage.prompt_tokens_details, usage.completion_tokens_details, usage.cost_details
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion if usage.total_tokens is None else usage.total_tokens,
            reasoning_tokens=(outputs and outputs.reasoning_tokens) or 0,
            cached_tokens=(inputs and inputs.cached_tokens) or 0,
            cache_write_tokens=(inputs and inputs.cache_write_tokens) or 0,
            cost=cost,
            cost_source="unknown" if cost is None else "reported",
            upstream_cost=_amount(costs.upstream_inference_cost) if costs else None,
            is_byok=bool(usage.is_byok),
            raw=dict(self._raw),
        )


def _amount(cost: Decimal | None) -> Decimal | None:
    """Return a cost that is an amount of money: finite and of a size that can be added up."""
    return cost if cost is not None and cost.is_finite() and abs(cost.adjusted()) < _LARGEST_EXPONENT else None


def _merged(old: _S, new: _S) -> _S:
    """Return `new` with the fields that it leaves open taken from `old`."""
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if after is None:
            setattr(new, name, before)
        elif isinstance(after, msgspec.Struct) and isinstance(before, msgspec.Struct):
            setattr(new, name, _merged(before, after))
    return new
