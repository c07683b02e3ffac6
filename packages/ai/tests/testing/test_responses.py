"""Every byte of a response is the script's: framing, order, and each way to end."""

import gc
import socket
import time
from typing import Any

import pytest

from raptscallions_ai.testing import Cut, FakeGateway, Gate, Pause, Reset


def test_each_bytes_step_is_one_chunk(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", b"sixteen bytes xx", headers={"X-Extra": "1"})
    raw.ask()
    assert raw.read_until(b"0\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nx-extra: 1\r\n\r\n"
        b"3\r\none\r\n10\r\nsixteen bytes xx\r\n0\r\n\r\n"
    )


def test_framing_by_length(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", b"two", framing="length", status=529, headers={"Content-Type": "text/plain"})
    raw.ask()
    expected = b"HTTP/1.1 529 \r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nonetwo"
    assert raw.read_until(b"two") == expected


def test_a_wrong_length_is_sent_as_it_is(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"short", Cut(), framing="length", headers={"Content-Length": "999"})
    raw.ask()
    assert raw.read_all().endswith(b"content-length: 999\r\n\r\nshort")


def test_framing_by_close(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", b"two", framing="close")
    raw.ask()
    expected = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nonetwo"
    assert raw.read_all() == expected


def test_raw_framing_adds_nothing(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"HTTP/9 nonsense\n", b"\x00", framing="raw")
    raw.ask()
    assert raw.read_all() == b"HTTP/9 nonsense\n\x00"


def test_an_empty_response_is_still_framed(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(status=204, headers={"Connection": "close"})
    raw.ask()
    assert raw.read_all().endswith(b"connection: close\r\n\r\n0\r\n\r\n")


def test_cut_leaves_the_terminating_chunk_out(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", Cut(), b"never")
    raw.ask()
    assert raw.read_all().endswith(b"\r\n\r\n3\r\none\r\n")


def test_cut_before_headers_is_an_empty_reply(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(Cut(), before_headers=True)
    raw.ask()
    assert raw.read_all() == b""


def test_cut_before_the_body_sends_the_headers(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(Cut())
    raw.ask()
    assert raw.read_all().endswith(b"transfer-encoding: chunked\r\n\r\n")


def test_reset_comes_after_the_bytes_before_it(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", gate := Gate(), Reset())
    raw.ask()
    raw.read_until(b"one\r\n")
    gate.open()
    with pytest.raises(ConnectionResetError):
        raw.read_all()


def test_reset_before_headers(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(Reset(), before_headers=True)
    raw.ask()
    with pytest.raises(ConnectionResetError):
        raw.read_all()


def test_a_gate_holds_the_bytes_after_it(fake_gateway: FakeGateway, raw: Any) -> None:
    gate = Gate()
    fake_gateway.reply(b"one", gate, b"two")
    raw.ask()
    raw.read_until(b"one\r\n")
    raw.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)
    assert not gate.is_open
    raw.socket.settimeout(5)
    gate.open()
    assert raw.read_until(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


def test_an_open_gate_is_no_obstacle(fake_gateway: FakeGateway, raw: Any) -> None:
    gate = Gate()
    gate.open()
    fake_gateway.reply(gate, b"one")
    raw.ask()
    assert raw.read_body() == b"one"


def test_a_gate_before_the_headers_holds_them_back(fake_gateway: FakeGateway, raw: Any) -> None:
    gates = Gate(), Gate()
    fake_gateway.reply(gates[0], b"", gates[1], b"body", before_headers=True)
    raw.ask()
    raw.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)
    raw.socket.settimeout(5)
    gates[0].open()
    raw.read_until(b"\r\n\r\n")
    gates[1].open()
    assert raw.read_until(b"0\r\n\r\n") == b"4\r\nbody\r\n0\r\n\r\n"


def test_a_pause_takes_its_time(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"one", Pause(0.1), b"two")
    started = time.monotonic()
    raw.ask()
    assert raw.read_body() == b"onetwo"
    assert time.monotonic() - started >= 0.1


def test_replies_come_in_order_and_then_the_default(fake_gateway: FakeGateway, raw: Any) -> None:
    fake_gateway.reply(b"first", times=2).reply(b"second").reply(b"otherwise", times=None)
    bodies: list[bytes] = []
    for _ in range(5):
        raw.ask()
        bodies.append(raw.read_body())
    assert bodies == [b"first", b"first", b"second", b"otherwise", b"otherwise"]


def test_a_reply_can_depend_on_the_request(fake_gateway: FakeGateway, raw: Any) -> None:
    from raptscallions_ai.testing import Reply

    fake_gateway.add(lambda request: Reply((request.json["model"].encode(),)), times=None)
    for model in ("a", "b"):
        raw.ask({"model": model})
        assert raw.read_body() == model.encode()


def test_a_step_of_a_wrong_type_is_refused_where_it_is_written(fake_gateway: FakeGateway) -> None:
    with pytest.raises(TypeError, match="not str"):
        fake_gateway.reply("text")  # pyright: ignore[reportArgumentType] - the mistake under test
    with pytest.raises(TypeError, match="text, not of Pause; queue steps with reply"):
        fake_gateway.stream("text", Pause(1))  # pyright: ignore[reportArgumentType] - the mistake under test


def test_no_write_waits_for_the_acknowledgement_of_the_one_before(fake_gateway: FakeGateway, raw: Any) -> None:
    gate = Gate()
    fake_gateway.reply(b"one", gate, b"two")
    raw.ask()
    raw.read_until(b"one")
    port = int(fake_gateway.base_url.split(":")[2].split("/")[0])
    # The server's own end of the connection, which no client can see.
    found = [one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() >= 0]
    accepted = [one for one in found if one.getsockname()[1:2] == (port,) and _is_connected(one)]
    assert [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in accepted] == [1]
    gate.open()


def _is_connected(one: socket.socket) -> bool:
    try:
        return bool(one.getpeername())
    except OSError:
        return False
