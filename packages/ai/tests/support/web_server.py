"""A real ASGI server on loopback, and browsers that read slowly or leave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Browse", "Browser", "Serve", "Server", "browse", "serve"]

_LONG_FOR_A_SEND = 0.3  # seconds; a send that is not parked takes microseconds


class Server:
    """A running uvicorn.

    Attributes:
        url: Its root.
        parked: Set once the server waits for a client that does not read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.parked = threading.Event()
        config = uvicorn.Config(
            self._watched, interface="asgi3", lifespan="on", log_config=None, ws="none", timeout_graceful_shutdown=1
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._listener],), daemon=True)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            sending = asyncio.ensure_future(send(message))
            try:
                if not (await asyncio.wait({sending}, timeout=_LONG_FOR_A_SEND))[0]:
                    self.parked.set()
                await sending
            finally:
                sending.cancel()

        await self._app(scope, receive, send if scope["type"] == "lifespan" else watched)

    @contextmanager
    def running(self) -> Generator[Server]:
        """Serve as long as the context lasts; the system queues connections from its beginning."""
        self._thread.start()
        try:
            yield self
        finally:
            self.stop()
            self._listener.close()

    def stop(self) -> None:
        """Shut down as on SIGTERM, but wait for open requests only for a moment."""
        self._uvicorn.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the server did not stop: a request is still being served"


class Browser:
    """A client of which the test says when it reads.

    Args:
        url: What to post an empty JSON object to.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(10)
        self._socket.connect((parts.hostname, parts.port))
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
        self._socket.sendall(head.encode() + b"{}")

    def read_until(self, text: bytes) -> bytes:
        """Read until this text has come; return all that has."""
        seen = b""
        while text not in seen:
            data = self._socket.recv(4096)
            assert data, f"the connection ended after {seen!r}"
            seen += data
        return seen

    def leave(self) -> None:
        """Close the connection, whatever is still unread."""
        self._socket.close()


Serve: TypeAlias = Callable[[ASGIApp], Server]
Browse: TypeAlias = Callable[[str], Browser]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs an app until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(Server(app).running())


@pytest.fixture
def browse() -> Iterator[Browse]:
    """Opens a connection and posts; it is closed after the test at the latest."""
    with ExitStack() as stack:

        def open_browser(url: str) -> Browser:
            browser = Browser(url)
            stack.callback(browser.leave)
            return browser

        yield open_browser
