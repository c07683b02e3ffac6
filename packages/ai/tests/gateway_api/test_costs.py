"""What tokens cost by a catalogue's prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai import Usage
from raptscallions_ai.gateway_api.costs import PriceList
from raptscallions_ai.gateway_api.pricing import PricingOverride, read_pricing
from raptscallions_ai.models import ModelInfo
from raptscallions_ai.prices import Pricing, estimate_cost

pytestmark = pytest.mark.requirement("E04-T005.AC8")
RAW = {"prompt_tokens": 1}


def model(**prices: str) -> ModelInfo:
    return ModelInfo(id="m/1", pricing=read_pricing({"prompt": "0.000002", "completion": "0.00001", **prices}))


def test_tokens_cost_what_the_catalogue_says() -> None:
    usage = estimate_cost(Usage(1000, 100, 1100, raw=RAW), model())
    assert (usage.cost, usage.cost_source, usage.total_tokens) == (Decimal("0.003"), "priced", 1100)


def test_cached_tokens_and_requests_have_prices_of_their_own() -> None:
    usage = Usage(1000, 0, 1000, cached_tokens=600, cache_write_tokens=100, raw=RAW)
    priced = estimate_cost(usage, model(input_cache_read="0.0000002", input_cache_write="0.000004", request="0.01"))
    assert priced.cost == Decimal("0.0006") + Decimal("0.00012") + Decimal("0.0004") + Decimal("0.01")
    assert estimate_cost(usage, model()).cost == Decimal("0.002")
    assert estimate_cost(usage, model(input_cache_read="-1", input_cache_write="?")).cost == Decimal("0.002")


def test_reasoning_has_a_price_of_its_own_and_a_discount_is_for_all() -> None:
    usage = Usage(0, 100, 100, reasoning_tokens=60, raw=RAW)
    assert estimate_cost(usage, model(internal_reasoning="0.00002")).cost == Decimal("0.0004") + Decimal("0.0012")
    assert estimate_cost(usage, model(discount="0.25")).cost == Decimal("0.00075")


def test_prices_that_hold_for_long_conversations_are_used_for_them() -> None:
    dear = PricingOverride({"prompt": Decimal(1)}, min_prompt_tokens=100)
    info = ModelInfo(id="m/1", pricing=Pricing(prompt=Decimal(0), completion=Decimal(0), overrides=(dear,)))
    assert [estimate_cost(Usage(size, 0, size, raw=RAW), info).cost for size in (100, 101)] == [0, 101]


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
    assert prices.find("m/2:nitro") is free
    assert prices.find("m/2:nitro", "m/1") is not free


def test_what_is_cached_for_an_hour_has_its_own_price() -> None:
    written = {**RAW, "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30}}
    usage = Usage(40, 0, 40, cache_write_tokens=40, raw=written)
    assert estimate_cost(usage, model(input_cache_write="1", input_cache_write_1h="2")).cost == 10 + 60
    assert estimate_cost(usage, model(input_cache_write="1")).cost == 40


CATALOGUE = [
    ModelInfo(id="anthropic/claude-sonnet-4.5", pricing=Pricing(prompt=Decimal(1), completion=Decimal(1))),
    ModelInfo(id="one/twin", pricing=Pricing(prompt=Decimal(2), completion=Decimal(2))),
    ModelInfo(id="other/twin", pricing=Pricing(prompt=Decimal(3), completion=Decimal(3))),
]


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("anthropic/claude-sonnet-4.5", 1),
        ("claude-sonnet-4-5", 1),
        ("claude-sonnet-4-5-20250929", 1),
        ("claude-sonnet-4-5-latest", 1),
        ("claude-sonnet-4-5-fast", None),
        ("one/twin", 2),
        ("twin", None),
    ],
)
def test_a_catalogue_of_another_gateway_is_read_where_it_is_clear(name: str, price: int | None) -> None:
    found = PriceList(CATALOGUE).find(name)
    assert (None if found is None else found.prompt_price) == price


@pytest.mark.parametrize("prices", [{"m": 3}, [3], "m"])
def test_what_is_no_price_is_told(prices: Any) -> None:
    with pytest.raises(TypeError, match="prices must be"):
        PriceList(prices)
