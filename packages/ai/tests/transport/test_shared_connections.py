"""Clients of one gateway share connections and nothing else: no key, no cookie, no answer, no end."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from ai_tests import ClientFactory, client_of

from raptscallions_ai import (
    AiError,
    ConnectionError,
    OpenRouterClient,
    TimeoutError,
    Timeouts,
    close_all_clients,
    openrouter_client,
)
from raptscallions_ai.testing import FakeGateway, Gate, Hang, Reset, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE, Answer

pytestmark = [pytest.mark.requirement("E04-T005.AC12"), pytest.mark.requirement("E04-T012.AC2")]


END = (sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), DONE)
TENANT = re.compile(r"tenant-(\d+)")


def keys(gateway: FakeGateway) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in gateway.requests]


async def test_clients_of_one_gateway_share_its_connections(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    for key in ("first", "second", "third"):
        await new_client(api_key=key).chat("Hi")
    assert {request.connection for request in fake_gateway.requests} == {1}
    assert keys(fake_gateway) == ["first", "second", "third"]


@pytest.mark.parametrize("prompt", ["Hi", "word " * 600_000], ids=["small", "large"])
async def test_a_kept_connection_that_dies_is_replaced_and_told(
    new_client: ClientFactory, fake_gateway: FakeGateway, prompt: str
) -> None:
    client = new_client()
    fake_gateway.stream("One").reply(Reset(), before_headers=True).stream("Two")
    assert (await client.chat("Hi")).content == "One"
    second = await client.chat(prompt)
    assert second.content == "Two"
    assert [(attempt.error, attempt.delay) for attempt in second.attempts] == [("ConnectionError", 0.0), (None, None)]
    assert [request.connection for request in fake_gateway.requests] == [1, 1, 2]


async def test_many_dead_connections_cost_one_request_more(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client()
    await asyncio.gather(*(client.chat("Hi") for _ in range(20)))
    before = len(fake_gateway.requests)
    fake_gateway.reply(Reset(), before_headers=True, times=None)
    with pytest.raises(ConnectionError) as caught:
        await client.chat("Hi")
    assert len(caught.value.attempts) == len(fake_gateway.requests) - before == 2


async def test_a_request_that_is_sent_again_in_vain_is_reported_too(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client()
    fake_gateway.stream("One").reply(Reset(), before_headers=True).reply(Hang(), before_headers=True)
    await client.chat("Hi")
    with pytest.raises(TimeoutError) as caught:
        await client.chat("Hi", timeout=Timeouts(first_chunk=0.2))
    assert [attempt.error for attempt in caught.value.attempts] == ["ConnectionError", "TimeoutError"]
    assert len(fake_gateway.requests) == 3


@pytest.mark.parametrize("warm", [False, True])
async def test_a_new_connection_that_is_closed_is_one(
    new_client: ClientFactory, fake_gateway: FakeGateway, warm: bool
) -> None:
    client = new_client()
    if warm:
        await client.warm_up()
    fake_gateway.reply(Reset(), before_headers=True)
    with pytest.raises(ConnectionError):
        await client.chat("Hi")
    assert len(fake_gateway.requests) == 1


async def test_clients_of_two_gateways_share_nothing(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    with FakeGateway() as second:
        client, other = new_client(api_key="first"), new_client(api_key="second", base_url=second.base_url)
        await client.chat("Hi")
        await other.chat("Hi")
        await client.aclose()
        assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
        assert second.open_connections == 1
        assert (keys(fake_gateway), keys(second)) == (["first"], ["second"])
        await other.aclose()


async def test_each_client_sends_its_own_headers(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    from raptscallions_ai import AiSettings

    for title in ("First App", None):
        settings = AiSettings.explicit(api_key="k", gateway_url=fake_gateway.base_url, app_title=title)
        async with OpenRouterClient(settings=settings) as client:
            await client.chat("Hi")
    assert [request.headers.get("x-openrouter-title") for request in fake_gateway.requests] == ["First App", None]


@pytest_asyncio.fixture
async def named_gateway() -> AsyncIterator[FakeGateway]:
    """A gateway that has a name, for which alone aiohttp's own store keeps cookies."""
    with FakeGateway() as gateway:
        yield gateway


async def test_no_cookie_is_kept(new_client: ClientFactory, named_gateway: FakeGateway) -> None:
    steps = Answer(("Hi",)).stream().steps
    named_gateway.reply(*steps, headers={"set-cookie": "session=1; Path=/"}, times=None)
    base_url = named_gateway.base_url.replace("127.0.0.1", "localhost")
    first, second = (new_client(base_url=base_url) for _ in range(2))
    for client in (first, second, first):
        await client.chat("Hi")
    assert [request.headers.get("cookie") for request in named_gateway.requests] == [None, None, None]
    assert {request.connection for request in named_gateway.requests} == {1}
    await first.aclose()
    await second.aclose()


async def test_what_a_gateway_sends_unasked_is_nobodys_answer(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    body, other = (Answer((f"For the {which}.",)).json().steps[0] for which in ("first", "second"))
    assert isinstance(body, bytes)
    again = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    gate, length = Gate(), {"content-length": str(len(body))}
    fake_gateway.reply(body, gate, again, headers=length, framing="length").json(other)
    first, second = new_client(), new_client()
    assert (await first.chat("Hi", stream=False)).content == "For the first."
    gate.open()
    assert await fake_gateway.requests[0].closed()
    for _ in range(10):  # so that the loop has seen what came
        await asyncio.sleep(0)
    assert (await second.chat("Hi", stream=False)).content == "For the second."
    assert [request.connection for request in fake_gateway.requests] == [1, 2]


async def test_closing_one_client_ends_no_call_of_another(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("one")), gate, sse(chunk(" two")), *END)
    first, second = new_client(), new_client()
    stream = first.stream_chat("Hi")
    await anext(stream)
    await second.chat("Hi")
    await second.aclose()
    gate.open()
    assert (await stream.result()).content == "one two"
    await first.chat("Hi")
    assert fake_gateway.open_connections > 0
    await first.aclose()
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


async def test_connections_can_be_opened_again_after_the_last_client(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    for _ in range(3):
        client = new_client()
        await client.chat("Hi")
        await client.aclose()
        assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    assert [request.connection for request in fake_gateway.requests] == [1, 2, 3]


async def test_clients_that_come_and_go_at_once(fake_gateway: FakeGateway) -> None:
    async def come_and_go() -> str:
        async with client_of(fake_gateway) as client:
            return (await client.chat("Hi")).content

    answers = await asyncio.gather(*(come_and_go() for _ in range(50)))
    assert len(set(answers)) == 1
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


async def test_an_unclosed_client_among_others_warns(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    closed, dropped = new_client(), client_of(fake_gateway)
    await closed.chat("Hi")
    await dropped.chat("Hi")
    cycle: list[object] = [dropped]
    cycle.append(cycle)
    with pytest.warns(ResourceWarning, match="OpenRouterClient was not closed"):
        del dropped, cycle
        gc.collect()
    await closed.chat("Hi")
    await closed.aclose()
    # The one that was dropped holds nothing open.
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


def test_several_clients_serve_one_loop_after_another(fake_gateway: FakeGateway) -> None:
    clients = [client_of(fake_gateway, key) for key in ("first", "second")]

    async def ask() -> None:
        for client in clients:
            await client.chat("Hi")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(ask())
            assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)
    assert keys(fake_gateway) == ["first", "second"] * 3
    assert [request.connection for request in fake_gateway.requests] == [1, 1, 2, 2, 3, 3]
    clients.clear()
    gc.collect()  # nothing is open, so nothing is warned of


def test_a_client_closed_in_another_loop_leaves_a_resting_one_alone(fake_gateway: FakeGateway) -> None:
    first, second = client_of(fake_gateway), client_of(fake_gateway)
    with asyncio.Runner() as runner:
        runner.run(first.chat("Hi"))
        runner.run(second.chat("Hi"))
        asyncio.run(second.aclose())
        runner.run(first.chat("Hi"))
        assert {request.connection for request in fake_gateway.requests} == {1}
        runner.run(first.aclose())
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)


FORKING = """
import asyncio, os, sys, threading
from raptscallions_ai import ConnectionError, OpenRouterClient

async def main():
    client = OpenRouterClient("k", sys.argv[1], "m", max_retries=0)
    await client.chat("Hi")
    if (child := os.fork()) == 0:
        async def use_and_close():
            await client.chat("Hi")
            await client.aclose()
        thread = threading.Thread(target=lambda: asyncio.run(use_and_close()), daemon=True)
        thread.start()
        thread.join(20)
        os._exit(thread.is_alive())
    print(os.waitpid(child, 0)[1])
    await client.chat("Hi")
    await client.aclose()

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
async def test_a_forked_process_has_connections_of_its_own(fake_gateway: FakeGateway) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING, fake_gateway.base_url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert [request.connection for request in fake_gateway.requests] == [1, 2, 1]


async def test_close_all_clients_ends_everything(new_client: ClientFactory, fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(sse(chunk("Once upon")), Hang(), times=2)
    clients = [new_client(), new_client()]
    streams = [client.stream_chat("Hi") for client in clients]
    for stream in streams:
        await anext(stream)
    await close_all_clients()
    for client, stream in zip(clients, streams, strict=True):
        with pytest.raises(AiError, match="closed"):
            client.stream_chat("Hi")
        with pytest.raises(AiError) as caught:
            await stream.result()
        assert caught.value.partial is not None
        assert caught.value.partial.content == "Once upon"
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    assert (await new_client().chat("Hi")).content
    await close_all_clients()
    await close_all_clients()


async def test_close_all_clients_closes_what_was_dropped(fake_gateway: FakeGateway) -> None:
    client = client_of(fake_gateway)
    await client.chat("Hi")
    with pytest.warns(ResourceWarning):
        del client
        gc.collect()
    assert fake_gateway.open_connections == 1
    await close_all_clients()
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


async def test_close_all_clients_reaches_other_loops(fake_gateway: FakeGateway) -> None:
    ready, leave = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        await client_of(fake_gateway).chat("Hi")
        await kept[0].chat("Hi")
        ready.set()
        await asyncio.to_thread(leave.wait)

    kept = [client_of(fake_gateway)]
    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the one that nobody holds
        thread.start()
        await asyncio.to_thread(ready.wait)
        await kept[0].chat("Hi")
    assert fake_gateway.open_connections > 0
    await close_all_clients()
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    leave.set()
    await asyncio.to_thread(thread.join)


async def test_the_environments_client_can_be_used_after_close_all_clients(
    monkeypatch: pytest.MonkeyPatch, fake_gateway: FakeGateway
) -> None:
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    for _ in range(2):
        assert (await openrouter_client.chat("Hi")).content
        await close_all_clients()
        assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


async def test_warming_up_opens_the_connection_that_the_first_call_uses(
    new_client: ClientFactory, fake_gateway: FakeGateway
) -> None:
    client = new_client()
    await client.warm_up()
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 1)
    assert fake_gateway.requests == []
    await client.warm_up()
    await client.chat("Hi")
    await new_client().warm_up()
    assert fake_gateway.open_connections == 1
    assert [request.connection for request in fake_gateway.requests] == [1]


async def test_warming_up_for_an_unreachable_gateway_is_no_error(new_client: ClientFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = new_client(base_url=f"http://127.0.0.1:{port}/v1")
    await client.warm_up()
    with pytest.raises(AiError, match="Failed to connect"):
        await client.chat("Hi")


async def test_warming_up_waits_for_no_handshake_longer_than_for_a_connection(new_client: ClientFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says anything
        port = silent.getsockname()[1]
        client = new_client(base_url=f"https://127.0.0.1:{port}/v1", timeout=Timeouts(connect=0.1))
        async with asyncio.timeout(5):
            await client.warm_up()
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(3) == b"\x16\x03\x01"  # a TLS handshake, of which the rest is missing


async def test_warming_up_a_closed_client(client: OpenRouterClient) -> None:
    await client.aclose()
    with pytest.raises(AiError, match="closed"):
        await client.warm_up()


async def test_warming_up_leaves_an_injected_client_alone(fake_gateway: FakeGateway) -> None:
    from openai import AsyncOpenAI

    async with (
        AsyncOpenAI(api_key="k", base_url=fake_gateway.base_url) as theirs,
        OpenRouterClient(default_model="m", openai_client=theirs) as client,
    ):
        await client.warm_up()
        assert fake_gateway.open_connections == 0
        assert (await client.chat("Hi")).content
