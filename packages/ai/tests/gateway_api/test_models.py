"""`models` and `model`: what is told of each, which are listed, and how often the gateway is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import ModelNotAvailableError, OpenRouterClient, ProviderError
from raptscallions_ai.models import ModelFilter, ModelInfo, filter_models
from raptscallions_ai.prices import Pricing
from raptscallions_ai.testing import FakeGateway, Gate, json_reply

pytestmark = pytest.mark.requirement("E04-T005.AC7")

MODELS = "/api/v1/models"
RECORDINGS = Path(__file__).parents[1] / "fixtures" / "discovery"

SONNET: dict[str, Any] = {
    "id": "anthropic/claude-sonnet-4",
    "canonical_slug": "anthropic/claude-4-sonnet-20250522",
    "name": "Anthropic: Claude Sonnet 4",
    "created": 1_747_930_371,
    "description": "A model.",
    "context_length": 1_000_000,
    "architecture": {
        "input_modalities": ["image", "text", "file"],
        "output_modalities": ["text"],
        "tokenizer": "Claude",
    },
    "pricing": {
        "prompt": "0.000003",
        "completion": "0.000015",
        "request": "0",
        "image": "0.0048",
        "web_search": "0.01",
        "internal_reasoning": "0.000015",
        "input_cache_read": "0.0000003",
        "input_cache_write": "0.00000375",
        "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000006", "completion": "0.0000225"}],
    },
    "top_provider": {"context_length": 1_000_000, "max_completion_tokens": 64_000, "is_moderated": True},
    "supported_parameters": ["max_tokens", "reasoning", "tools"],
    "default_parameters": {"temperature": 0.7},
    "reasoning": {
        "supported_efforts": ["high", "medium", "low"],
        "default_effort": "medium",
        "default_enabled": False,
        "supports_max_tokens": True,
        "mandatory": False,
    },
    "expiration_date": "2027-05-14",
}


def asked(gateway: FakeGateway) -> list[str]:
    return [request.path.removeprefix("/api/v1") for request in gateway.requests]


async def test_everything_that_openrouter_tells_is_typed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", MODELS).json({"data": [SONNET]})
    (model,) = await client.models()
    assert (model.id, model.name) == ("anthropic/claude-sonnet-4", "Anthropic: Claude Sonnet 4")
    assert model.canonical_slug == "anthropic/claude-4-sonnet-20250522"
    assert model.created == datetime(2025, 5, 22, 16, 12, 51, tzinfo=UTC)
    assert model.description == "A model."
    assert (model.context_length, model.max_completion_tokens) == (1_000_000, 64_000)
    assert model.input_modalities == ("image", "text", "file")
    assert model.output_modalities == ("text",)
    assert model.tokenizer == "Claude"
    assert model.supported_parameters == ("max_tokens", "reasoning", "tools")
    assert model.default_parameters == {"temperature": 0.7}
    assert model.is_moderated is True
    assert model.expires == datetime(2027, 5, 14, tzinfo=UTC)
    assert model.raw == SONNET
    assert model.reasoning is not None
    assert model.reasoning.supported_efforts == ("high", "medium", "low")
    assert (model.reasoning.default_effort, model.reasoning.default_enabled) == ("medium", False)
    assert (model.reasoning.supports_max_tokens, model.reasoning.mandatory) == (True, False)
    prices = model.pricing
    assert (model.prompt_price, model.completion_price) == (Decimal("0.000003"), Decimal("0.000015"))
    assert (prices.request, prices.image, prices.web_search) == (0, Decimal("0.0048"), Decimal("0.01"))
    assert prices.internal_reasoning == Decimal("0.000015")
    assert (prices.input_cache_read, prices.input_cache_write) == (Decimal("0.0000003"), Decimal("0.00000375"))
    assert prices.overrides[0].min_prompt_tokens == 200_000


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "bare"},
        dict.fromkeys(SONNET) | {"id": "bare"},
        dict.fromkeys(SONNET, 7) | {"id": "bare", "created": -1, "context_length": "x", "expiration_date": ""},
        {"id": "bare", "pricing": {"prompt": "-1", "completion": "free", "overrides": ["x", None]}, "created": 1e300},
    ],
)
async def test_what_is_not_told_or_garbled_is_absent(
    client: OpenRouterClient, fake_gateway: FakeGateway, entry: dict[str, Any]
) -> None:
    fake_gateway.route("GET", MODELS).json({"data": [entry, {"name": "without id"}, None]})
    (model,) = await client.models()
    assert model == ModelInfo(id="bare", name="bare", raw=entry, pricing=Pricing())


@pytest.mark.parametrize(
    ("recording", "ids", "context"),
    [
        ("litellm-models", ["local-smollm2", "local-rpm1"], None),
        ("llamacpp-models", ["smollm2-135m-instruct"], 2048),
        ("aimock-openrouter-models", ["openai/gpt-4o", "deepseek/deepseek-r1"], 128_000),
    ],
)
async def test_lists_of_real_gateways(
    client: OpenRouterClient, fake_gateway: FakeGateway, recording: str, ids: list[str], context: int | None
) -> None:
    fake_gateway.route("GET", MODELS).replay(RECORDINGS / f"{recording}.txt")
    models = await client.models()
    assert [model.id for model in models][:2] == ids
    assert models[0].context_length == context


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["model-1", "large-2", "small:free"]),
        ({"supports": ["tools", "reasoning"]}, ["model-1", "large-2", "small:free"]),
        ({"supports": ("structured_outputs",)}, []),
        ({"max_prompt_price": 0}, ["small:free"]),
        ({"max_prompt_price": 0.15 / 1_000_000}, ["model-1", "small:free"]),
        ({"max_completion_price": Decimal("0.000015")}, ["model-1", "large-2", "small:free"]),
        ({"min_context_length": 128_000}, ["model-1", "large-2"]),
        ({"min_context_length": 9_000, "max_completion_price": 1e-6}, ["model-1"]),
        ({"input_modalities": ["image"]}, []),
        ({"output_modalities": ["embeddings"]}, ["embedding-1"]),
    ],
)
async def test_filters(client: OpenRouterClient, wanted: ModelFilter, ids: list[str]) -> None:
    assert [model.id.removeprefix("fake/") for model in await client.models(**wanted)] == ids


async def test_what_is_unknown_does_not_match(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", MODELS).json({"data": [{"id": "bare"}]})
    models = await client.models()
    assert filter_models(models) == models
    for wanted in (
        ModelFilter(supports=["tools"]),
        ModelFilter(max_prompt_price=0.001),
        ModelFilter(max_completion_price=0.001),
        ModelFilter(min_context_length=1),
        ModelFilter(input_modalities=["text"]),
    ):
        assert filter_models(models, **wanted) == []


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"max_prompt_price": 3}, ValueError, "USD per token.*divide by 1_000_000"),
        ({"max_completion_price": -1}, ValueError, "from 0"),
        ({"supports": "tools"}, TypeError, "supports must be a list"),
        ({"min_context_length": "8k"}, ValueError, "number of tokens"),
        ({"max_price": 1}, TypeError, "cannot be filtered by 'max_price'"),
        ({"max_age": -1}, ValueError, "max_age"),
    ],
)
async def test_wrong_conditions_are_refused_before_anything_is_sent(
    client: OpenRouterClient, fake_gateway: FakeGateway, wanted: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        await client.models(**wanted)
    assert fake_gateway.requests == []


async def test_further_query_parameters_reach_the_gateway(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    await client.models(extra_query={"category": "programming"}, output_modalities=("text", "image"))
    assert fake_gateway.requests[0].query == {"category": "programming", "output_modalities": "text,image"}


async def test_all_pages_are_read_and_only_from_the_gateway_itself(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    pages = fake_gateway.route("GET", MODELS)
    pages.json({"data": [{"id": "a"}], "links": {"next": "https://elsewhere.example/models?offset=1&limit=1"}})
    pages.json({"data": [{"id": "b"}], "links": {"next": "/api/v1/models?offset=2&limit=1"}})
    pages.json({"data": [{"id": "c"}], "links": {"next": "/api/v1/models?offset=2&limit=1"}})
    assert [model.id for model in await client.models()] == ["a", "b", "c"]
    assert [request.query.get("offset") for request in fake_gateway.requests] == [None, "1", "2"]


async def test_a_list_is_kept_for_a_while(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    first = await client.models()
    first.clear()  # the caller's own
    assert len(await client.models(supports=["tools"])) == 3
    assert len(asked(fake_gateway)) == 1
    await client.models(max_age=0)
    assert len(asked(fake_gateway)) == 2
    await client.models(max_age=3600, output_modalities=["embeddings"])
    assert len(asked(fake_gateway)) == 3


async def test_who_asks_at_the_same_time_shares_one_request(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    gate = Gate()
    fake_gateway.route("GET", MODELS).reply(gate, b'{"data": [{"id": "a"}]}', before_headers=True)
    callers = [asyncio.create_task(client.models(max_age=0)) for _ in range(20)]
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    callers[0].cancel()  # whoever began it may leave
    gate.open()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [len(answer) for answer in answers[1:] if isinstance(answer, list)] == [1] * 19
    assert len(fake_gateway.requests) == 1


async def test_a_failure_is_shared_and_not_kept(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.route("GET", MODELS).reply(gate, b"{}", status=503, before_headers=True)
    callers = [asyncio.create_task(client.models()) for _ in range(3)]
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    gate.open()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ProviderError] * 3
    assert len(await client.models()) == 3
    assert len(fake_gateway.requests) == 2


async def test_when_all_have_left_the_request_is_given_up(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", MODELS).reply(Gate(), before_headers=True)
    callers = [asyncio.create_task(client.models()) for _ in range(2)]
    await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    for caller in callers:
        caller.cancel()
    later = asyncio.create_task(client.models())  # does not join what is being given up
    await asyncio.gather(*callers, return_exceptions=True)
    assert len(await later) == 3
    assert await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


def test_one_client_lists_in_several_loops(fake_gateway: FakeGateway) -> None:
    client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, "m")
    assert len(asyncio.run(client.models())) == 3
    assert len(asyncio.run(client.models())) == 3
    assert len(fake_gateway.requests) == 1
    asyncio.run(client.aclose())


async def test_failures_that_may_pass_are_retried(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", MODELS).error(503, retry_after=0).error(429, retry_after=0)
    assert len(await new_client(max_retries=2).models()) == 3
    fake_gateway.route("GET", MODELS).error(503, retry_after=0, times=2)
    with pytest.raises(ProviderError) as caught:
        await new_client(max_retries=1).models()
    assert [attempt.status_code for attempt in caught.value.attempts] == [503, 503]
    assert [attempt.delay for attempt in caught.value.attempts] == [0, None]


async def test_one_model_is_looked_up_by_itself(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    model = await client.model("fake/small:free")
    assert (model.context_length, model.prompt_price) == (8_192, 0)
    assert asked(fake_gateway) == ["/model/fake/small:free"]


async def test_one_model_is_found_in_the_list_at_hand(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", MODELS).json({"data": [SONNET]})
    await client.models()
    for name in ("anthropic/claude-sonnet-4", "anthropic/claude-4-sonnet-20250522"):
        assert (await client.model(name)).id == "anthropic/claude-sonnet-4"
    assert len(fake_gateway.requests) == 1


async def test_an_alias_that_redirects_is_followed(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    redirect = json_reply({}, status=301, headers={"Location": "/api/v1/model/fake/model-1"})
    fake_gateway.route("GET", "/api/v1/model/fake/alias").add(redirect)
    assert (await client.model("fake/alias")).id == "fake/model-1"


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_gateway_without_that_endpoint_is_asked_for_its_list(
    client: OpenRouterClient, fake_gateway: FakeGateway, status: int
) -> None:
    fake_gateway.route("GET", "/api/v1/model/fake/large-2").error(status, "Not Found")
    assert (await client.model("fake/large-2")).context_length == 1_000_000
    assert asked(fake_gateway) == ["/model/fake/large-2", "/models"]


async def test_aliases_of_the_client_are_resolved(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(model_aliases={"big": "fake/large-2", "vectors": "fake/embedding-1"})
    assert (await client.model("big")).id == "fake/large-2"
    assert len(await client.endpoints("big")) == 1
    assert (await client.embed("a", model="vectors")).model == "fake/embedding-1"
    assert (await client.check_context("Hi", model="big")).tokens > 0


async def test_a_model_that_nobody_knows(client: OpenRouterClient) -> None:
    with pytest.raises(ModelNotAvailableError, match="fake/none"):
        await client.model("fake/none")


@pytest.mark.parametrize("name", ["", " ", "../key", "a//b", "/models"])
async def test_what_is_no_id_is_refused(client: OpenRouterClient, fake_gateway: FakeGateway, name: str) -> None:
    with pytest.raises(ValueError, match="model"):
        await client.model(name)
    assert fake_gateway.requests == []
