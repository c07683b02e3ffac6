"""What the suite of bulk runs shares: a clean environment, a gateway with books, and clients of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from raptscallions_ai import OpenRouterClient, reset_settings
from raptscallions_bulk.testing import BillingGateway

NewGateway = Callable[..., BillingGateway]
NewClient = Callable[[BillingGateway], OpenRouterClient]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the machine reach a test."""
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_")) and name != "AI_LOCAL_CACHE_DIR":
            monkeypatch.delenv(name)
    reset_settings()


@pytest.fixture
def new_gateway() -> Iterator[NewGateway]:
    """A maker of gateways with books, which end with the test."""
    gateways: list[BillingGateway] = []

    def make(**options: Any) -> BillingGateway:
        gateway = BillingGateway(**options)
        gateway.__enter__()
        gateways.append(gateway)
        return gateway

    yield make
    for gateway in gateways:
        gateway.__exit__(None, None, None)


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """A maker of clients of such a gateway."""
    clients: list[OpenRouterClient] = []

    def make(gateway: BillingGateway) -> OpenRouterClient:
        clients.append(OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
