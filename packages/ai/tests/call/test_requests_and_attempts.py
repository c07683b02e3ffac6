"""What a call sends is what it tells, and all of it carries the call's headers; nobody waits for what is loaded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import AiError, InvalidResponseError, OpenRouterClient, TimeoutError, Timeouts
from raptscallions_ai._transport.sdk import SdkConnections
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Reply, Reset, chunk, json_reply, sse
from raptscallions_ai.testing.wire import error_body

pytestmark = [pytest.mark.requirement("E04-T020.AC3"), pytest.mark.usefixtures("short_delays")]

PATH = "/api/v1/chat/completions"
ONCE = sse(chunk("Once upon"))
OVERLOADED = json_reply(error_body(503, "busy"), status=503)


def moved(location: str | None, status: int = 307) -> Reply:
    return Reply((), status, {"content-length": "0"} | ({"location": location} if location else {}), "length")


SENT: dict[str, tuple[Reply, ...]] = {
    "at once": (),
    "again": (OVERLOADED, OVERLOADED),
    "too often": (OVERLOADED,) * 6,
    "to another path": (moved(f"{PATH}?moved"), moved(f"{PATH}?again")),
    "in circles": (moved(PATH),) * 6,
    "to nowhere": (moved(None),),
    "to another host": (moved("http://127.0.0.2/v1"),),
    "on a dead connection": (Reply((Reset(),), before_headers=True),),
    "on two dead connections": (Reply((Cut(),), before_headers=True),) * 2,
    "in another spelling": (json_reply(error_body(400, "Unsupported parameter: 'max_tokens'"), status=400),),
    "anew": (Reply((ONCE, Cut())), OVERLOADED),
    "anew in vain": (Reply((ONCE, Cut())),) * 6,
}


@pytest.mark.parametrize("policy", ["fail", "restart", "continue"])
@pytest.mark.parametrize("replies", SENT.values(), ids=SENT)
async def test_requests_are_attempts(
    new_client: ClientFactory, fake_gateway: FakeGateway, replies: tuple[Reply, ...], policy: Any
) -> None:
    client = new_client(max_retries=2)
    await client.chat("Hi")
    for reply in replies:
        fake_gateway.add(reply)
    try:
        attempts = (await client.chat("Hi", max_tokens=5, on_interrupt=policy, prefill=True)).attempts
    except AiError as error:
        attempts = error.attempts
    assert len(attempts) == len(fake_gateway.requests) - 1


@pytest.mark.parametrize("replies", [(moved("/api/v1/models"),) * 6, SENT["to nowhere"], SENT["too often"]])
async def test_so_it_is_for_lists_of_models(
    new_client: ClientFactory, fake_gateway: FakeGateway, replies: tuple[Reply, ...]
) -> None:
    models = fake_gateway.route("GET", "/api/v1/models")
    for reply in replies:
        models.add(reply)
    with pytest.raises(AiError) as caught:
        await new_client(max_retries=2).models()
    assert len(caught.value.attempts) == len(fake_gateway.requests)


async def test_a_redirect_without_an_address_is_told_at_once(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    fake_gateway.add(moved(None))
    with pytest.raises(InvalidResponseError, match="redirects to nowhere: there is no Location"):
        await new_client().chat("Hi")
    assert len(fake_gateway.requests) == 1


OWN = {"x-portkey-config": "pc-1"}


async def test_the_headers_of_a_call_go_with_all_that_belongs_to_it(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    books = fake_gateway.route("GET", "/api/v1/generation")
    books.add(json_reply({"data": {"id": "gen-1", "total_cost": 0.5}}))
    fake_gateway.add(OVERLOADED)
    fake_gateway.reply(ONCE, Cut())
    fake_gateway.reply(sse(chunk(" a time")), Hang())
    stream = new_client(max_retries=1).stream_chat(
        "Hi", extra_headers=OWN, on_interrupt="continue", prefill=True, require_usage=False
    )
    async for piece in stream:
        if piece.type == "content" and "time" in piece.content:
            break
    await stream.settle()
    assert [request.path for request in fake_gateway.requests] == [PATH] * 3 + ["/api/v1/generation"] * 2
    assert {request.headers.get("x-portkey-config") for request in fake_gateway.requests} == {"pc-1"}


@pytest.mark.parametrize("where", ["client", "call"])
async def test_headers_for_lists_and_books(new_client: ClientFactory, fake_gateway: FakeGateway, where: str) -> None:
    client = new_client(headers=OWN if where == "client" else None)
    own: Any = {"extra_headers": OWN} if where == "call" else {}
    fake_gateway.route("GET", "/api/v1/generation").add(json_reply({"data": {"id": "gen-1"}}))
    await client.models(**own)
    await client.generation("gen-1", **own)
    await client.chat("Hi", **own)
    assert [request.headers.get("x-portkey-config") for request in fake_gateway.requests] == ["pc-1"] * 3
    with pytest.raises(ValueError, match="extra_headers: 'Host' belongs to the connection"):
        await client.models(extra_headers={"Host": "x"})
    with pytest.raises(ValueError, match="headers: the value of 'x' contains control characters"):
        new_client(headers={"x": "a\r\nb: c"})


async def test_an_sdk_client_of_ones_own_has_its_own_headers() -> None:
    import openai

    async with openai.AsyncOpenAI(api_key="k", base_url="http://127.0.0.1:9") as sdk:
        with pytest.raises(TypeError, match="give them to it as default_headers"):
            OpenRouterClient(default_model="m", openai_client=sdk, headers=OWN)


@pytest.mark.parametrize("what", ["chat", "models"])
async def test_nobodys_deadline_is_charged_for_loading_modules(
    new_client: ClientFactory, fake_gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    loop, seconds = asyncio.get_running_loop(), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + seconds)

    async def load_for_a_minute(connections: SdkConnections) -> None:
        nonlocal seconds
        seconds += 0 if connections.is_loaded else 60
        monkeypatch.setattr(connections, "_loaded", True)

    client = new_client(timeout=Timeouts(first_chunk=5, total=10))
    await new_client().warm_up()  # so that nothing is really loaded below
    monkeypatch.setattr(SdkConnections, "load", load_for_a_minute)
    if what == "models":
        assert await client.models()
        return
    assert (await client.chat("Hi")).content == "Hello from the fake gateway."
    fake_gateway.reply(Hang())
    with pytest.raises(TimeoutError):  # which holds all the same
        await client.chat("Hi", timeout=0.05)


@pytest.mark.parametrize("policy", ["fail", "restart"])
@pytest.mark.parametrize("ending", [Cut(), Hang()], ids=["cut", "silence"])
@pytest.mark.parametrize("wanted", [True, False])
async def test_an_answer_without_its_usage_is_whole_and_not_asked_for_again(
    new_client: ClientFactory,
    fake_gateway: FakeGateway,
    second: OpenRouterClient,
    policy: Any,
    ending: Any,
    wanted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = new_client(fallback_clients=[second], on_interrupt=policy)
    await client.warm_up()
    fake_gateway.reply(ONCE, sse(chunk("", finish_reason="stop")), ending)
    monkeypatch.setattr("raptscallions_ai._call.deadlines._USAGE_GRACE", 0.1)
    if not wanted:
        assert (await client.chat("Hi", timeout=Timeouts(idle=0.1), require_usage=False)).content == "Once upon"
        return
    with pytest.raises(InvalidResponseError, match="No usage metadata in response") as caught:
        await client.chat("Hi")
    assert caught.value.partial is not None
    assert (caught.value.partial.content, caught.value.partial.finish_reason) == ("Once upon", "stop")
    assert len(fake_gateway.requests) == len(caught.value.attempts) == 1
