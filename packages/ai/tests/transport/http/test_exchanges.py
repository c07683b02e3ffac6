"""Requests and answers over real sockets, with servers that do what they should not."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from http_servers import OK, Serve, Served, request, say_ok, whole

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import LostConnectionError, NotHttpError, UnreachableError

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = bytes(30_000_000)  # more than the system takes in advance


async def test_a_request_and_its_answer(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    response = await client.send(request(f"{server.url}/v1/chat?a=b", b'{"a": 1}', content_type="application/json"))
    assert (response.status, await whole(response)) == (200, b"ok")
    assert server.heads == [
        b"POST /v1/chat?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
        b"content-type: application/json\r\nContent-Length: 8\r\n\r\n" % server.port
    ]
    assert server.bodies == [b'{"a": 1}']


async def test_a_kept_connection_serves_again(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    for _ in range(5):
        response = await client.send(request(server.url))
        assert await whole(response) == b"ok"
    assert server.accepted == 1


async def test_two_requests_at_once_have_two_connections(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    first, second = await asyncio.gather(client.send(request(server.url)), client.send(request(server.url)))
    assert (await whole(second), await whole(first)) == (b"ok", b"ok")
    assert server.accepted == 2


async def test_a_large_body_arrives_whole(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    response = await client.send(request(server.url, bytes(range(256)) * 20_000))
    assert await whole(response) == b"ok"
    assert server.bodies == [bytes(range(256)) * 20_000]


async def test_a_get_has_no_body(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    await whole(await client.send(request(server.url, b"", "GET")))
    assert b"content-length" not in server.heads[0].lower()


async def test_the_callers_framing_headers_are_not_sent(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    odd = request(server.url, content_length="99", transfer_encoding="chunked", connection="close", host="other")
    await whole(await client.send(odd))
    assert server.heads[0] == b"POST / HTTP/1.1\r\nHost: other\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_become_two(client: HttpClient, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        await client.send(request("http://127.0.0.1:1", x=value))


async def test_a_read_returns_what_has_come(client: HttpClient, serve: Serve) -> None:
    gate = asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(CHUNKED + b"1\r\na\r\n")
        await gate.wait()
        await connection.send(b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")

    server = await serve(handler)
    response = await client.send(request(server.url))
    assert await response.read() == b"a"
    gate.set()
    assert await response.read() == b"bc"
    assert await response.read() == b""


@pytest.mark.requirement("E04-T011.AC1")
async def test_what_came_before_an_error_is_delivered_first(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(CHUNKED + b"4\r\ntext\r\nzz\r\n")
        await connection.closed()

    server = await serve(handler)
    response = await client.send(request(server.url))
    assert await response.read() == b"text"
    for _ in range(2):
        with pytest.raises(NotHttpError, match="chunk size"):
            await response.read()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_at_every_byte(client: HttpClient, serve: Serve, reset: bool) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    cuts = iter(range(len(wire)))

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(wire[: next(cuts)])
        if reset:
            await asyncio.sleep(0.002)  # what the client has not read yet, a RST takes away
            connection.reset()

    server = await serve(handler)
    for end in range(len(wire)):
        got = b""
        with pytest.raises(LostConnectionError):
            response = await client.send(request(server.url))
            while part := await response.read():
                got += part
        assert b"abcde".startswith(got)
        if not reset and end >= wire.index(b"\r\n2\r\nde"):
            assert got[:3] == b"abc"
    assert server.accepted == len(wire)


async def test_an_early_answer_to_a_large_body_is_read(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large")
        connection.close()  # with most of the body unread, which resets the connection

    server = await serve(handler)
    for _ in range(20):
        response = await client.send(request(server.url, LARGE))
        assert (response.status, await whole(response)) == (413, b"too large")
    assert server.accepted == 20


async def test_an_answer_is_read_although_the_server_closed_while_the_body_was_written(client: HttpClient) -> None:
    answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large"

    def refuse() -> None:
        for _ in range(10):
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)  # and close with the rest unread: writing fails before reading is tried

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse)
        thread.start()
        for _ in range(10):
            response = await client.send(request(f"http://127.0.0.1:{listener.getsockname()[1]}", LARGE))
            assert (response.status, await whole(response)) == (413, b"too large")
        thread.join()


async def test_an_early_answer_whose_connection_stays_is_not_mixed_up(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.head()
        await connection.send(OK)
        await connection.closed()

    server = await serve(handler)
    for _ in range(3):
        assert await whole(await client.send(request(server.url, LARGE))) == b"ok"
    assert server.accepted == 3


async def test_interim_responses_are_passed_over(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        while await connection.request():
            await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", OK)

    server = await serve(handler)
    for _ in range(2):
        response = await client.send(request(server.url))
        assert (response.status, response.headers, await whole(response)) == (200, {"content-length": "2"}, b"ok")
    assert server.accepted == 1


@pytest.mark.parametrize(
    "surplus", [OK, b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n", b"garbage", b"\r\n"]
)
@pytest.mark.parametrize("later", [False, True])
async def test_what_nobody_asked_for_is_nobodys_answer(
    client: HttpClient, serve: Serve, surplus: bytes, later: bool
) -> None:
    surplus_sent = asyncio.Event()

    async def handler(connection: Served) -> None:
        while body := await connection.request():
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            await connection.send(*((answer, surplus) if later else (answer + surplus,)))
            surplus_sent.set()

    server = await serve(handler)
    for body in (b"one", b"two", b"three"):
        surplus_sent.clear()
        assert await whole(await client.send(request(server.url, body))) == body
        await surplus_sent.wait()
    assert server.bodies == [b"one", b"two", b"three"]
    assert server.accepted == 3 or surplus == b"\r\n"  # which may stand before a response


async def test_a_response_that_is_given_up_closes_its_connection(client: HttpClient, serve: Serve) -> None:
    gone = asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(CHUNKED + b"1\r\na\r\n")
        await connection.closed()
        gone.set()

    server = await serve(handler)
    response = await client.send(request(server.url))
    assert await response.read() == b"a"
    await response.aclose()
    await gone.wait()
    await response.aclose()


@pytest.mark.parametrize("begun", [False, True])
async def test_cancelling_closes_the_connection(client: HttpClient, serve: Serve, begun: bool) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        if begun:
            await connection.send(b"HTTP/1.1 200 OK\r\nconte")
        arrived.set()
        await connection.closed()
        gone.set()

    server = await serve(handler)
    task = asyncio.create_task(client.send(request(server.url)))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone.wait()


@pytest.mark.requirement("E04-T011.AC4")
async def test_nobody_reads_and_the_server_is_slowed_down(client: HttpClient, serve: Serve) -> None:
    sent = 0

    async def handler(connection: Served) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(CHUNKED)
        for _ in range(400):
            connection.writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            await connection.writer.drain()
            sent += 65536
        await connection.send(b"0\r\n\r\n")
        await say_ok(connection)

    server = await serve(handler)
    response = await client.send(request(server.url))
    before = -1
    while sent != before:  # until the server makes no progress any more
        before = sent
        await asyncio.sleep(0.05)
    assert sent < 400 * 65536
    assert len(await whole(response)) == 400 * 65536
    assert await whole(await client.send(request(server.url))) == b"ok"
    assert server.accepted == 1


async def test_a_half_closed_connection_ends_the_answer(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        connection.writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        connection.writer.write_eof()
        await connection.closed()

    server = await serve(handler)
    assert await whole(await client.send(request(server.url))) == b"all of it"


async def test_nobody_listens(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    await server.stop()
    with pytest.raises(UnreachableError, match="connection refused"):
        await client.send(request(server.url))


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"<!DOCTYPE html>"])
async def test_another_protocol_is_reported(client: HttpClient, serve: Serve, answer: bytes) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(answer)
        await connection.closed()

    server = await serve(handler)
    with pytest.raises(NotHttpError):
        await client.send(request(server.url))


async def test_closing_the_client_ends_what_is_under_way(serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(CHUNKED + b"1\r\na\r\n")
        await connection.closed()

    server, client = await serve(handler), HttpClient()
    response = await client.send(request(server.url))
    await client.aclose()
    assert await response.read() == b"a"
    with pytest.raises(LostConnectionError, match="closed"):
        await response.read()
    with pytest.raises(LostConnectionError, match="closed"):
        await client.send(request(server.url))
