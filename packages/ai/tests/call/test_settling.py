"""Money that survives failure: the real cost of an answer that was cut, left or restarted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ai_tests import ClientFactory, cut_off

from raptscallions_ai import (
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    OpenRouterClient,
    StreamInterruptedError,
    Usage,
)
from raptscallions_ai.testing import FakeGateway, Gate, chunk, sse, usage

pytestmark = pytest.mark.requirement("E04-T003.AC6")
PATH = "/api/v1/generation"


def books(cost: float | None, generation_id: str = "gen-1", **more: Any) -> dict[str, Any]:
    entry = {
        "id": generation_id,
        "model": "fake/model-1",
        "provider_name": "FakeAI",
        "total_cost": cost,
        "native_tokens_prompt": 10,
        "native_tokens_completion": 3,
        "tokens_prompt": 99,
    }
    return {"data": {**entry, **more}}


def look_ups(gateway: FakeGateway) -> list[str]:
    return [request.query["id"] for request in gateway.requests if request.path == PATH]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch, short_delays: None) -> None:
    monkeypatch.setattr("raptscallions_ai.gateway_api.generation._FIRST_PAUSE", 0.01)


async def test_the_books_of_a_generation(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    entry = books(
        0.000123, native_tokens_reasoning=2, native_tokens_cached=4, cancelled=True, latency=120, finish_reason="stop"
    )
    fake_gateway.route("GET", PATH).json(entry)
    info = await client.generation("gen-1")
    assert (info.id, info.model, info.provider) == ("gen-1", "fake/model-1", "FakeAI")
    assert (info.cancelled, info.latency_ms, info.finish_reason) == (True, 120, "stop")
    assert info.usage == Usage(
        prompt_tokens=10,
        completion_tokens=3,
        total_tokens=13,
        reasoning_tokens=2,
        cached_tokens=4,
        cost=Decimal("0.000123"),
        cost_source="reported",
        raw=entry["data"],
    )
    assert info.raw == entry["data"]
    assert look_ups(fake_gateway) == ["gen-1"]


async def test_an_id_that_is_not_known_yet_is_asked_for_again(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.route("GET", PATH).error(404, "Generation not found", times=3).json(books(0.5))
    assert (await client.generation("gen-1")).usage.cost == Decimal("0.5")
    assert len(look_ups(fake_gateway)) == 4


async def test_an_id_that_stays_unknown(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", PATH).error(404, "Generation not found", times=None)
    with pytest.raises(BadRequestError, match="does not know this generation") as caught:
        await client.generation("gen-1", patience=0.1)
    assert caught.value.status_code == 404
    assert len(look_ups(fake_gateway)) > 1


async def test_other_failures_are_reported_at_once(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.route("GET", PATH).error(401, "no")
    with pytest.raises(AuthenticationError):
        await client.generation("gen-1")
    fake_gateway.route("GET", PATH).json(b"<html>")
    with pytest.raises(InvalidResponseError, match="does not describe a generation"):
        await client.generation("gen-1")


async def test_a_cost_that_was_told_needs_no_asking(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    result = await stream.result()
    assert await stream.settle() == result.usage
    assert look_ups(fake_gateway) == []


async def test_settling_stops_a_running_stream(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Once", id="gen-7")), gate)
    fake_gateway.route("GET", PATH).json(books(0.25, "gen-7"))
    stream = client.stream_chat("Hi")
    chunks = aiter(stream)
    assert (await anext(chunks)).type == "content"
    settled = await stream.settle()
    assert (settled.cost, settled.cost_source, settled.completion_tokens) == (Decimal("0.25"), "reported", 3)
    assert stream.partial.content == "Once"
    assert look_ups(fake_gateway) == ["gen-7"]
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected
    gate.open()


async def test_a_stream_that_was_cut(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(cut_off("Once", id="gen-8"))
    fake_gateway.route("GET", PATH).error(404, "Generation not found").json(books(0.25, "gen-8"))
    stream = client.stream_chat("Hi")
    with pytest.raises(StreamInterruptedError) as caught:
        await stream.result()
    assert caught.value.request_id == "gen-8"
    assert (await stream.settle()).cost == Decimal("0.25")


async def test_the_headers_id_serves_before_there_is_any_chunk(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    gate = Gate()
    fake_gateway.reply(b": wait\n\n", gate, headers={"x-generation-id": "gen-9"})
    fake_gateway.route("GET", PATH).json(books(0.25, "gen-9"))
    async with client.stream_chat("Hi") as stream:
        assert (await stream.settle()).cost == Decimal("0.25")
    gate.open()


async def test_all_attempts_are_settled(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(on_interrupt="restart")
    fake_gateway.add(cut_off("Once", id="gen-1"))
    fake_gateway.stream("There", id="gen-2", usage=usage(20, 1, cost=0.5))
    fake_gateway.route("GET", PATH).json(books(0.25, "gen-1"))
    stream = client.stream_chat("Hi")
    result = await stream.result()
    assert (result.usage.cost, result.usage.cost_source) == (Decimal("0.5"), "unknown")
    settled = await stream.settle()
    assert (settled.cost, settled.cost_source) == (Decimal("0.75"), "reported")
    assert (settled.prompt_tokens, settled.completion_tokens) == (30, 4)
    assert look_ups(fake_gateway) == ["gen-1"]


async def test_a_gateway_without_books(
    client: OpenRouterClient, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raptscallions_ai.gateway_api.generation._PATIENCE", 0.05)
    fake_gateway.add(cut_off("Once", id="gen-1"))
    fake_gateway.route("GET", PATH).error(404, "no such path", times=None)
    stream = client.stream_chat("Hi")
    with pytest.raises(StreamInterruptedError):
        await stream.result()
    settled = await stream.settle()
    assert (settled.cost, settled.cost_source) == (None, "unknown")


async def test_a_stream_that_was_never_read_costs_nothing(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    stream = client.stream_chat("Hi")
    assert await stream.settle() == Usage()
    assert fake_gateway.requests == []
