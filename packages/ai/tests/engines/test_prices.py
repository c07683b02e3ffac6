"""Prices of the caller's own, for engines that tell no cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ai_tests import cut_off

from raptscallions_ai import OpenRouterClient, StreamInterruptedError
from raptscallions_ai.client.anthropic import AsyncAnthropicClient
from raptscallions_ai.client.openai_compat import AsyncOpenAICompatClient
from raptscallions_ai.prices import Pricing
from raptscallions_ai.sync.engines import AnthropicClient
from raptscallions_ai.testing import FakeAnthropic, FakeGateway, usage
from raptscallions_ai.wrappers import Budget, BudgetedClient

pytestmark = pytest.mark.requirement("E04-T026.AC2")

PRICES = {"claude-fake-1": Pricing(prompt=Decimal("0.01"), completion=Decimal("0.1"))}


def claude(anthropic: FakeAnthropic, **options: Any) -> AsyncAnthropicClient:
    return AsyncAnthropicClient(anthropic.api_key, anthropic.model, base_url=anthropic.base_url, **options)


async def test_without_prices_the_cost_is_unknown(anthropic: FakeAnthropic) -> None:
    async with claude(anthropic) as client:
        told = (await client.chat("Hi")).usage
    assert (told.cost, told.cost_source) == (None, "unknown")


async def test_with_prices_it_is_priced_and_says_so(anthropic: FakeAnthropic) -> None:
    anthropic.stream("Hi", usage=usage(10, 2, prompt_tokens_details={"cached_tokens": 0}))
    async with claude(anthropic, prices=PRICES) as client:
        result = await client.chat("Hi")
    assert (result.usage.cost, result.usage.cost_source) == (Decimal("0.30"), "priced")
    assert [attempt.usage and attempt.usage.cost for attempt in result.attempts] == [Decimal("0.30")]


async def test_a_model_without_a_price_is_unknown(anthropic: FakeAnthropic) -> None:
    async with claude(anthropic, prices={"another": PRICES["claude-fake-1"]}) as client:
        assert (await client.chat("Hi")).usage.cost is None


async def test_a_catalogue_will_do_and_a_cost_that_is_told_wins(fake_gateway: FakeGateway) -> None:
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as router:
        catalogue = await router.models()
    (listed,) = [model for model in catalogue if model.id == fake_gateway.model]
    assert listed.prompt_price is not None and listed.completion_price is not None
    url, key = fake_gateway.base_url, fake_gateway.api_key
    async with AsyncOpenAICompatClient(key, url, fake_gateway.model, prices=catalogue) as client:
        fake_gateway.stream("Hi", usage=usage(100, 10, cost=None))
        priced = (await client.chat("Hi")).usage
        fake_gateway.stream("Hi", usage=usage(100, 10, cost=0.5))
        told = (await client.chat("Hi")).usage
    assert priced.cost == 100 * listed.prompt_price + 10 * listed.completion_price
    assert (told.cost, told.cost_source) == (Decimal("0.5"), "reported")


async def test_each_engine_of_a_call_is_priced_by_its_own(anthropic: FakeAnthropic, fake_gateway: FakeGateway) -> None:
    anthropic.add(cut_off("Once", usage=usage(10, 1)))
    fake_gateway.stream("There", usage=usage(10, 1, cost=0.25))
    async with (
        OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as router,
        claude(anthropic, prices=PRICES, fallback_clients=[router], max_retries=0) as client,
    ):
        result = await client.chat("Hi", on_interrupt="restart")
    assert [attempt.error for attempt in result.attempts][-1] is None
    assert result.attempts[0].usage is not None
    assert result.attempts[0].usage.cost_source == "priced"
    assert result.usage.cost_source == "priced"
    assert result.usage.cost == sum(attempt.usage.cost or 0 for attempt in result.attempts if attempt.usage)


async def test_what_arrived_of_a_failure_is_priced(anthropic: FakeAnthropic) -> None:
    anthropic.add(cut_off("Once", usage=usage(10, 1)))
    async with claude(anthropic, prices=PRICES) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.usage.cost_source == "priced"


async def test_budgets_count_it(anthropic: FakeAnthropic) -> None:
    budget = Budget(cost=5)
    async with BudgetedClient(claude(anthropic, prices=PRICES), budget) as client:
        result = await client.chat("Hi")
    assert budget.spent.cost == result.usage.cost


def test_without_await(anthropic: FakeAnthropic) -> None:
    with AnthropicClient(anthropic.api_key, anthropic.model, base_url=anthropic.base_url, prices=PRICES) as client:
        assert client.chat("Hi").usage.cost_source == "priced"


def test_wrong_prices_are_told_at_once(anthropic: FakeAnthropic) -> None:
    with pytest.raises(TypeError, match="prices must be"):
        claude(anthropic, prices={"claude-fake-1": 3})
