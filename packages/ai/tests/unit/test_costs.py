"""What tokens cost by a catalogue's prices."""

from __future__ import annotations

from decimal import Decimal

import pytest

from raptscallions_ai import ModelInfo, Pricing, Usage, estimate_cost
from raptscallions_ai.costs import PriceList

pytestmark = pytest.mark.requirement("E04-T005.AC8")
RAW = {"prompt_tokens": 1}


def model(**pricing: str) -> ModelInfo:
    return ModelInfo(
        id="m/1", pricing=Pricing(prompt=Decimal("0.000002"), completion=Decimal("0.00001")), raw={"pricing": pricing}
    )


def test_tokens_cost_what_the_catalogue_says() -> None:
    usage = estimate_cost(Usage(1000, 100, 1100, raw=RAW), model())
    assert (usage.cost, usage.cost_source, usage.total_tokens) == (Decimal("0.003"), "priced", 1100)


def test_cached_tokens_and_requests_have_prices_of_their_own() -> None:
    usage = Usage(1000, 0, 1000, cached_tokens=600, cache_write_tokens=100, raw=RAW)
    priced = estimate_cost(usage, model(input_cache_read="0.0000002", input_cache_write="0.000004", request="0.01"))
    assert priced.cost == Decimal("0.0006") + Decimal("0.00012") + Decimal("0.0004") + Decimal("0.01")
    assert estimate_cost(usage, model()).cost == Decimal("0.002")
    assert estimate_cost(usage, model(input_cache_read="-1", input_cache_write="?")).cost == Decimal("0.002")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(1, 1, 2, cost=Decimal("0.5"), cost_source="reported", raw=RAW),
        Usage(),
        Usage(1, 1, 2, cost=Decimal("0.5"), raw=RAW),
    ],
    ids=["reported", "no tokens known", "partly known"],
)
def test_what_is_known_is_kept(usage: Usage) -> None:
    assert estimate_cost(usage, model()) is usage


def test_a_model_without_a_price_says_nothing() -> None:
    usage = Usage(1, 1, 2, raw=RAW)
    assert estimate_cost(usage, ModelInfo(id="m/1", pricing=Pricing(prompt=Decimal(1)))) is usage


def test_a_price_list_finds_the_first_name_that_has_a_price() -> None:
    free = ModelInfo(id="m/2", pricing=Pricing(prompt=Decimal(0), completion=Decimal(0)))
    prices = PriceList([model(), free, ModelInfo(id="m/3")])
    assert len(prices) == 2
    assert prices.find("m/1-2026", None, "m/2") is free
    assert prices.find("m/3", None) is None
