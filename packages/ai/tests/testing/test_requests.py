"""What the gateway records of requests, connections, and of clients that leave."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, Pause


def test_a_request_is_recorded_whole(fake_gateway: FakeGateway, raw: Any) -> None:
    raw.ask({"model": "m"}, path="/api/v1/chat/completions?a=1&b=", headers="X-Two: 1\r\nx-two: 2\r\n")
    raw.read_until(b"}")
    [request] = fake_gateway.requests
    assert (request.method, request.path, request.query) == ("POST", "/api/v1/chat/completions", {"a": "1", "b": ""})
    assert request.json == {"model": "m"}
    assert request.headers["X-TWO"] == "1, 2"
    assert "host" in request.headers and "cookie" not in request.headers and None not in request.headers
    assert list(request.headers) == ["host", "content-length", "x-two"]


def test_a_representation_shows_neither_headers_nor_body(fake_gateway: FakeGateway, raw: Any) -> None:
    raw.ask({"messages": "secret words"}, headers="Authorization: Bearer secret key\r\n")
    raw.read_until(b"}")
    [request] = fake_gateway.requests
    assert request.wait_closed()
    assert repr(request) == "<RecordedRequest POST /api/v1/chat/completions, connection 1, ended>"
    assert repr(request.headers) == "Headers(host, content-length, authorization)"


def test_a_chunked_body_in_single_bytes(fake_gateway: FakeGateway, raw: Any) -> None:
    message = (
        b"POST /api/v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'9;x=y\r\n{"stream"\r\n6\r\n:true}\r\n0\r\n\r\n'
    )
    for byte in message:
        raw.socket.sendall(bytes([byte]))
    assert raw.read_body().endswith(b"data: [DONE]\n\n")
    assert fake_gateway.requests[0].json == {"stream": True}


def test_requests_that_arrive_together_are_answered_in_order(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"first").reply(b"second")
    head = b"POST /api/v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    raw.socket.sendall(head + head)
    assert [raw.read_body(), raw.read_body()] == [b"first", b"second"]
    assert [request.connection for request in fake_gateway.requests] == [1, 1]


def test_connections_are_numbered_and_counted(fake_gateway: FakeGateway, connect: Callable[[], Any]) -> None:
    first = connect()
    for client in (first, first, connect()):
        client.ask()
        client.read_body()
    assert [request.connection for request in fake_gateway.requests] == [1, 1, 2]
    assert fake_gateway.open_connections == 2
    first.close()
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 1)


def test_a_client_that_does_not_keep_alive_is_closed(fake_gateway: FakeGateway, raw: Any) -> None:
    raw.ask(headers="Connection: close\r\n")
    assert raw.read_all().endswith(b"\r\n0\r\n\r\n")
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_not_http_is_refused(fake_gateway: FakeGateway, raw: Any, garbage: bytes) -> None:
    raw.ask({})
    raw.read_until(b"}")
    raw.socket.sendall(garbage)
    assert b"HTTP/1.1 400 " in raw.read_all()


@pytest.mark.parametrize("step", [Gate(), Hang(), Pause(3600)], ids=repr)
@pytest.mark.parametrize("before_headers", [False, True])
def test_a_client_that_leaves_is_noticed_at_once(
    fake_gateway: FakeGateway, raw: Any, step: Gate | Hang | Pause, before_headers: bool
) -> None:
    fake_gateway.reply(step, b"never", before_headers=before_headers)
    raw.ask()
    assert fake_gateway.wait_until(lambda: len(fake_gateway.requests) == 1)
    [request] = fake_gateway.requests
    assert not request.wait_closed(timeout=0.01)
    assert fake_gateway.open_responses == 1
    raw.close()
    assert request.wait_closed()
    assert request.disconnected
    assert fake_gateway.open_responses == 0
    assert fake_gateway.wait_until(lambda: fake_gateway.open_connections == 0)


def test_a_client_that_stops_reading_and_leaves(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"small", b"x" * 20_000_000, b"never sent")
    raw.ask()
    raw.read_until(b"small\r\n")
    [request] = fake_gateway.requests
    raw.close()
    assert request.wait_closed()
    assert request.disconnected
    assert 0 < request.bytes_sent < 1000


def test_a_client_that_resets_the_connection(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(Hang())
    raw.ask()
    raw.read_until(b"\r\n\r\n")
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    raw.close()
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected


def test_bytes_sent_counts_the_whole_response(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", b"two", framing="close")
    raw.ask()
    received = raw.read_all()
    [request] = fake_gateway.requests
    assert request.bytes_sent == len(received)
    assert request.ended and not request.disconnected


def test_a_slow_reader_is_no_leaver(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"x" * 20_000_000, framing="close")
    raw.ask()
    assert len(raw.read_all()) > 20_000_000
    raw.close()
    [request] = fake_gateway.requests
    assert request.wait_closed()
    assert not request.disconnected


def test_a_cut_by_the_script_is_no_disconnect(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", Cut())
    raw.ask()
    raw.read_all()
    assert fake_gateway.requests[0].wait_closed()
    assert not fake_gateway.requests[0].disconnected


async def test_waiting_does_not_block_the_loop(fake_gateway: FakeGateway) -> None:
    fake_gateway.reply(Hang())
    port = int(fake_gateway.base_url.split(":")[2].split("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /api/v1/chat/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    assert await fake_gateway.until(lambda: len(fake_gateway.requests) == 1)
    [request] = fake_gateway.requests
    assert not await request.closed(timeout=0.01)
    # Both wait on this loop: had the first blocked it, the second could not close the connection.
    waiting = asyncio.create_task(request.closed())
    await asyncio.sleep(0)
    writer.close()
    await writer.wait_closed()
    assert await waiting
    assert request.disconnected
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
