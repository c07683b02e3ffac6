"""Without asyncio's event loop it is said at once what is missing, and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from raptscallions_ai import AiError, OpenRouterClient, SyncOpenRouterClient
from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_ai.wrappers import HookedClient

pytestmark = pytest.mark.requirement("E04-T015.AC2")


async def read(client: Any) -> None:
    async for _ in client.stream_chat("Hi"):
        pass


async def enter(client: Any) -> None:
    async with client, client.stream_chat("Hi"):
        pass


CALLS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "chat": lambda client: client.chat("Hi"),
    "stream_chat": read,
    "a with block": enter,
    "run_tools": lambda client: client.run_tools("Hi", tools=[{"type": "openrouter:web_search"}]).result(),
    "models": lambda client: client.models(),
    "generation": lambda client: client.generation("gen-1"),
    "warm_up": lambda client: client.warm_up(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_under_trio_it_is_told_at_once(fake_gateway: FakeGateway, call: Callable[[Any], Awaitable[object]]) -> None:
    async def main() -> None:
        client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m")
        with pytest.raises(AiError, match="no asyncio event loop here.*trio.to_thread.run_sync"):
            await call(client)
        await client.aclose()

    trio.run(main)
    assert fake_gateway.requests == []


def test_so_it_is_for_wrappers() -> None:
    with pytest.raises(AiError, match="no asyncio event loop here"):
        trio.run(read, HookedClient(ScriptedClient("Hello")))


def test_what_it_advises_works(fake_gateway: FakeGateway) -> None:
    async def main() -> str:
        with SyncOpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m", max_retries=0) as client:
            return (await trio.to_thread.run_sync(client.chat, "Hi")).content

    assert trio.run(main) == "Hello from the fake gateway."
