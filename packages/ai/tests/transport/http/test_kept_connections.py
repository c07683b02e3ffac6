"""Kept connections: none that is known to be dead is used, and one that dies is replaced once, and told."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from http_servers import OK, Serve, Served, request, say_ok, whole

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import LostConnectionError, Replaced

ENDINGS = ["reset", "close"]
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def end(connection: Served, how: str) -> None:
    if how == "reset":
        connection.reset()
    else:
        connection.close()


async def keep(client: HttpClient, url: str, count: int) -> None:
    """Have that many kept connections."""
    responses = await asyncio.gather(*(client.send(request(url)) for _ in range(count)))
    await asyncio.gather(*(whole(response) for response in responses))


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("body", [b"{}", b"x" * 3_000_000], ids=["small", "large"])
async def test_a_request_that_dies_with_its_kept_connection_is_sent_once_more(
    client: HttpClient, serve: Serve, how: str, body: bytes
) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        if connection.number == 1:
            await connection.request()
            await end(connection, how)
        else:
            await say_ok(connection)

    server = await serve(handler)
    await keep(client, server.url, 1)
    lost: list[Replaced] = []
    response = await client.send(request(server.url, body), on_replaced=lost.append)
    assert await whole(response) == b"ok"
    [replaced] = lost
    assert replaced.reason in ("closed by the gateway", "connection reset by peer", "broken pipe")
    assert server.bodies == [b"{}", body, body]
    assert server.accepted == 2


@pytest.mark.requirement("E04-T012.AC1")
async def test_twenty_dead_connections_cost_one_further_request(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.request()
        connection.reset()

    server = await serve(handler)
    await keep(client, server.url, 20)
    before = len(server.heads)
    lost: list[Replaced] = []
    response = await client.send(request(server.url), on_replaced=lost.append)
    assert await whole(response) == b"ok"
    assert (len(server.heads) - before, len(lost)) == (2, 1)


async def test_what_fails_on_a_new_connection_is_not_sent_again(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        connection.reset()

    server = await serve(handler)
    lost: list[Replaced] = []
    with pytest.raises(LostConnectionError):
        await client.send(request(server.url), on_replaced=lost.append)
    assert (len(server.heads), lost) == (1, [])


async def test_both_requests_are_reported_when_the_second_fails_too(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        if connection.number == 1:
            await connection.send(OK)
            await connection.request()
        connection.reset()

    server = await serve(handler)
    await keep(client, server.url, 1)
    lost: list[Replaced] = []
    with pytest.raises(LostConnectionError):
        await client.send(request(server.url), on_replaced=lost.append)
    assert (len(server.heads), len(lost)) == (3, 1)


async def test_a_byte_of_the_answer_is_enough_for_it_not_to_be_sent_again(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.request()
        await connection.send(b"H")
        connection.close()

    server = await serve(handler)
    await keep(client, server.url, 1)
    with pytest.raises(LostConnectionError):
        await client.send(request(server.url))
    assert len(server.heads) == 2


async def test_a_connection_that_the_server_has_closed_is_not_used(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)

    server = await serve(handler)
    lost: list[Replaced] = []
    for number in range(1, 4):
        assert await whole(await client.send(request(server.url), on_replaced=lost.append)) == b"ok"
        while client.kept != 0:  # noqa: ASYNC110 - the loop has to see the end of the connection
            await asyncio.sleep(0)
        assert (len(server.heads), lost) == (number, [])


async def test_an_end_that_the_loop_has_not_seen_is_noticed_before_sending(client: HttpClient, serve: Serve) -> None:
    closed = asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        if connection.number == 1:
            await closed.wait()
            connection.reset()
        else:
            await say_ok(connection)

    server = await serve(handler)
    await keep(client, server.url, 1)
    [kept] = client.idle(request(server.url).address.origin)
    assert kept.transport is not None
    kept.transport.pause_reading()  # as if the loop had been busy
    closed.set()
    while kept.usable:  # noqa: ASYNC110 - until the end has arrived
        await asyncio.sleep(0.001)
    lost: list[Replaced] = []
    assert await whole(await client.send(request(server.url), on_replaced=lost.append)) == b"ok"
    assert (len(server.heads), lost) == (2, [])


async def test_a_server_says_for_how_long_it_keeps_a_connection(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        while await connection.request():
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: max=9, timeout=1\r\n\r\nok")

    server = await serve(handler)
    for _ in range(2):
        assert await whole(await client.send(request(server.url))) == b"ok"
    assert server.accepted == 2  # a second is no longer than the margin


async def test_expired_connections_are_closed(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raptscallions_ai._transport.http.client._KEPT_SECONDS_PLAIN", 0.01)
    gone = asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.closed()
        gone.set()

    server = await serve(handler)
    await keep(client, server.url, 1)
    await gone.wait()
    assert client.kept == 0


async def test_connecting_ahead_sends_nothing_and_is_used(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    origin = request(server.url).address.origin
    for _ in range(2):
        await client.connect(origin)
    while server.accepted < 1:  # noqa: ASYNC110 - the server is in the same loop
        await asyncio.sleep(0)
    assert server.heads == []
    response = await client.send(request(server.url))
    assert (await whole(response), server.accepted) == (b"ok", 1)


async def test_a_connection_opened_ahead_that_fails_is_new(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        connection.reset()

    server = await serve(handler)
    await client.connect(request(server.url).address.origin)
    lost: list[Replaced] = []
    with pytest.raises(LostConnectionError):
        await client.send(request(server.url), on_replaced=lost.append)
    assert (len(server.heads), lost) == (1, [])


@pytest.mark.requirement("E04-T013.AC1")
@pytest.mark.parametrize("seed", range(3))
async def test_a_storm_of_cancellations_leaves_nothing(client: HttpClient, serve: Serve, seed: int) -> None:
    chance, served = random.Random(seed), list[asyncio.Event]()

    async def handler(connection: Served) -> None:
        served.append(ended := asyncio.Event())
        with contextlib.suppress(ConnectionError):
            while await connection.request():
                await connection.send(CHUNKED, *[b"5\r\nhello\r\n"] * 20, b"0\r\n\r\n")
        ended.set()

    async def ask() -> bytes:
        return await whole(await client.send(request(server.url)))

    server = await serve(handler)
    for _ in range(10):
        asking = [asyncio.create_task(ask()) for _ in range(30)]
        for _ in range(chance.randrange(40)):  # turns of the loop: some have no connection yet, others are at the end
            await asyncio.sleep(0)
        for task in chance.sample(asking, 20):
            task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert {answer for answer in answers if not isinstance(answer, BaseException)} <= {b"hello" * 20}
        assert {type(answer) for answer in answers if isinstance(answer, BaseException)} <= {asyncio.CancelledError}
    origin = request(server.url).address.origin
    assert all(connection.usable for connection in client.idle(origin))
    assert await ask() == b"hello" * 20
    await client.aclose()
    async with asyncio.timeout(5):
        await asyncio.gather(*(ended.wait() for ended in served))
