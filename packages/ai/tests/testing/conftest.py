"""A client that sees every byte: a plain socket to the fake gateway."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from raptscallions_ai.testing import FakeGateway

CHAT = "/api/v1/chat/completions"


class RawClient:
    """One connection to the gateway; a peer that stays silent for 5 seconds is a failure."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        assert url.hostname is not None and url.port is not None
        self.socket = socket.create_connection((url.hostname, url.port), timeout=5)

    def ask(self, body: Any = None, *, path: str = CHAT, headers: str = "") -> None:
        content = json.dumps({"stream": True} if body is None else body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        self.socket.sendall(head.encode() + content)

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including `end`; fails if the connection is closed before."""
        data = b""
        while not data.endswith(end):
            piece = self.socket.recv(1)
            assert piece, f"closed after {data!r}"
            data += piece
        return data

    def read_all(self) -> bytes:
        """Read until the server closes the connection."""
        data = b""
        while piece := self.socket.recv(65536):
            data += piece
        return data

    def read_body(self) -> bytes:
        """Read a chunked response and return its body without the framing."""
        self.read_until(b"\r\n\r\n")
        body = b""
        while size := int(self.read_until(b"\r\n"), 16):
            piece = b""
            while len(piece) < size + 2:
                piece += self.socket.recv(size + 2 - len(piece))
            body += piece[:-2]
        self.read_until(b"\r\n")
        return body

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def connect(fake_gateway: FakeGateway) -> Iterator[Callable[[], RawClient]]:
    """Opens connections to `fake_gateway`; they are closed after the test."""
    clients: list[RawClient] = []

    def open_connection() -> RawClient:
        clients.append(RawClient(fake_gateway.base_url))
        return clients[-1]

    yield open_connection
    for client in clients:
        client.close()


@pytest.fixture
def raw(connect: Callable[[], RawClient]) -> RawClient:
    """One connection to `fake_gateway`."""
    return connect()
