"""What a model costs, from the gateway's catalogue."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.fields import count, names, price
from raptscallions_ai._dialects.json import json_list, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Pricing", "PricingOverride", "read_pricing"]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CONDITIONS = frozenset({"min_prompt_tokens", "utc_start", "utc_end", "utc_days"})


@dataclass(frozen=True, slots=True)
class PricingOverride:
    """Prices that hold under conditions: all that are given must be met (OpenRouter, "Pricing Overrides").

    Attributes:
        prices: The prices that differ, by their field of `Pricing`.
        min_prompt_tokens: For requests of more tokens than this.
        utc_start: From this time of day on, in UTC, as hours times 100 plus minutes.
        utc_end: Until before this time of day; one that is not after `utc_start` is on the next day.
        utc_days: On these days of the week, in UTC and in English lower case; empty forevery day.
    """

    prices: Mapping[str, Decimal]
    min_prompt_tokens: int | None = None
    utc_start: int | None = None
    utc_end: int | None = None
    utc_days: tuple[str, ...] = ()

    def applies(self, *, prompt_tokens: int, when: datetime) -> bool:
        """Whether these prices hold for a request of so many tokens at a time, which is in UTC."""
        if self.min_prompt_tokens is not None and prompt_tokens <= self.min_prompt_tokens:
            return False
        if self.utc_days and _DAYS[when.weekday()] not in self.utc_days:
            return False
        if self.utc_start is None or self.utc_end is None:
            return True
        now, start, end = 100 * when.hour + when.minute, self.utc_start, self.utc_end
        return start <= now < end if start < end else now >= start or now < end


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices in USD, exact; None if the gateway reports none.

    Attributes:
        prompt: For a token of the conversation.
        completion: For a token of the answer.
        request: For a request, whatever its size.
        image: For an image in the conversation.
        web_search: For a web search.
        internal_reasoning: For a token of reasoning, where it differs from `completion`.
        input_cache_read: For a token of the conversation that is read from a cache.
        input_cache_write: For a token of the conversation that is written to a cache.
        input_cache_write_1h: For one that stays there for an hour, where that differs from `input_cache_write`.
        discount: The part that a provider takes off, 0 to 1; the other prices are without it.
        overrides: Prices that hold under conditions instead; `at` applies them.
    """

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    image: Decimal | None = None
    web_search: Decimal | None = None
    internal_reasoning: Decimal | None = None
    input_cache_read: Decimal | None = None
    input_cache_write: Decimal | None = None
    input_cache_write_1h: Decimal | None = None
    discount: Decimal | None = None
    overrides: tuple[PricingOverride, ...] = ()

    def at(self, *, prompt_tokens: int, when: datetime) -> Pricing:
        """Return the prices of a request: these, with those overrides that apply to it in their place.

        Args:
            prompt_tokens: How many tokens the request has.
            when: The time at which it is made; one without a zone is taken to be in UTC.
        """
        from datetime import UTC

        when = when.astimezone(UTC) if when.tzinfo is not None else when
        prices: dict[str, Any] = {}
        for override in self.overrides:
            if override.applies(prompt_tokens=prompt_tokens, when=when):
                prices |= override.prices
        return replace(self, overrides=(), **prices)


_PRICES = tuple(field.name for field in fields(Pricing) if field.name not in ("overrides", "discount"))


def read_pricing(value: object) -> Pricing:
    """Return a `pricing` object of a catalogue as `Pricing`."""
    entry = json_object(value)
    overrides = [_override(json_object(each)) for each in json_list(entry.get("overrides"))]
    return Pricing(
        **_prices(entry),
        discount=price(entry, "discount"),
        overrides=tuple(override for override in overrides if override is not None),
    )


def _override(entry: Mapping[str, object]) -> PricingOverride | None:
    """Read an override; one with a condition of a kind that is new must not be applied (OpenRouter)."""
    prices = _prices(entry)
    if not prices or entry.keys() - _CONDITIONS - set(_PRICES):
        return None
    return PricingOverride(
        prices,
        min_prompt_tokens=count(entry, "min_prompt_tokens"),
        utc_start=count(entry, "utc_start"),
        utc_end=count(entry, "utc_end"),
        utc_days=names(entry, "utc_days"),
    )


def _prices(entry: Mapping[str, object]) -> dict[str, Decimal]:
    return {name: value for name in _PRICES if (value := price(entry, name)) is not None}
