"""Clients around clients: each adds one feature, is a `ChatClient` itself, and can be nested in any order.

::

    budget = Budget(cost="0.50")
    async with TrackedClient(BudgetedClient(OpenRouterClient(), budget)) as client:
        await client.chat("Why is the sky blue?")
        print(client.get_usage().cost)
"""

from __future__ import annotations

from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.budget import Amount, Budget
from raptscallions_ai.wrappers.budgeted import BudgetedClient
from raptscallions_ai.wrappers.cached import CachedClient
from raptscallions_ai.wrappers.call import ChatCall
from raptscallions_ai.wrappers.hooked import BeforeCall, HookedClient
from raptscallions_ai.wrappers.limited import RateLimitedClient, RateLimiter
from raptscallions_ai.wrappers.logged import LoggedClient
from raptscallions_ai.wrappers.redis_script import RedisAwayError
from raptscallions_ai.wrappers.shared_budget import SharedBudget
from raptscallions_ai.wrappers.shared_limiter import SharedRateLimiter
from raptscallions_ai.wrappers.source import AroundSource
from raptscallions_ai.wrappers.stores import disk_store, memory_store
from raptscallions_ai.wrappers.traced import TracedClient
from raptscallions_ai.wrappers.tracked import TrackedClient, TrackedUsage, UsageTotals, UsageTracker

__all__ = [
    # money
    "Budget",
    "BudgetedClient",
    "Amount",
    "TrackedClient",
    "TrackedUsage",
    "UsageTotals",
    "UsageTracker",
    # comfort
    "CachedClient",
    "disk_store",
    "memory_store",
    "HookedClient",
    "BeforeCall",
    "LoggedClient",
    "RateLimitedClient",
    "RateLimiter",
    "TracedClient",
    # for many processes
    "SharedBudget",
    "SharedRateLimiter",
    "RedisAwayError",
    # to build one
    "WrappedClient",
    "AroundSource",
    "ChatCall",
]
