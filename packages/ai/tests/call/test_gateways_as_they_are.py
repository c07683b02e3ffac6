"""What gateways want that is not in OpenAI's own API: deployments in the path, and no `stream_options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from openai import AsyncAzureOpenAI

from raptscallions_ai import ChatResult, OpenRouterClient
from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_ai.wrappers import CachedClient, memory_store

ClientFactory = Callable[..., OpenRouterClient]


class AzureGateway(FakeGateway):
    """Knows one deployment, and answers nowhere else."""

    prefix = "/openai"
    chat_path = "/deployments/my-deployment/chat/completions"


@pytest.mark.requirement("E04-T021.AC3")
@pytest.mark.parametrize("bound", [None, "my-deployment"])
async def test_an_azure_client_of_ones_own_finds_its_deployment(bound: str | None) -> None:
    with AzureGateway() as gateway:
        gateway.stream("Hi", times=None)
        endpoint = gateway.base_url.removesuffix("/openai")
        sdk = AsyncAzureOpenAI(
            azure_endpoint=endpoint, api_key="azure-key", api_version="2026-01-01", azure_deployment=bound
        )
        async with sdk:
            client = OpenRouterClient(default_model="my-deployment", openai_client=sdk)
            assert (await client.chat("Hi")).content == "Hi"
        request = gateway.requests[0]
    assert request.headers["api-key"] == "azure-key"
    assert request.query["api-version"] == "2026-01-01"


@pytest.mark.parametrize("asked", [True, False])
async def test_stream_options_can_be_left_out(
    new_client: ClientFactory, fake_gateway: FakeGateway, asked: bool
) -> None:
    fake_gateway.stream("Hi")
    await new_client().chat("Hi", extra_body={} if asked else {"stream_options": None})
    body = cast("dict[str, Any]", fake_gateway.requests[0].json)
    assert ("stream_options" in body) is asked


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (ChatResult(content="Half", finish_reason="length"), False),
        (ChatResult(content="Filtered", finish_reason="content_filter"), False),
        (ChatResult(finish_reason="stop"), False),
        (ChatResult(refusal="I cannot.", finish_reason="stop"), False),
        (ChatResult(content="Whole", finish_reason="stop"), True),
        (ChatResult(content="Whole", finish_reason="end_turn"), True),
    ],
)
async def test_a_cache_keeps_good_answers_only(answer: ChatResult, kept: bool) -> None:
    inner = ScriptedClient(answer, ChatResult(content="The second", finish_reason="stop"))
    cached = CachedClient(inner, memory_store())
    assert (await cached.chat("Hi")).content == answer.content
    assert (await cached.chat("Hi")).content == (answer.content if kept else "The second")
