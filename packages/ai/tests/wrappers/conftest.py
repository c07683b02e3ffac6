"""The wrappers, alone and in compositions, for the tests of what holds for all of them."""

from __future__ import annotations

import pytest
from ai_tests import Wrap

from raptscallions_ai import ChatClient
from raptscallions_ai.wrappers import (
    Budget,
    BudgetedClient,
    CachedClient,
    HookedClient,
    LoggedClient,
    RateLimitedClient,
    RateLimiter,
    TracedClient,
    TrackedClient,
    WrappedClient,
    memory_store,
)

WRAPPERS: dict[str, Wrap] = {
    "nothing": WrappedClient,
    "tracked": TrackedClient,
    "budgeted": lambda client: BudgetedClient(client, Budget(cost=100, tokens=10**6, requests=1000)),
    "limited": lambda client: RateLimitedClient(
        client, RateLimiter(requests_per_minute=10**6, tokens_per_minute=10**9, max_concurrency=100)
    ),
    "cached": lambda client: CachedClient(client, memory_store()),
    "hooked": lambda client: HookedClient(client, before_call=lambda call: call, on_chunk=lambda call, chunk: None),
    "logged": LoggedClient,
    "traced": TracedClient,
}


def nested(*names: str) -> Wrap:
    """Return what puts one wrapper around another; the first name is the outermost."""

    def wrap(client: ChatClient) -> WrappedClient:
        wrapped = client
        for name in reversed(names):
            wrapped = WRAPPERS[name](wrapped)
        assert isinstance(wrapped, WrappedClient)
        return wrapped

    return wrap


_ALL = [name for name in WRAPPERS if name != "nothing"]
COMPOSITIONS = {" > ".join(names): nested(*names) for names in (_ALL, _ALL[::-1], _ALL[::2] + _ALL[1::2])}


@pytest.fixture(params=[*WRAPPERS, *COMPOSITIONS])
def wrap(request: pytest.FixtureRequest) -> Wrap:
    """Each wrapper, and compositions of them."""
    return (WRAPPERS | COMPOSITIONS)[request.param]
