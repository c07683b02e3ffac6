"""Fallbacks cross engines, before the first token and after it, and what all of them used is one sum."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from raptscallions_ai import AsyncAnthropicClient, AsyncOllamaClient, OpenRouterClient, StreamInterruptedError
from raptscallions_ai.testing import Cut, FakeAnthropic, FakeGateway, FakeOllama, chunk, sse, usage

pytestmark = pytest.mark.requirement("E04-T025.AC2")


@pytest_asyncio.fixture
async def client(
    anthropic: FakeAnthropic, fake_gateway: FakeGateway, ollama: FakeOllama
) -> AsyncIterator[AsyncAnthropicClient]:
    """Claude; where it fails OpenRouter, and where that fails, too, a model on this machine."""
    router: dict[str, Any] = {"base_url": fake_gateway.base_url, "default_model": fake_gateway.model, "max_retries": 0}
    async with (
        OpenRouterClient(fake_gateway.api_key, **router) as second,
        AsyncOllamaClient(host=ollama.base_url, max_retries=0) as third,
        AsyncAnthropicClient(
            anthropic.api_key,
            base_url=anthropic.base_url,
            fallback_clients=[second, third],
            max_retries=0,
            on_interrupt="restart",
        ) as client,
    ):
        yield client


@pytest.mark.usefixtures("short_delays")
async def test_before_and_after_the_first_token(
    client: AsyncAnthropicClient,
    anthropic: FakeAnthropic,
    fake_gateway: FakeGateway,
    ollama: FakeOllama,
) -> None:
    anthropic.error(529, "Overloaded", times=None)
    broken = chunk(choices=[], error={"code": 502, "message": "Upstream failed"}, usage=usage(7, 3, cost=0.5))
    fake_gateway.reply(sse(chunk("Onc")), sse(broken)).error(503, "Busy", times=None)
    ollama.stream("Hello")
    chunks = [piece async for piece in client.stream_chat("Hi")]
    assert [piece.type for piece in chunks] == ["content", "restarted", "content", "done"]
    result = chunks[-1].result if chunks[-1].type == "done" else pytest.fail()
    assert result.content == "Hello"
    # An answer that broke off is asked for once more where it came from.
    asked = [anthropic.base_url, fake_gateway.base_url, fake_gateway.base_url, ollama.base_url]
    assert [attempt.gateway for attempt in result.attempts] == asked
    assert [attempt.error for attempt in result.attempts] == ["ProviderError"] * 3 + [None]
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (7 + 10, 3 + 1)
    assert result.usage.cost == Decimal("0.5")
    assert result.usage.cost_source == "unknown"  # of Ollama nobody tells what it cost


@pytest.mark.usefixtures("short_delays")
async def test_what_an_engine_had_begun_is_on_the_error_when_all_fail(
    client: AsyncAnthropicClient, anthropic: FakeAnthropic, fake_gateway: FakeGateway, ollama: FakeOllama
) -> None:
    anthropic.error(529, "Overloaded", times=None)
    fake_gateway.error(503, "Busy", times=None)
    ollama.reply(sse(chunk("Hel")), Cut(), times=None)
    with pytest.raises(StreamInterruptedError) as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "Hel"
    assert {attempt.gateway for attempt in caught.value.attempts} == {
        anthropic.base_url,
        fake_gateway.base_url,
        ollama.base_url,
    }
