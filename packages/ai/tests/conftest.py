"""What the whole suite shares: a clean environment, clients of the fake gateway, and a watch on leaks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from raptscallions_ai import OpenRouterClient, reset_settings
from raptscallions_ai.testing import FakeGateway

ClientFactory = Callable[..., OpenRouterClient]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no variable and no `.env` of the machine reach a test."""
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_")) and name != "AI_LOCAL_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    reset_settings()


@pytest_asyncio.fixture
async def new_client(fake_gateway: FakeGateway) -> AsyncIterator[ClientFactory]:
    """A maker of clients of the fake gateway, without retries unless asked for; it closes them, and checks for leaks."""
    clients: list[OpenRouterClient] = []

    def make(**options: object) -> OpenRouterClient:
        arguments: dict[str, object] = {
            "api_key": fake_gateway.api_key,
            "base_url": fake_gateway.base_url,
            "default_model": fake_gateway.model,
            "max_retries": 0,
            "timeout": 20.0,
        }
        client = OpenRouterClient(**{**arguments, **options})  # pyright: ignore[reportArgumentType] - keywords of one call
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
    await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    here = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not here and not task.done()] == []


@pytest_asyncio.fixture
async def client(new_client: ClientFactory) -> OpenRouterClient:
    """A client of the fake gateway that does not retry."""
    return new_client()
