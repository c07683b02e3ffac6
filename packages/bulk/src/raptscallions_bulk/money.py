"""What rows cost: exact sums, and the most that a request can cost before anybody tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from raptscallions_ai import Usage
from raptscallions_ai.models import ModelInfo

__all__ = ["Price", "amount_of", "price_from", "price_of", "to_decimal", "to_pico"]

_PICO = Decimal(10) ** 12
_MILLION = 1_000_000


def to_pico(usd: Decimal) -> int:
    """Return an amount in picodollars, the unit of the journal; what is smaller is rounded up."""
    return int((usd * _PICO).to_integral_value(ROUND_CEILING))


def to_decimal(pico: int) -> Decimal:
    """Return picodollars in USD, without zeros at the end."""
    usd = (Decimal(pico) / _PICO).normalize()
    return usd.quantize(Decimal(1)) if usd == usd.to_integral_value() else usd


def amount_of(usd: Decimal | str | float, name: str) -> Decimal:
    """Return an amount of USD that a person gave.

    Raises:
        ValueError: It is none, or less than 0.
    """
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{name} must be an amount of USD, 0 or more, not {usd!r}")
    return amount


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs at most.

    Args:
        prompt: USD for a million tokens of a request.
        completion: USD for a million tokens of an answer.
        request: USD for a request, whatever its size.

    Raises:
        ValueError: One of them is no amount.
    """

    prompt: Decimal | str | float
    completion: Decimal | str | float
    request: Decimal | str | float = 0

    def __post_init__(self) -> None:
        for name in ("prompt", "completion", "request"):
            amount_of(getattr(self, name), name)

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return not any(amount_of(one, "price") for one in (self.prompt, self.completion, self.request))

    def most(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Return what so many tokens cost, in picodollars."""
        prompt, completion = amount_of(self.prompt, "prompt"), amount_of(self.completion, "completion")
        tokens = prompt * prompt_tokens + completion * completion_tokens
        return to_pico(tokens / _MILLION + amount_of(self.request, "request"))

    @property
    def tariff(self) -> tuple[int, int, int]:
        """The price of a token of the request, of one of the answer, and of a request, in picodollars, rounded up."""
        return self.most(1, 0) - self.most(0, 0), self.most(0, 1) - self.most(0, 0), self.most(0, 0)

    def of(self, usage: Usage) -> int:
        """Return what a usage costs, in picodollars."""
        return self.most(usage.prompt_tokens, usage.completion_tokens)


def price_of(usage: Usage, tariff: tuple[int, int, int] | None) -> int:
    """Return what a usage cost, in picodollars: as the gateway reported, else by a tariff, else nothing.

    Args:
        usage: The usage.
        tariff: Picodollars for a token of the request, a token of the answer, and a request; None if unknown.
    """
    if usage.cost is not None:
        return to_pico(usage.cost)
    if tariff is None:
        return 0
    prompt, completion, request = tariff
    return prompt * usage.prompt_tokens + completion * usage.completion_tokens + request


def price_from(models: Iterable[ModelInfo], model: str) -> Price | None:
    """Return the price of a model by a gateway's list; None if it does not tell any.

    Of prices that depend on time or size, and of reading or writing a cache, the highest is taken.
    """
    found = next((one for one in models if one.id == model), None)
    found = found or next((one for one in models if one.id == model.partition(":")[0]), None)
    if found is None or found.pricing.prompt is None or found.pricing.completion is None:
        return None
    pricing = found.pricing
    overrides = [override.prices for override in pricing.overrides]

    def highest(*names: str) -> Decimal:
        told = [getattr(pricing, name) for name in names]
        told += [prices.get(name) for prices in overrides for name in names]
        return max((price for price in told if price is not None), default=Decimal(0))

    return Price(
        highest("prompt", "input_cache_write") * _MILLION,
        highest("completion", "internal_reasoning") * _MILLION,
        highest("request"),
    )
