"""What another route can mend is asked of another route, and what nobody can mend is not sent again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ai_tests import GOOD, ClientFactory, models_asked

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    InvalidOutputError,
    InvalidResponseError,
    OpenRouterClient,
)
from raptscallions_ai.testing import FakeGateway, Reply, json_reply, sse

pytestmark = [pytest.mark.requirement("E04-T019.AC3"), pytest.mark.usefixtures("short_delays")]


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


MENDED: dict[str, Reply] = {
    "a reason in metadata.raw": json_reply(
        error("Provider returned error", code=400, metadata={"raw": "prompt is too long: 9 tokens > 5 maximum"}),
        status=400,
    ),
    "no money, as a wrong request": json_reply(error("Your credit balance is too low"), status=400),
    "no money, as a wrong key": json_reply({"code": 30001, "message": "account balance is insufficient"}, status=403),
    "no money, with status 200": json_reply({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    "no money, in a stream": Reply(
        (sse({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),)
    ),
    "a key at its limit": json_reply(error("Key limit exceeded (monthly limit)"), status=403),
    "what a model cannot": json_reply(error("'tools' is not supported with this model"), status=400),
    "what a gateway does not know": json_reply(error("Unrecognized request argument supplied: top_a"), status=422),
    "no reason": Reply((), 400, {}, "length"),
    "a wrong key, as a wrong request": json_reply(error("API key not valid. Please pass a valid API key."), status=400),
    "a throttle that no wait can help": json_reply(
        error("Request too large: Limit 6000, Requested 7000", code="rate_limit_exceeded"), status=413
    ),
}


@pytest.mark.parametrize("failure", MENDED.values(), ids=MENDED)
async def test_what_another_route_can_mend_is_asked_of_it_at_once(
    new_client: ClientFactory, fake_gateway: FakeGateway, second: OpenRouterClient, failure: Reply
) -> None:
    client = new_client(default_model="fake/first", fallback_clients=[second], max_retries=2)
    fake_gateway.add(failure, times=None)
    result = await client.chat("Hi")
    assert result.content == GOOD
    assert models_asked(fake_gateway) == ["fake/first"]
    assert len(result.attempts) == 2


async def test_a_wrong_request_is_asked_nowhere_else(
    new_client: ClientFactory, fake_gateway: FakeGateway, second_gateway: FakeGateway, second: OpenRouterClient
) -> None:
    client = new_client(fallback_clients=[second])
    fake_gateway.error(400, "messages[0].role must be one of system, user, assistant, tool", times=None)
    with pytest.raises(BadRequestError):
        await client.chat("Hi")
    assert second_gateway.requests == []


async def test_a_body_that_is_too_large_is_asked_of_another_gateway(
    new_client: ClientFactory, fake_gateway: FakeGateway, second: OpenRouterClient
) -> None:
    page = Reply((b"<html><h1>413 Request Entity Too Large</h1></html>",), 413, {"content-type": "text/html"}, "length")
    fake_gateway.add(page, times=None)
    result = await new_client(fallback_clients=[second], fallback_models=["fake/other"]).chat("Hi")
    assert (result.content, len(fake_gateway.requests)) == (GOOD, 1)
    with pytest.raises(BadRequestError, match="^The request is too large for the AI gateway: ") as caught:
        await new_client().chat("Hi")
    assert (caught.value.status_code, caught.value.gateway_status) == (413, 413)


async def test_what_is_too_long_is_not_sent_again_to_the_same_model(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(400, "prompt is too long: 9 tokens > 5 maximum", times=None)
    async with OpenRouterClient("another-key-of-it", fake_gateway.base_url, "fake/first") as same:
        client = new_client(default_model="fake/first", fallback_clients=[same])
        with pytest.raises(ContextLengthError):
            await client.chat("Hi")
    assert models_asked(fake_gateway) == ["fake/first"]


GENERATION = '<function=search>{"q": "so</function>'


@pytest.mark.parametrize("code", ["tool_use_failed", "json_validate_failed", "output_parse_failed"])
async def test_a_call_that_the_model_wrote_badly_is_asked_for_again(
    new_client: ClientFactory, fake_gateway: FakeGateway, second: OpenRouterClient, code: str
) -> None:
    failure = json_reply(error("Failed to call a function.", code=code, failed_generation=GENERATION), status=400)
    fake_gateway.add(failure).stream("Better.")
    assert (await new_client(max_retries=1).chat("Hi")).content == "Better."
    fake_gateway.add(failure, times=None)
    assert (await new_client(max_retries=0, fallback_clients=[second]).chat("Hi")).content == GOOD
    with pytest.raises(InvalidOutputError) as caught:
        await new_client(max_retries=0).chat("Hi")
    told = caught.value
    assert told.partial is not None and told.partial.content == GENERATION
    assert (told.gateway_status, told.gateway_message) == (400, "Failed to call a function.")
    assert "search" not in f"{told} {told!r} {told.to_dict()} {told.attempts}"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (json_reply(error("no"), status=401), 401),
        (json_reply(error("no"), status=403), 403),
        (json_reply(error("no"), status=404), 404),
        (json_reply(error("no"), status=524), 524),
        (Reply((b"<html>hello</html>",), 200, {"content-type": "text/html"}, "length"), 200),
        (Reply((sse({"choices": [], "error": {"code": 429, "message": "slow"}}),)), 429),
        (Reply((b"data: {broken\n\n",)), 200),
        (Reply((b"",), 302, {"location": "https://elsewhere.invalid/"}, "length"), None),
    ],
)
async def test_each_error_tells_the_gateways_own_status(
    new_client: ClientFactory, fake_gateway: FakeGateway, reply: Reply, status: int | None
) -> None:
    fake_gateway.add(reply, times=None)
    with pytest.raises(AiError) as caught:
        await new_client(max_retries=0).chat("Hi")
    assert caught.value.gateway_status == status


async def test_a_short_key_is_not_hidden_in_words(fake_gateway: FakeGateway) -> None:
    fake_gateway.error(401, "tokens that are not known", times=None)
    async with OpenRouterClient("k", fake_gateway.base_url, "fake/model") as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.chat("Hi")
    assert caught.value.details["reason"] == "tokens that are not known"


@pytest.mark.parametrize("status", [0, None])
async def test_a_good_answer_with_minimaxs_word_on_it(
    new_client: ClientFactory, fake_gateway: FakeGateway, status: int | None
) -> None:
    word = {"base_resp": {"status_code": status, "status_msg": ""}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    message = {"choices": [{"index": 0, "message": {"content": GOOD}, "finish_reason": "stop"}], "usage": usage, **word}
    fake_gateway.add(json_reply(message))
    assert (await new_client().chat("Hi")).content == GOOD
    end = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": usage, **word}
    fake_gateway.reply(sse({"choices": [{"index": 0, "delta": {"content": GOOD}}]}), sse(end), sse(word))
    assert (await new_client().chat("Hi")).content == GOOD


async def test_cloudflares_reason_is_reported(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    body = {"success": False, "errors": [{"code": 5004, "message": "the field 'x' is strange"}], "messages": []}
    for status in (400, 409, 422):
        fake_gateway.add(json_reply(body, status=status))
        with pytest.raises(AiError, match="strange"):
            await new_client(max_retries=0).chat("Hi")
    fake_gateway.add(Reply((json.dumps(body).encode(),), 200, {}, "length"))
    with pytest.raises(AiError, match="strange") as caught:
        await new_client(max_retries=0).chat("Hi")
    assert not isinstance(caught.value, InvalidResponseError)
