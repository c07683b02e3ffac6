"""Fixtures for pytest, registered as an entry point: `fake_gateway`, `ai_client` and `scripted_client`.

pytest imports this module in every run of everyone who has the package installed, so it imports nothing of
weight before a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raptscallions_ai.client import OpenRouterClient
    from raptscallions_ai.testing.gateway import FakeGateway
    from raptscallions_ai.testing.scripted import ScriptedClient

__all__ = ["ai_client", "fake_gateway", "scripted_client"]


@pytest.fixture
def fake_gateway() -> Iterator[FakeGateway]:
    """A running `FakeGateway`, one for each test; for sync and async tests."""
    from raptscallions_ai.testing.gateway import FakeGateway

    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
def ai_client(fake_gateway: FakeGateway) -> Iterator[OpenRouterClient]:
    """An `OpenRouterClient` that talks to `fake_gateway` and does not retry; closed after the test."""
    from raptscallions_ai.client import OpenRouterClient

    client = OpenRouterClient(
        api_key=fake_gateway.api_key,
        base_url=fake_gateway.base_url,
        default_model=fake_gateway.model,
        max_retries=0,
    )
    yield client
    _close(client)


@pytest.fixture
def scripted_client() -> type[ScriptedClient]:
    """The class `ScriptedClient`, to be called with scripts: `scripted_client(["Hello", " world"])`."""
    from raptscallions_ai.testing.scripted import ScriptedClient

    return ScriptedClient


def _close(client: OpenRouterClient) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # In a thread of its own: whichever async plugin the user has, its loop and its policy stay as they are.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, client.aclose()).result()
