"""A server in this process that is reached over real sockets, with its own thread and event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raptscallions_ai.testing._server import Server

__all__ = ["Loopback"]


class Loopback:
    """Runs a server on a free port of 127.0.0.1, once.

    Args:
        server: The server.
        name: Its name in errors, and the name of its thread.

    Attributes:
        port: Where it listens; 0 before it was started.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.port = 0
        self._server = server
        self._name = name
        self._thread: threading.Thread | None = None

    def url(self, path: str) -> str:
        """Return the URL of a path of the server.

        Raises:
            RuntimeError: It has not been started.
        """
        if not self.port:
            raise RuntimeError(f"the {self._name} is not running: use it in a with statement")
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Start to listen; returns as soon as connections are accepted.

        Raises:
            RuntimeError: It was started before.
        """
        if self._thread is not None:
            raise RuntimeError(f"a {self._name} can be started only once")
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
        # Not the policy's loop: it may be another kind, without the socket options that a reset needs.
        self._loop = asyncio.SelectorEventLoop()
        self._stop = asyncio.Event()
        # No need to wait for the thread: the system queues connections from now on.
        self._thread = threading.Thread(target=self._serve, args=(listener,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and wait for the thread's end, which takes milliseconds."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.run(listener, self._stop))
