"""The sixteen scenarios of failing gateways, with the defaults of a client that names a fallback, and tuned.

In each of them a second gateway could answer. The caller gets a whole answer, and the requests that the gateways saw
are the attempts that the result tells. Waits are shortened; how long the defaults are is checked for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ai_tests import GOOD, ClientFactory

from raptscallions_ai import AiSettings, ChatResult, OpenRouterClient, Timeouts
from raptscallions_ai._call import breaker, deadlines
from raptscallions_ai._call.breaker import CircuitBreakers
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Pause, Reply, Reset, chunk, json_reply, sse
from raptscallions_ai.testing.wire import COMMENT, Answer, error_body

pytestmark = [pytest.mark.requirement("E04-T020.AC4"), pytest.mark.usefixtures("short_delays")]

TUNED: dict[str, Any] = {
    "timeout": Timeouts(first_chunk=0.4, idle=0.4, total=20),
    "on_interrupt": "restart",
    "max_retries": 1,
}
ONCE = sse(chunk("Once upon"))
IN_BAND = sse({"choices": [], "error": {"code": 502, "message": "died"}})
TOO_LONG = "This endpoint's maximum context length is 8192 tokens. However, you requested about 20000 tokens"


def status(code: int, message: str, **headers: str) -> Reply:
    return json_reply(error_body(code, message), status=code, headers=headers)


BROKEN: dict[str, Reply] = {
    "an outage": status(503, "down"),
    "a rate limit of a minute": status(429, "slow down", **{"Retry-After": "60"}),
    "a key that was revoked": status(401, "no such key"),
    "an empty account": status(402, "no credits"),
    "a model that is gone": status(404, "No endpoints found for fake/first."),
    "a conversation that is too long for the model": status(400, TOO_LONG),
    "a page of a proxy": Reply(
        (b"<html><body>Bad gateway</body></html>",), 502, {"content-type": "text/html"}, "length"
    ),
    "silence": Reply((Hang(),), before_headers=True),
    "keep-alives and nothing else": Reply(tuple(step for _ in range(60) for step in (COMMENT, Pause(0.02)))),
    "an answer that stalls": Reply((ONCE, Hang())),
    "an answer that is cut": Reply((ONCE, Cut())),
    "an answer that breaks": Reply((ONCE, b"data: {broken\n\n")),
    "an answer that fails": Reply((ONCE, IN_BAND)),
}


@pytest.fixture(params=["defaults", "tuned"])
def primary(
    request: pytest.FixtureRequest,
    new_client: ClientFactory,
    second: OpenRouterClient,
    monkeypatch: pytest.MonkeyPatch,
) -> OpenRouterClient:
    """A client that falls back to a second gateway."""
    monkeypatch.setattr("raptscallions_ai._call.deadlines._PATIENCE", 0.4)
    chosen = TUNED if request.param == "tuned" else {"timeout": None, "max_retries": None}
    return new_client(default_model="fake/first", fallback_clients=[second], **chosen)


async def asked(client: OpenRouterClient, *gateways: FakeGateway) -> ChatResult:
    """Return the answer, read as a stream, once it is sure that each request is an attempt that it tells."""
    before = sum(len(gateway.requests) for gateway in gateways)
    result = await client.stream_chat("Hi").result()
    assert sum(len(gateway.requests) for gateway in gateways) - before == len(result.attempts)
    assert result.attempts[-1].error is None
    assert all(attempt.error for attempt in result.attempts[:-1])
    return result


@pytest.mark.parametrize("failure", BROKEN.values(), ids=BROKEN)
async def test_another_gateway_answers(
    primary: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway, failure: Reply
) -> None:
    await primary.warm_up()
    fake_gateway.add(failure, times=None)
    assert (await asked(primary, fake_gateway, second_gateway)).content == GOOD


async def test_nobody_is_there(
    primary: OpenRouterClient, second: OpenRouterClient, second_gateway: FakeGateway
) -> None:
    with FakeGateway() as gone:
        address = gone.base_url
    async with OpenRouterClient("key", address, "fake/first", fallback_clients=[second]) as client:
        result = await client.chat("Hi")
    assert (result.content, len(second_gateway.requests)) == (GOOD, 1)
    assert {attempt.error for attempt in result.attempts[:-1]} == {"ConnectionError"}


@pytest.mark.parametrize("ending", [Cut(), Reset()], ids=["closed", "reset"])
async def test_kept_connections_that_are_dead(
    primary: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway, ending: Any
) -> None:
    await asyncio.gather(*(primary.chat("Hi") for _ in range(6)))  # each leaves a connection behind
    fake_gateway.add(Reply((ending,), before_headers=True))
    result = await asked(primary, fake_gateway, second_gateway)
    assert result.content == "Hello from the fake gateway."
    assert [attempt.error for attempt in result.attempts] == ["ConnectionError", None]


async def test_a_primary_that_flaps_is_used_within_ten_seconds_of_being_back(
    primary: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway
) -> None:
    now, down = 1000.0, True
    primary._breakers = CircuitBreakers(lambda: now)  # pyright: ignore[reportPrivateUsage] - a clock that can be moved
    fake_gateway.add(lambda _: status(503, "down") if down else Answer(("Back.",)).stream(), times=None)
    for _ in range(3):
        down = True
        for _ in range(20):
            await asked(primary, fake_gateway, second_gateway)
            now += 1
        down, before = False, len(fake_gateway.requests)
        now += 10
        assert (await asked(primary, fake_gateway, second_gateway)).content == "Back."
        assert len(fake_gateway.requests) == before + 1


async def test_while_it_is_down_one_request_in_a_rest_sees_whether_it_is_back(
    primary: OpenRouterClient, fake_gateway: FakeGateway, second_gateway: FakeGateway
) -> None:
    now = 1000.0
    primary._breakers = CircuitBreakers(lambda: now)  # pyright: ignore[reportPrivateUsage] - a clock that can be moved
    fake_gateway.error(503, "down", times=None)
    for _ in range(3):
        await asked(primary, fake_gateway, second_gateway)
    before = len(fake_gateway.requests)
    for _ in range(60):
        assert (await asked(primary, fake_gateway, second_gateway)).content == GOOD
        now += 1
    assert len(fake_gateway.requests) - before <= 12


def test_how_long_the_defaults_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: Callable[[Any, str], float] = getattr
    assert lengths(deadlines, "_PATIENCE") == 10
    assert lengths(breaker, "_COOLDOWN") == AiSettings.explicit(api_key="k").fallback_cooldown_ms / 1000 == 5
