"""The cost of a call by the catalogue's prices, for gateways that do not report it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.gateway_api.models import ModelInfo

__all__ = ["PriceList", "estimate_cost"]


def estimate_cost(usage: Usage, model: ModelInfo) -> Usage:
    """Return a usage with its cost by the model's list prices of now, marked by `cost_source="priced"`.

    Cached tokens and reasoning cost what the catalogue says of them, else as much as other tokens. It is an estimate:
    the provider that answered may charge another price, and images, searches and other extras are not in it.

    Args:
        usage: The tokens. If it has a cost already, or the gateway reported no tokens, it is returned as it is.
        model: The model with its prices, from `client.models()`; without both prices nothing is estimated.
    """
    prices = model.pricing.at(prompt_tokens=usage.prompt_tokens, when=datetime.now(UTC))
    prompt, completion = prices.prompt, prices.completion
    if usage.cost is not None or not usage.reported or prompt is None or completion is None:
        return usage
    reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
    cost = (
        max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens) * prompt
        + usage.cached_tokens * _first(prices.input_cache_read, prompt)
        + usage.cache_write_tokens * _first(prices.input_cache_write, prompt)
        + (usage.completion_tokens - reasoning) * completion
        + reasoning * _first(prices.internal_reasoning, completion)
        + _first(prices.request, Decimal(0))
    )
    return replace(usage, cost=cost * (1 - _first(prices.discount, Decimal(0))), cost_source="priced")


class PriceList:
    """The prices of models by their id, from `client.models()`.

    Args:
        models: The models; those without prices are as if they were not there.
    """

    def __init__(self, models: Iterable[ModelInfo] = ()) -> None:
        self._models = {m.id: m for m in models if m.prompt_price is not None and m.completion_price is not None}

    def find(self, *names: str | None) -> ModelInfo | None:
        """Return the first model of these names that has a price, if any has; else of those without their variants."""
        plain = [name for name in names if name]
        plain += [name.partition(":")[0] for name in plain]
        return next((self._models[name] for name in plain if name in self._models), None)

    def __len__(self) -> int:
        return len(self._models)


def _first(price: Decimal | None, default: Decimal) -> Decimal:
    return default if price is None else price
