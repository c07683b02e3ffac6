"""Who serves a model, what a key may spend, what an account has; and gateways that do not tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import (
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    ModelNotAvailableError,
    OpenRouterClient,
    PermissionDeniedError,
)
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.models import Percentiles
from raptscallions_ai.testing import Cut, FakeGateway, chunk, sse

pytestmark = pytest.mark.requirement("E04-T005.AC7")

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "discovery"
LOOK_UPS: dict[str, Callable[[OpenRouterClient], Awaitable[object]]] = {
    "/models/fake/model-1/endpoints": lambda client: client.endpoints("fake/model-1"),
    "/providers": lambda client: client.providers(),
    "/key": lambda client: client.key_info(),
    "/credits": lambda client: client.credits(),
    "/generation": lambda client: client.generation("gen-1"),
}


async def test_endpoints(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    entry = {
        "provider_name": "DeepInfra",
        "tag": "deepinfra/fp8",
        "name": "DeepInfra | x/y",
        "context_length": 32_000,
        "max_completion_tokens": 4_000,
        "max_prompt_tokens": 30_000,
        "quantization": "fp8",
        "pricing": {"prompt": "0.000001", "completion": "0.000002", "discount": 0.25},
        "supported_parameters": ["tools"],
        "supports_implicit_caching": True,
        "status": -2,
        "uptime_last_5m": 100,
        "uptime_last_30m": 99.5,
        "uptime_last_1d": None,
        "latency_last_30m": {"p50": 0.4, "p99": 1.5},
        "throughput_last_30m": None,
    }
    script = fake_gateway.route("GET", "/api/v1/models/x/y:free/endpoints")
    script.json({"data": {"id": "x/y:free", "endpoints": [entry]}})
    (endpoint,) = await client.endpoints("x/y:free")
    assert (endpoint.provider, endpoint.tag, endpoint.name) == ("DeepInfra", "deepinfra/fp8", "DeepInfra | x/y")
    assert (endpoint.context_length, endpoint.max_completion_tokens, endpoint.max_prompt_tokens) == (32000, 4000, 30000)
    assert (endpoint.quantization, endpoint.supports_implicit_caching, endpoint.status) == ("fp8", True, -2)
    assert (endpoint.pricing.prompt, endpoint.pricing.discount) == (Decimal("0.000001"), Decimal("0.25"))
    assert endpoint.supported_parameters == ("tools",)
    assert (endpoint.uptime_5m, endpoint.uptime_30m, endpoint.uptime_1d) == (100, 99.5, None)
    assert endpoint.latency == Percentiles(p50=0.4, p99=1.5)
    assert endpoint.throughput == Percentiles()
    assert endpoint.raw == entry


async def test_providers(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    entry = {
        "name": "Acme",
        "slug": "acme",
        "headquarters": "FR",
        "datacenters": ["FR", "DE"],
        "privacy_policy_url": "https://acme.example/privacy",
        "terms_of_service_url": None,
        "status_page_url": "https://status.acme.example",
    }
    fake_gateway.route("GET", "/api/v1/providers").json({"data": [entry]})
    (provider,) = await client.providers()
    assert (provider.name, provider.slug, provider.headquarters) == ("Acme", "acme", "FR")
    assert provider.datacenters == ("FR", "DE")
    assert (provider.privacy_policy_url, provider.terms_of_service_url) == ("https://acme.example/privacy", None)
    assert provider.status_page_url == "https://status.acme.example"


async def test_key_info(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    entry = {
        "label": "my key",
        "limit": 10,
        "limit_remaining": 7.1,
        "limit_reset": "monthly",
        "include_byok_in_limit": True,
        "usage": 25.5,
        "usage_daily": 0.1,
        "usage_weekly": 1.25,
        "usage_monthly": 2.9,
        "byok_usage": 0.003,
        "is_free_tier": False,
        "is_management_key": True,
        "expires_at": "2027-01-31T23:59:59Z",
    }
    fake_gateway.route("GET", "/api/v1/key").json({"data": entry})
    key = await client.key_info()
    assert (key.label, key.limit, key.limit_remaining, key.limit_reset) == ("my key", 10, Decimal("7.1"), "monthly")
    assert (key.usage, key.usage_daily, key.usage_weekly) == (Decimal("25.5"), Decimal("0.1"), Decimal("1.25"))
    assert (key.usage_monthly, key.byok_usage) == (Decimal("2.9"), Decimal("0.003"))
    assert (key.include_byok_in_limit, key.is_free_tier, key.is_management_key) == (True, False, True)
    assert key.expires_at == datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)


async def test_a_key_without_limit(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/key").replay(RECORDINGS / "aimock-openrouter-key.txt")
    key = await client.key_info()
    assert (key.label, key.limit, key.limit_remaining, key.usage) == ("sk-or-v1-aimock", None, None, 0)


async def test_credits(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/credits").json({"data": {"total_credits": 100.5, "total_usage": 25.75}})
    account = await client.credits()
    assert (account.total_credits, account.total_usage) == (Decimal("100.5"), Decimal("25.75"))
    assert account.remaining == Decimal("74.75")


@pytest.mark.parametrize(
    "message", ["Only management keys can perform this operation", "Only provisioning keys can fetch credits"]
)
async def test_credits_need_a_management_key(client: OpenRouterClient, fake_gateway: FakeGateway, message: str) -> None:
    fake_gateway.route("GET", "/api/v1/credits").error(403, message)
    with pytest.raises(PermissionDeniedError, match="only to a management key; key_info") as caught:
        await client.credits()
    assert caught.value.details["reason"] == message


async def test_a_wrong_key_stays_a_wrong_key(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/credits").error(401, "User not found.")
    with pytest.raises(AuthenticationError):
        await client.credits()


async def test_a_model_without_endpoints(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    path = "/api/v1/models/fake/none/endpoints"
    fake_gateway.route("GET", path).error(404, "No endpoints found for fake/none.")
    with pytest.raises(ModelNotAvailableError, match="fake/none"):
        await client.endpoints("fake/none")


NOT_FOUND: list[tuple[int, Any]] = [
    (404, {"detail": "Not Found"}),  # FastAPI: LiteLLM, vLLM
    (404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}),  # llama.cpp
    (404, b"404 page not found"),  # Go: Ollama
    (404, b"<!DOCTYPE html><html><title>404: This page could not be found.</title></html>"),
    (405, {"detail": "Method Not Allowed"}),
    (501, {"error": {"message": "This server does not support that", "code": 501}}),
]


@pytest.mark.parametrize("path", LOOK_UPS)
@pytest.mark.parametrize(("status", "body"), NOT_FOUND)
async def test_what_a_gateway_does_not_offer_is_said_at_once(
    client: OpenRouterClient, fake_gateway: FakeGateway, path: str, status: int, body: Any
) -> None:
    fake_gateway.route("GET", f"/api/v1{path}").json(body, status=status, times=None)
    with pytest.raises(NotSupportedError, match=f"does not offer GET {path}") as caught:
        await LOOK_UPS[path](client)
    assert (caught.value.status_code, caught.value.retryable) == (501, False)
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize("path", LOOK_UPS)
@pytest.mark.parametrize("body", [b"<html>", {"data": None}, [], {"data": "x"}])
async def test_what_is_no_answer_to_the_question(
    client: OpenRouterClient, fake_gateway: FakeGateway, path: str, body: Any
) -> None:
    fake_gateway.route("GET", f"/api/v1{path}").json(body)
    if path == "/providers" and isinstance(body, dict):
        assert await client.providers() == []
        return
    with pytest.raises(InvalidResponseError):
        await LOOK_UPS[path](client)


async def test_every_field_of_a_generation(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    entry = {
        "id": "gen-1",
        "model": "x/y",
        "provider_name": "Acme",
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "created_at": "2026-11-21T10:00:00.5+00:00",
        "streamed": True,
        "cancelled": True,
        "latency": 120,
        "moderation_latency": 30,
        "generation_time": 450,
        "cache_discount": -0.0002,
        "service_tier": "flex",
        "router": "openrouter/auto",
        "preset_id": "pre-1",
        "request_id": "req-1",
        "session_id": "ses-1",
        "upstream_id": "up-1",
        "data_region": "eu",
        "response_cache_source_id": "gen-0",
        "provider_responses": [{"status": 503}, None, {"status": 200}],
        "tokens_prompt": 9,
        "native_tokens_prompt": 10,
        "tokens_completion": 5,
        "native_tokens_completion": 0,
        "native_tokens_reasoning": 3,
        "native_tokens_cached": 2,
        "total_cost": 0.00015,
        "upstream_inference_cost": 0.0001,
        "is_byok": True,
    }
    fake_gateway.route("GET", "/api/v1/generation").json({"data": entry})
    told = await client.generation("gen-1")
    assert (told.id, told.model, told.provider) == ("gen-1", "x/y", "Acme")
    assert (told.finish_reason, told.native_finish_reason) == ("stop", "end_turn")
    assert told.created_at == datetime(2026, 11, 21, 10, 0, 0, 500_000, tzinfo=UTC)
    assert (told.streamed, told.cancelled, told.service_tier) == (True, True, "flex")
    assert (told.latency_ms, told.moderation_latency_ms, told.generation_time_ms) == (120, 30, 450)
    assert told.cache_discount == Decimal("-0.0002")
    assert (told.router, told.preset_id, told.request_id) == ("openrouter/auto", "pre-1", "req-1")
    assert (told.session_id, told.upstream_id, told.data_region) == ("ses-1", "up-1", "eu")
    assert told.response_cache_source_id == "gen-0"
    assert told.provider_responses == ({"status": 503}, {"status": 200})
    usage = told.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 0, 10)
    assert (usage.reasoning_tokens, usage.cached_tokens, usage.is_byok) == (3, 2, True)
    assert (usage.cost, usage.upstream_cost) == (Decimal("0.00015"), Decimal("0.0001"))


async def test_an_id_that_is_not_known_is_another_failure(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", "/api/v1/generation").error(404, "Generation gen-1 not found", times=None)
    with pytest.raises(BadRequestError, match="does not know this generation") as caught:
        await client.generation("gen-1", patience=0)
    assert caught.value.status_code == 404


async def test_settling_does_not_wait_for_books_that_are_not_kept(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Hel", id="gen-1")), Cut())
    fake_gateway.route("GET", "/api/v1/generation").error(404, "Not Found", times=None)
    stream = client.stream_chat("Hi")
    async for _ in stream:
        break
    assert (await stream.settle()).cost_source == "unknown"
    assert [request.path for request in fake_gateway.requests[1:]] == ["/api/v1/generation"]
