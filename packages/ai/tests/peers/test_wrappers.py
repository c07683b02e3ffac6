"""A user's program with everything around its client, against servers that are not ours."""

from __future__ import annotations

import pytest

from raptscallions_ai import BudgetExceededError, OpenRouterClient
from raptscallions_ai.local import LocalGateway
from raptscallions_ai.wrappers import (
    Budget,
    BudgetedClient,
    CachedClient,
    LoggedClient,
    RateLimitedClient,
    RateLimiter,
    TracedClient,
    TrackedClient,
    memory_store,
)

pytestmark = [pytest.mark.requirement("E04-T005.AC9"), pytest.mark.timeout(240)]  # the first run downloads the model


async def test_a_model_is_asked_once_through_all_of_them(local_gateway: LocalGateway) -> None:
    model = OpenRouterClient(local_gateway.api_key, local_gateway.base_url, local_gateway.model)
    limited = RateLimitedClient(BudgetedClient(model, Budget(tokens=1000)), RateLimiter(max_concurrency=1))
    cached = CachedClient(TracedClient(LoggedClient(limited)), memory_store())
    async with TrackedClient(cached) as client:
        answers = [await client.chat("Name three fruits.", temperature=0, max_tokens=20) for _ in range(2)]
        total = client.get_usage()
    assert answers[0].content == answers[1].content != ""
    assert (total.calls, total.total_tokens) == (2, answers[0].usage.total_tokens)
    assert total.cost_source == "unknown"  # llama.cpp tells no prices


@pytest.mark.requirement("E04-T005.AC8")
async def test_a_model_is_stopped_when_its_budget_is_used_up(local_gateway: LocalGateway) -> None:
    model = OpenRouterClient(local_gateway.api_key, local_gateway.base_url, local_gateway.model)
    budget = Budget(tokens=30)
    async with BudgetedClient(model, budget) as client:
        with pytest.raises(BudgetExceededError) as caught:
            await client.chat("Tell me a long story.", temperature=0, max_tokens=200)
        assert caught.value.partial is not None
        assert 0 < len(caught.value.partial.content) < 400
        with pytest.raises(BudgetExceededError):
            await client.chat("And on.")
    assert budget.spent.requests == 1
