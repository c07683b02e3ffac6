"""Usage as it trickles in: on any chunk, once or many times, whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai._dialects.chunk import WireCompletionDetails, WirePromptDetails, WireUsage, decode_usage
from raptscallions_ai.answer.result import Usage

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import TypeVar

    _S = TypeVar("_S", bound=msgspec.Struct)

__all__ = ["UsageMeter"]

_LARGEST_EXPONENT = 100
_HIGHEST_COST = 1_000_000  # USD, and tokens, of one call: far beyond any
_MOST_TOKENS = 1_000_000_000
_NO_INPUTS, _NO_OUTPUTS = WirePromptDetails(), WireCompletionDetails()


class UsageMeter:
    """Merge usage objects field by field, the last word winning, into one `Usage`.

    Attributes:
        seen: Whether the gateway reported any count or cost.
    """

    def __init__(self) -> None:
        self.seen = False
        self._usage: WireUsage | None = None
        self._raw: dict[str, Any] = {}
        self._result = Usage()

    def feed(self, raw: msgspec.Raw) -> None:
        """Take in one usage object; null, and anything that is not an object, says nothing."""
        if (decoded := decode_usage(raw)) is None:
            return
        typed, received = decoded
        self._usage = typed if self._usage is None else _merged(self._usage, typed)
        self._raw = {**self._raw, **received} if self._raw else received
        if has_counts := _has_counts(self._usage):
            self._result = _read(self._usage, self._raw)
        self.seen = has_counts

    def result(self) -> Usage:
        """Return the usage so far; all zero, with an empty `raw`, if none was reported."""
        return self._result


def _has_counts(usage: WireUsage) -> bool:
    if usage.prompt_tokens is not None or usage.completion_tokens is not None or usage.total_tokens is not None:
        return True
    return usage.input_tokens is not None or usage.output_tokens is not None or _cost(usage) is not None


def _read(usage: WireUsage, raw: dict[str, Any]) -> Usage:
    """Return the counts under our names, each what it is documented to be: gateways differ in what includes what."""
    inputs = usage.prompt_tokens_details or usage.input_tokens_details or _NO_INPUTS
    outputs = usage.completion_tokens_details or usage.output_tokens_details or _NO_OUTPUTS
    hits = inputs.cached_tokens or usage.prompt_cache_hit_tokens or usage.cached_tokens or usage.num_cached_tokens
    cached = _count(hits or usage.cache_read_input_tokens)
    writes = inputs.cache_write_tokens or inputs.cache_creation_tokens or inputs.cache_creation_input_tokens
    written = _count(writes or usage.cache_creation_input_tokens)
    reasoning = _count(outputs.reasoning_tokens or usage.reasoning_tokens)
    prompt = _count(usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens)
    completion = _count(usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens)
    of_anthropic = usage.cache_read_input_tokens is not None or usage.cache_creation_input_tokens is not None
    if of_anthropic and (cached + written > prompt or usage.prompt_tokens is None):
        prompt += cached + written  # which Anthropic counts beside the rest
    total = _count(usage.total_tokens) or prompt + completion
    extra = total - prompt - completion
    # xAI and Gemini count reasoning beside the answer, and Gemini in the total only. The total says which it is.
    if prompt and completion and extra > 0 and reasoning in (0, extra):
        reasoning = extra
        completion += extra
    elif reasoning > completion:
        completion += reasoning
    cost, costs = _cost(usage), usage.cost_details
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion if usage.total_tokens is None else total,
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        cache_write_tokens=written,
        cost=cost,
        cost_source="unknown" if cost is None else "reported",
        upstream_cost=_amount(costs.upstream_inference_cost) if costs else None,
        is_byok=bool(usage.is_byok),
        raw=raw,
    )


def _count(figure: int | None) -> int:
    """Return a count that can be one; a negative or an absurd one counts nothing, lest it upset budgets and limits."""
    return figure if figure and 0 < figure <= _MOST_TOKENS else 0


def _cost(usage: WireUsage) -> Decimal | None:
    cost = _amount(usage.cost)
    return _amount(usage.estimated_cost) if cost is None else cost


def _amount(cost: Decimal | None) -> Decimal | None:
    """Return a cost that is an amount of money that one call can cost, and not one to be paid back."""
    if cost is None or not cost.is_finite() or abs(cost.adjusted()) >= _LARGEST_EXPONENT:
        return None
    return cost if 0 <= cost <= _HIGHEST_COST else None


def _merged(old: _S, new: _S) -> _S:
    """Return `new` with the fields that it leaves open taken from `old`."""
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if after is None:
            setattr(new, name, before)
        elif isinstance(after, msgspec.Struct) and isinstance(before, msgspec.Struct):
            setattr(new, name, _merged(before, after))
    return new
