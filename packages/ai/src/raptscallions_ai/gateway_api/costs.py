"""The cost of a call by the catalogue's prices, for gateways that do not report it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, cast

from raptscallions_ai._dialects.fields import count
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.gateway_api.models import ModelInfo
from raptscallions_ai.gateway_api.pricing import Pricing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import TypeIs

    from raptscallions_ai.answer.result import Usage

__all__ = ["PriceList", "Prices", "estimate_cost"]

Prices: TypeAlias = "Mapping[str, Pricing] | Iterable[ModelInfo]"
"""What models cost: a table of your own by the models' ids, or a catalogue such as `await client.models()`."""

# What one model's id is written with in some places and not in others: a date, and `latest`.
_DATED = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


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
    write = _first(prices.input_cache_write, prompt)
    for_an_hour = min(_written_for_an_hour(usage), usage.cache_write_tokens)
    cost = (
        max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens) * prompt
        + usage.cached_tokens * _first(prices.input_cache_read, prompt)
        + (usage.cache_write_tokens - for_an_hour) * write
        + for_an_hour * _first(prices.input_cache_write_1h, write)
        + (usage.completion_tokens - reasoning) * completion
        + reasoning * _first(prices.internal_reasoning, completion)
        + _first(prices.request, Decimal(0))
    )
    return replace(usage, cost=cost * (1 - _first(prices.discount, Decimal(0))), cost_source="priced")


class PriceList:
    """The prices of models by their id.

    Args:
        prices: A table, or a catalogue; models without prices are as if they were not there.

    Raises:
        TypeError: They are neither.
    """

    def __init__(self, prices: Prices = ()) -> None:
        models = [_model(name, pricing) for name, pricing in prices.items()] if _is_table(prices) else [*prices]
        if not all(isinstance(model, ModelInfo) for model in cast("list[object]", models)):
            raise TypeError("prices must be a mapping of Pricing, or a list of ModelInfo")
        self._models = {m.id: m for m in models if m.prompt_price is not None and m.completion_price is not None}
        self._by_tail: dict[str, ModelInfo | None] = {}
        for model in self._models.values():
            name = _tail(model.id)
            known = self._by_tail.setdefault(name, model)
            if known is not None and known.pricing != model.pricing:
                self._by_tail[name] = None  # whose price it is, nobody can tell

    def find(self, *names: str | None) -> ModelInfo | None:
        """Return the first model of these names that has a price, if any has; else of those without their variants.

        A catalogue of another gateway may write a name otherwise: with the vendor in front, as in `anthropic/...`, with
        a dot for a dash, or without the date. A name that is then not clear has no price.
        """
        plain = [name for name in names if name]
        plain += [name.partition(":")[0] for name in plain]
        exact = next((self._models[name] for name in plain if name in self._models), None)
        tails = [tail for name in plain for tail in (_tail(name), _DATED.sub("", _tail(name)))]
        return exact or next((model for tail in tails if (model := self._by_tail.get(tail))), None)

    def priced(self, usage: Usage, *names: str | None) -> Usage:
        """Return a usage with its cost estimated, if it has none and one of the names has a price."""
        model = self.find(*names)
        return usage if model is None else estimate_cost(usage, model)

    def __len__(self) -> int:
        return len(self._models)


def _is_table(prices: Prices) -> TypeIs[Mapping[str, Pricing]]:
    return isinstance(prices, Mapping)


def _model(name: str, pricing: Pricing) -> ModelInfo:
    if not isinstance(cast("object", pricing), Pricing):
        raise TypeError(f"prices must be a mapping of Pricing, or a list of ModelInfo; {name} has neither")
    return ModelInfo(id=name, pricing=pricing)


def _tail(name: str) -> str:
    """Return a model's name without its vendor, in the one way to write it."""
    return name.rpartition("/")[2].lower().replace(".", "-")


def _written_for_an_hour(usage: Usage) -> int:
    """Return how many of the tokens that were written to a cache stay there for an hour, where the engine tells it."""
    return count(json_object(usage.raw.get("cache_creation")), "ephemeral_1h_input_tokens") or 0


def _first(price: Decimal | None, default: Decimal) -> Decimal:
    return default if price is None else price
