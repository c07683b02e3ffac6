"""Retries are ours alone: before the first content, for what may pass, and every attempt is recorded."""

from __future__ import annotations

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError, OpenRouterClient, ProviderError, StreamInterruptedError
from raptscallions_ai.testing import Cut, FakeGateway, Reset, chunk, sse

SOON = {"retry-after-ms": "10"}


@pytest.fixture
def retrying(new_client: ClientFactory) -> OpenRouterClient:
    return new_client(max_retries=2)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_tried_again(retrying: OpenRouterClient, fake_gateway: FakeGateway, status: int) -> None:
    fake_gateway.error(status, "busy", headers=SOON)
    fake_gateway.stream("There")
    result = await retrying.chat("Hi")
    assert result.content == "There"
    assert [(attempt.error is None, attempt.delay) for attempt in result.attempts] == [(False, 0.01), (True, None)]
    assert fake_gateway.requests[0].body == fake_gateway.requests[1].body


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_what_cannot_pass_is_not(retrying: OpenRouterClient, fake_gateway: FakeGateway, status: int) -> None:
    fake_gateway.error(status, "no")
    with pytest.raises(AiError) as caught:
        await retrying.chat("Hi")
    assert len(fake_gateway.requests) == 1
    assert len(caught.value.attempts) == 1


async def test_the_gateway_may_forbid_a_retry(retrying: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    body = {"error": {"code": 503, "message": "none", "availability": {"code": "no_endpoints", "retryable": False}}}
    fake_gateway.json(body, status=503)
    with pytest.raises(AiError):
        await retrying.chat("Hi")
    assert len(fake_gateway.requests) == 1


async def test_a_402_with_a_waiting_time_is_tried_again(retrying: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(402, "budget in flight", headers=SOON)
    fake_gateway.stream("There")
    assert (await retrying.chat("Hi")).content == "There"


async def test_the_number_of_attempts_is_bounded(retrying: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503, "busy", headers=SOON, times=9)
    with pytest.raises(ProviderError) as caught:
        await retrying.chat("Hi")
    assert len(fake_gateway.requests) == 3
    assert [attempt.status_code for attempt in caught.value.attempts] == [503, 503, 503]
    with pytest.raises(ProviderError):
        await retrying.chat("Hi", max_retries=0)
    assert len(fake_gateway.requests) == 4


@pytest.mark.parametrize("end", [Reset(), Cut()], ids=repr)
async def test_a_lost_connection_is_tried_again_before_content(
    retrying: OpenRouterClient, fake_gateway: FakeGateway, end: Reset | Cut
) -> None:
    fake_gateway.reply(end, before_headers=True)
    fake_gateway.reply(sse(chunk("")), end)
    fake_gateway.stream("There")
    result = await retrying.chat("Hi")
    assert result.content == "There"
    assert [attempt.error for attempt in result.attempts] == ["ConnectionError", "StreamInterruptedError", None]


async def test_an_error_in_the_stream_is_tried_again_before_content(
    retrying: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse({"error": {"code": 502, "message": "Upstream"}, "choices": []}))
    fake_gateway.stream("There")
    assert (await retrying.chat("Hi")).content == "There"


async def test_nothing_is_tried_again_after_content(retrying: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Reset())
    with pytest.raises(StreamInterruptedError):
        await retrying.chat("Hi")
    assert len(fake_gateway.requests) == 1


async def test_entering_a_stream_sends_the_request_and_raises_its_errors(
    retrying: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(503, "busy", headers=SOON)
    fake_gateway.stream("There")
    async with retrying.stream_chat("Hi") as stream:
        assert len(fake_gateway.requests) == 2
        assert (await stream.result()).content == "There"
    fake_gateway.error(401, "no")
    with pytest.raises(AiError):
        async with retrying.stream_chat("Hi"):
            pytest.fail("an unauthorised stream was entered")
