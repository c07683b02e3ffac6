"""Short names of models: where they are understood, and where an id is what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from ai_tests import ClientFactory, models_asked
from openai import AsyncOpenAI

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

pytestmark = pytest.mark.requirement("E04-T005.AC1")

ALIASES = {"fast": "openai/gpt-4o-mini", "smart": "openai/gpt-5"}


class Body(httpx2.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


async def test_aliases_of_ones_own(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(model_aliases=ALIASES, default_model="smart")
    await client.chat("Hi")
    await client.chat("Hi", model="fast:nitro")
    await client.chat("Hi", model="openai/fast")
    assert models_asked(fake_gateway) == ["openai/gpt-5", "openai/gpt-4o-mini:nitro", "openai/fast"]


async def test_aliases_of_fallbacks(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(model_aliases=ALIASES, fallback_models=["fast"])
    fake_gateway.error(503)
    await client.chat("Hi", model="a/b")
    fake_gateway.error(503, times=2)
    await client.chat("Hi", model="c/d", fallback_models=["smart:free", "e/f"])
    assert models_asked(fake_gateway) == ["a/b", "openai/gpt-4o-mini", "c/d", "openai/gpt-5:free", "e/f"]


async def test_aliases_among_the_models_that_the_gateway_tries(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    await new_client(model_aliases=ALIASES).chat("Hi", models=["fast", "a/b", "smart:free"])
    assert fake_gateway.requests[0].json["models"] == ["openai/gpt-4o-mini", "a/b", "openai/gpt-5:free"]


async def test_extra_body_is_sent_as_it_is(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    await new_client(model_aliases=ALIASES).chat("Hi", extra_body={"model": "fast"})
    assert models_asked(fake_gateway) == ["fast"]


async def test_a_fallback_client_of_another_gateway_uses_its_own(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    with FakeGateway() as second:
        fake_gateway.error(503)
        other = new_client(base_url=second.base_url, default_model="fast", model_aliases={"fast": "local/tiny"})
        await new_client(model_aliases=ALIASES, fallback_clients=[other]).chat("Hi", model="fast")
        assert (models_asked(fake_gateway), models_asked(second)) == (["openai/gpt-4o-mini"], ["local/tiny"])
        await other.aclose()


async def test_the_environment_names_aliases(
    monkeypatch: pytest.MonkeyPatch, new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    monkeypatch.setenv("AI_MODEL_ALIASES", "fast=a/b")
    await new_client(default_model=None).chat("Hi", model="fast")
    await new_client(default_model=None, model_aliases=ALIASES).chat("Hi", model="fast")
    assert models_asked(fake_gateway) == ["a/b", "openai/gpt-4o-mini"]


async def test_names_of_the_default_table_are_left_alone_at_other_gateways(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    await client.chat("Hi", model="gpt-4o")
    assert models_asked(fake_gateway) == ["gpt-4o"]


@pytest.mark.parametrize(("given", "sent"), [(None, "openai/gpt-4o"), ({}, "gpt-4o")], ids=["default", "none"])
async def test_the_default_table_is_understood_at_openrouter(given: dict[str, str] | None, sent: str) -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content)["model"])
        end = sse(chunk("Hi", finish_reason="stop")) + sse(chunk(choices=[], usage=usage())) + DONE
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(end))

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with AsyncOpenAI(api_key="k", base_url="https://openrouter.ai/api/v1", http_client=http_client) as theirs:
        await OpenRouterClient(openai_client=theirs, default_model="gpt-4o", model_aliases=given).chat("Hi")
    assert seen == [sent]


@pytest.mark.parametrize(
    ("aliases", "error"),
    [
        ("fast=a/b", TypeError),
        ({"fast": 1}, TypeError),
        ({1: "a/b"}, TypeError),
        ({"a/b": "c/d"}, ValueError),
        ({" ": "a/b"}, ValueError),
        ({"fast": ""}, ValueError),
    ],
    ids=repr,
)
def test_a_wrong_table_is_refused(aliases: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="model_aliases must"):
        OpenRouterClient("k", "https://gateway.example/v1", "m", model_aliases=aliases)


@pytest.mark.parametrize("model", [" ", 5])
async def test_a_model_that_is_none_is_refused(client: OpenRouterClient, model: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="model must"):
        client.stream_chat("Hi", model=model)
