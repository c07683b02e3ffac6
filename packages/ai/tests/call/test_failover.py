"""Other models and other gateways take over when the first choice fails or is silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from ai_tests import GOOD, ClientFactory, models_asked

from raptscallions_ai import (
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextLengthError,
    OpenRouterClient,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    TimeoutError,
    Timeouts,
)
from raptscallions_ai._call.breaker import CircuitBreaker
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Pause, Reply, Reset, chunk, json_reply, sse
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_ai.testing.wire import COMMENT, Answer, error_body

pytestmark = [pytest.mark.requirement("E04-T003.AC4"), pytest.mark.usefixtures("short_delays")]


def by_model(failure: Reply, *, failing: str = "fake/first") -> Callable[[RecordedRequest], Reply]:
    """Answer well, but for one model."""
    return lambda request: (
        failure if cast("dict[str, Any]", request.json)["model"] == failing else Answer((GOOD,)).stream()
    )


@pytest.fixture
def models(new_client: ClientFactory) -> OpenRouterClient:
    """A client that falls back to another model of the same gateway."""
    return new_client(default_model="fake/first", fallback_models=["fake/second"])


@pytest.fixture
def clients(new_client: ClientFactory, second: OpenRouterClient) -> OpenRouterClient:
    """A client that falls back to another gateway."""
    return new_client(default_model="fake/first", fallback_clients=[second])


FAILURES: dict[str, Reply] = {
    "429": json_reply(error_body(429, "slow down"), status=429),
    "429 for an hour": json_reply(error_body(429, "slow down"), status=429, headers={"Retry-After": "3600"}),
    "500": json_reply(error_body(500, "oops"), status=500),
    "502": json_reply(error_body(502, "Provider returned error"), status=502),
    "503 not retryable": json_reply(
        {"error": {"code": 503, "message": "none", "availability": {"retryable": False}}}, status=503
    ),
    "529": json_reply(error_body(529, "overloaded"), status=529),
    "402": json_reply(error_body(402, "no credits"), status=402),
    "404 model": json_reply(error_body(404, "No endpoints found for fake/first."), status=404),
    "403 region": json_reply(error_body(403, "not available in your region"), status=403),
    "html": Reply((b"<html><body>Bad gateway</body></html>",), 502, {"content-type": "text/html"}, "length"),
    "200 with an error": json_reply(error_body(502, "Provider returned error")),
    "200 with html": Reply((b"<html>hello</html>",), 200, {"content-type": "text/html"}, "length"),
    "200 and nothing": Reply((), 200, {}, "length"),
    "no choices": Reply((b"data: [DONE]\n\n",)),
    "error before content": Reply((sse(chunk("")), sse({"choices": [], "error": {"code": 502, "message": "died"}}))),
    "cut before content": Reply((sse(chunk("")), Cut())),
    "reset": Reply((Reset(),), before_headers=True),
    "closed": Reply((Cut(),), before_headers=True),
    "broken event": Reply((b"data: {broken\n\n",)),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_another_model_takes_over(models: OpenRouterClient, fake_gateway: FakeGateway, failure: Reply) -> None:
    fake_gateway.add(by_model(failure), times=None)
    result = await models.chat("Hi")
    assert result.content == GOOD
    assert models_asked(fake_gateway) == ["fake/first", "fake/second"]
    assert [(attempt.model, attempt.error is None) for attempt in result.attempts] == [
        ("fake/first", False),
        ("fake/second", True),
    ]


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_another_gateway_takes_over(
    clients: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway, failure: Reply
) -> None:
    fake_gateway.add(failure, times=None)
    result = await clients.chat("Hi")
    assert result.content == GOOD
    assert models_asked(second_gateway) == ["fake/of-the-second"]
    assert second_gateway.requests[0].headers["authorization"] == "Bearer key-of-the-second"
    assert [attempt.gateway for attempt in result.attempts] == [fake_gateway.base_url, second_gateway.base_url]


@pytest.mark.parametrize("noise", [None, COMMENT, sse(chunk(""))], ids=["silence", "comments", "empty deltas"])
async def test_a_silent_route_is_left_at_the_first_content_deadline_and_not_asked_twice(
    new_client: ClientFactory,
    second: OpenRouterClient,
    second_gateway: FakeGateway,
    fake_gateway: FakeGateway,
    noise: bytes | None,
) -> None:
    client = new_client(fallback_clients=[second], max_retries=5)
    await client.warm_up()
    drip = [step for _ in range(200) for step in (noise, Pause(0.02))] if noise else [Hang()]
    fake_gateway.reply(*drip)
    result = await client.chat("Hi", timeout=Timeouts(first_chunk=0.3))
    assert result.content == GOOD
    assert (len(fake_gateway.requests), len(second_gateway.requests)) == (1, 1)
    assert result.attempts[0].error == "TimeoutError"
    await fake_gateway.requests[0].closed()
    assert fake_gateway.requests[0].disconnected


async def test_the_primary_is_exhausted_first(
    new_client: ClientFactory, second: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    client = new_client(fallback_clients=[second], max_retries=2)
    fake_gateway.error(503, "busy", times=None)
    result = await client.chat("Hi")
    assert len(fake_gateway.requests) == 3
    assert [attempt.error for attempt in result.attempts] == ["ProviderError"] * 3 + [None]


async def test_with_somebody_else_to_ask_nobody_is_waited_for_long(
    new_client: ClientFactory, second: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    client = new_client(fallback_clients=[second], max_retries=2)
    fake_gateway.error(429, "slow down", retry_after=30, times=None)
    started = time.monotonic()
    assert (await client.chat("Hi")).content == GOOD
    assert time.monotonic() - started < 10
    assert len(fake_gateway.requests) == 1


async def test_a_dead_primary_is_no_obstacle(new_client: ClientFactory, second: OpenRouterClient) -> None:
    with FakeGateway() as gone:
        address = gone.base_url
    client = new_client(base_url=address, fallback_clients=[second])
    result = await client.chat("Hi")
    assert (result.content, result.attempts[0].error) == (GOOD, "ConnectionError")


@pytest.mark.parametrize(
    ("status", "message", "metadata", "error"),
    [
        (400, "temperature: must be at most 2", None, BadRequestError),
        (403, "flagged", {"reasons": ["violence"], "flagged_input": "x"}, ContentPolicyError),
    ],
)
async def test_the_callers_own_mistake_is_asked_nowhere_else(
    clients: OpenRouterClient,
    fake_gateway: FakeGateway,
    second_gateway: FakeGateway,
    status: int,
    message: str,
    metadata: dict[str, Any] | None,
    error: type[Exception],
) -> None:
    fake_gateway.error(status, message, metadata=metadata)
    with pytest.raises(error):
        await clients.chat("Hi")
    assert second_gateway.requests == []


async def test_a_rejected_content_is_asked_elsewhere_on_request(
    clients: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(403, "flagged", metadata={"reasons": ["violence"], "flagged_input": "x"})
    assert (await clients.chat("Hi", fallback_on_content_policy=True)).content == GOOD


async def test_a_key_may_be_wrong_for_one_model_only(models: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    # A proxy hands on what the provider behind one of its models says of the proxy's own key.
    fake_gateway.add(by_model(json_reply(error_body(401, "invalid x-api-key"), status=401)), times=None)
    assert (await models.chat("Hi")).content == GOOD


async def test_a_wrong_key_stays_the_error(models: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(401, "no", times=None)
    with pytest.raises(AuthenticationError):
        await models.chat("Hi")
    assert models_asked(fake_gateway) == ["fake/first", "fake/second"]


async def test_a_context_that_is_too_long_goes_to_a_larger_model_at_once(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client(
        default_model="fake/model-1", fallback_models=["fake/small:free", "fake/large-2"], max_retries=5
    )
    await client.models()
    message = "This endpoint's maximum context length is 128000 tokens. However, you requested about 200000 tokens"
    failure = json_reply(error_body(400, message, error_type="context_length_exceeded"), status=400)
    fake_gateway.add(by_model(failure, failing="fake/model-1"), times=None)
    result = await client.chat("Hi")
    assert result.content == GOOD
    assert [attempt.model for attempt in result.attempts] == ["fake/model-1", "fake/large-2"]


async def test_models_of_unknown_size_are_tried(models: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    failure = json_reply(error_body(400, "prompt is too long"), status=400)
    fake_gateway.add(by_model(failure), times=None)
    assert (await models.chat("Hi")).content == GOOD


async def test_no_model_is_large_enough(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    client = new_client(default_model="fake/model-1", fallback_models=["fake/small:free"])
    await client.models()
    fake_gateway.error(400, "prompt is too long")
    with pytest.raises(ContextLengthError):
        await client.chat("Hi")
    assert models_asked(fake_gateway) == ["fake/model-1"]


async def test_when_all_fail_the_last_error_has_the_first_as_its_cause(
    clients: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway
) -> None:
    fake_gateway.error(503, "first is down")
    second_gateway.error(403, "blocked by policy")
    with pytest.raises(PermissionDeniedError) as caught:
        await clients.chat("Hi")
    cause = caught.value.__cause__
    assert isinstance(cause, ProviderError)
    assert "first is down" in cause.message
    assert [attempt.error for attempt in caught.value.attempts] == ["ProviderError", "PermissionDeniedError"]
    assert caught.value.__context__ is None


async def test_an_interrupted_answer_restarts_elsewhere_when_its_gateway_has_died(
    clients: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Once")), Cut())
    fake_gateway.error(503, "down", times=None)
    result = await clients.chat("Hi", on_interrupt="restart")
    assert result.content == GOOD
    assert [attempt.error for attempt in result.attempts] == ["StreamInterruptedError", "ProviderError", None]


async def test_an_interrupted_answer_is_not_asked_elsewhere_if_that_is_not_wanted(
    clients: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Once")), Cut())
    with pytest.raises(Exception, match="closed in the middle"):
        await clients.chat("Hi", on_interrupt="fail")
    assert second_gateway.requests == []


BROKEN: dict[str, tuple[Any, ...]] = {
    "cut": (sse(chunk("Once")), Cut()),
    "broken event": (sse(chunk("Once")), b"data: {broken\n\n"),
    "error": (sse(chunk("Once")), sse({"choices": [], "error": {"code": 502, "message": "died"}})),
    "stall": (sse(chunk("Once")), Hang()),
    "silence": (Hang(),),
}


@pytest.mark.requirement("E04-T020.AC4")
@pytest.mark.parametrize("steps", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("streamed", [False, True])
async def test_with_somebody_else_to_ask_the_defaults_ask_them(
    fake_gateway: FakeGateway,
    second: OpenRouterClient,
    steps: tuple[Any, ...],
    streamed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("raptscallions_ai._call.deadlines._PATIENCE", 0.3)
    fake_gateway.reply(*steps, times=None)
    async with OpenRouterClient("key", fake_gateway.base_url, "fake/first", fallback_clients=[second]) as client:
        await client.warm_up()
        if streamed:
            seen = [piece.type async for piece in client.stream_chat("Hi")]
            assert ("restarted" in seen) is (len(steps) > 1)
            assert seen[-1] == "done"
        else:
            assert (await client.chat("Hi")).content == GOOD


async def test_limits_of_ones_own_are_kept_with_somebody_else_to_ask(
    new_client: ClientFactory, fake_gateway: FakeGateway, second: OpenRouterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raptscallions_ai._call.deadlines._PATIENCE", 0.01)
    fake_gateway.reply(Pause(0.3), *Answer(("Slow.",)).stream().steps)
    result = await new_client(fallback_clients=[second]).chat("Hi", timeout=5)
    assert result.content == "Slow."


@pytest.mark.requirement("E04-T020.AC3")
@pytest.mark.parametrize("policy", ["restart", "continue"])
async def test_a_wait_that_cannot_fit_is_not_begun_after_the_first_token_either(
    new_client: ClientFactory, fake_gateway: FakeGateway, policy: Any
) -> None:
    error = {"code": 429, "message": "slow down", "metadata": {"retry_after": 3600}}
    fake_gateway.reply(sse(chunk("Once")), sse({"choices": [], "error": error}), times=None)
    with pytest.raises(RateLimitError) as caught:
        await new_client(on_interrupt=policy).chat("Hi", timeout=Timeouts(first_chunk=30))
    assert (caught.value.retry_after, len(caught.value.attempts), len(fake_gateway.requests)) == (3600, 1, 1)


@pytest.mark.requirement("E04-T020.AC3")
async def test_a_route_that_was_resting_is_tried_with_one_request(
    new_client: ClientFactory, fake_gateway: FakeGateway, second: OpenRouterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client(fallback_clients=[second], max_retries=2)
    fake_gateway.error(503, "busy", times=None)
    for _ in range(3):
        await client.chat("Hi")
    assert len(fake_gateway.requests) == 9

    def allows(_breaker: CircuitBreaker) -> bool:
        return True  # as when the rest is over

    monkeypatch.setattr(CircuitBreaker, "allows", allows)
    result = await client.chat("Hi")
    assert (result.content, len(fake_gateway.requests)) == (GOOD, 10)


async def test_a_client_of_the_same_gateway_with_a_default_of_its_own_is_asked_for_that(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(by_model(FAILURES["402"]), times=None)
    async with OpenRouterClient("second-key", fake_gateway.base_url, "fake/second") as other:
        client = new_client(default_model="fake/first", fallback_clients=[other])
        assert (await client.chat("Hi")).content == GOOD
    assert models_asked(fake_gateway) == ["fake/first", "fake/second"]


async def test_an_answer_that_falls_silent_goes_on_elsewhere(
    clients: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    await clients.warm_up()
    fake_gateway.reply(sse(chunk("Good")), Hang())
    result = await clients.chat("Hi", on_interrupt="continue", prefill=True, timeout=Timeouts(first_chunk=5, idle=0.2))
    assert result.content == "Good" + GOOD
    assert len(fake_gateway.requests) == 1


async def test_a_call_may_name_its_own_fallbacks(models: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(by_model(FAILURES["500"]), times=None)
    assert (await models.chat("Hi", fallback_models=["fake/third"])).content == GOOD
    with pytest.raises(ProviderError):
        await models.chat("Hi", fallback_models=[])
    assert models_asked(fake_gateway) == ["fake/first", "fake/third", "fake/first"]


async def test_a_client_of_the_same_gateway_is_asked_for_the_calls_model(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    other = new_client(api_key="another-key", default_model="fake/other")
    client = new_client(default_model="fake/first", fallback_clients=[other])
    fake_gateway.error(402, "no credits")
    await client.chat("Hi", model="fake/asked")
    assert models_asked(fake_gateway) == ["fake/asked", "fake/asked"]
    assert [request.headers["authorization"] for request in fake_gateway.requests][1] == "Bearer another-key"


async def test_the_conversation_is_sent_as_it_was(models: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.add(by_model(FAILURES["500"]), times=None)
    messages = [{"role": "user", "content": "Hi ☃"}]
    stream = models.stream_chat(messages, temperature=0.5, extra_body={"own": [1, 2.5]}, extra_headers={"x-own": "1"})
    messages.append({"role": "user", "content": "added later"})
    await stream.result()
    first, second = (cast("dict[str, Any]", request.json) for request in fake_gateway.requests)
    assert {**first, "model": "fake/second"} == second
    assert list(first) == list(second)
    assert fake_gateway.requests[1].headers["x-own"] == "1"


async def test_total_leaves_every_route_its_share(
    new_client: ClientFactory, second: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    client = new_client(fallback_clients=[second])
    await client.warm_up()
    fake_gateway.reply(Hang())
    result = await client.chat("Hi", timeout=Timeouts(first_chunk=60, total=2))
    assert result.content == GOOD
    assert result.attempts[0].error == "TimeoutError"


@pytest.mark.requirement("E04-T003.AC5")
async def test_total_bounds_all_routes_and_waits(
    new_client: ClientFactory, second: OpenRouterClient, second_gateway: FakeGateway, fake_gateway: FakeGateway
) -> None:
    client = new_client(fallback_clients=[second], fallback_models=["fake/two"], max_retries=5)
    await client.warm_up()
    await second.warm_up()
    fake_gateway.error(503, "busy", retry_after=0.2)
    fake_gateway.reply(Hang(), times=None)
    second_gateway.reply(Hang(), times=None)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError) as caught:
        await client.chat("Hi", timeout=Timeouts(total=1.2))
    assert 1.2 <= loop.time() - started < 1.3 + _lateness()
    assert len(second_gateway.requests) == 1
    assert caught.value.phase in ("total", "first_chunk")


def _lateness() -> float:
    """Seconds that a machine under load may be late by itself; the limit that is promised is 0.1."""
    return 0.2


async def test_a_dead_primary_is_spared_and_comes_back(
    new_client: ClientFactory, second: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    client = new_client(default_model="fake/first", fallback_clients=[second], fallback_cooldown=0.3)
    fake_gateway.error(503, "down", times=3)
    for _ in range(3):
        await client.chat("Hi")
    assert len(fake_gateway.requests) == 3
    started = time.monotonic()
    spared = 0
    while time.monotonic() - started < 0.2:
        spared += (await client.chat("Hi")).attempts[0].gateway != fake_gateway.base_url
    assert spared > 0
    assert len(fake_gateway.requests) == 3
    while (result := await client.chat("Hi")).content == GOOD:
        assert time.monotonic() - started < 10
    assert result.content == "Hello from the fake gateway."
    assert [attempt.error for attempt in result.attempts] == [None]


async def test_when_every_route_rests_they_are_asked_all_the_same(
    models: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.error(503, "down", times=6)
    for _ in range(3):
        with pytest.raises(ProviderError):
            await models.chat("Hi")
    assert (await models.chat("Hi")).content == "Hello from the fake gateway."


async def test_a_client_without_fallbacks_has_no_breaker(client: OpenRouterClient, fake_gateway: FakeGateway) -> None:
    fake_gateway.error(503, "down", times=5)
    for _ in range(5):
        with pytest.raises(ProviderError):
            await client.chat("Hi")
    assert len(fake_gateway.requests) == 5


async def test_what_cannot_be_a_fallback_is_refused(new_client: ClientFactory, client: OpenRouterClient) -> None:
    with pytest.raises(TypeError, match="fallback_models must be a list of model ids"):
        new_client(fallback_models="fake/second")
    with pytest.raises(ValueError, match="must not hold an empty name"):
        client.stream_chat("Hi", fallback_models=[" "])
    with pytest.raises(ValueError, match="fallback_cooldown must be more than 0 seconds"):
        new_client(fallback_cooldown=0)
    with pytest.raises(TypeError, match="fallback_clients must be OpenRouterClients, not str"):
        new_client(fallback_clients=["https://example.com"])
