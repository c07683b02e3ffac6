"""The gateway of the measurements: `server.py [CERTIFICATE KEY]` prints its addresses and serves until stdin ends.

One thread, one selector, bytes that were rendered before they were asked for. It must never be what limits a client,
so `GET /stats` tells its CPU time and how late its paced events left; every measurement asks before and after.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import socket
import ssl
import sys
import time
from collections import deque
from heapq import heappop, heappush
from typing import NamedTuple

from wire import Answer, Model, completion_body, render, timed_event

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": *true')
_SPIN = 0.001  # seconds; a selector only waits for whole milliseconds
_COMPLETION = completion_body()
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """One client's connection.

    Attributes:
        socket: Its socket, which never blocks.
        received: What came and is not yet a whole request.
        writes: What is to be sent, each with a call of `send` of its own.
        blocked: Whether the socket takes no more for now.
        answer: The paced answer that is under way.
        left: How many of its events are still to come.
        closed: Whether it is over.
    """

    __slots__ = ("answer", "blocked", "closed", "interval", "left", "received", "socket", "writes")

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.received = bytearray()
        self.writes: deque[bytes] = deque()
        self.blocked = self.closed = False
        self.answer: Answer | None = None
        self.left = 0
        self.interval = 0.0


class Listener(NamedTuple):
    """Where connections come in, and the context of those that use TLS."""

    socket: socket.socket
    context: ssl.SSLContext | None


class Server:
    """The loop; see the module's docstring."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Connection]] = []
        self._paced = 0
        self._events = 0
        self._latest = 0.0  # seconds that a paced event left too late, at most

    def listen(self, context: ssl.SSLContext | None = None) -> int:
        """Listen on a free port of the loopback interface and return it."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, Listener(listener, context))
        return listener.getsockname()[1]

    def run(self) -> None:
        """Serve until standard input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, events in self._selector.select(self._patience()):
                if key.fileobj is sys.stdin:
                    return
                if isinstance(key.data, Listener):
                    self._accept(key.data)
                    continue
                connection: Connection = key.data
                if events & selectors.EVENT_WRITE:
                    self._unblock(connection)
                if events & selectors.EVENT_READ and not connection.closed:
                    self._read(connection)
            self._send_what_is_due()

    def _patience(self) -> float | None:
        if not self._due:
            return None
        wait = self._due[0][0] - time.monotonic()
        if wait >= 2 * _SPIN:
            return wait - _SPIN
        if wait > 0:
            time.sleep(wait)
        return 0

    def _accept(self, listener: Listener) -> None:
        while True:
            try:
                client, _ = listener.socket.accept()
            except BlockingIOError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setblocking(False)
            if listener.context is not None:
                client = listener.context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            self._selector.register(client, selectors.EVENT_READ, Connection(client))

    def _read(self, connection: Connection) -> None:
        try:
            while data := connection.socket.recv(65536):
                connection.received += data
                if not isinstance(connection.socket, ssl.SSLSocket) and len(data) < 65536:
                    break
            else:
                self._close(connection)
        except _BLOCKED:
            pass
        except OSError:
            self._close(connection)
        while not connection.closed and (request := _next_request(connection.received)) is not None:
            self._answer(connection, request)

    def _answer(self, connection: Connection, request: bytes) -> None:
        if request.startswith(b"GET /stats"):
            figures = {"cpu_s": time.process_time(), "events": self._events, "late_ms": self._latest * 1000}
            self._latest = 0.0
            body = json.dumps(figures).encode()
            connection.writes.append(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        elif (model := Model.asked_for(request)) is None:
            connection.writes.append(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif _STREAM.search(request):
            self._begin(connection, model)
        else:
            connection.writes.append(_COMPLETION)
        self._flush(connection)

    def _begin(self, connection: Connection, model: Model) -> None:
        answer = render(model)
        connection.writes.extend(answer.writes)
        self._events += model.chunks
        if model.kind != "paced":
            return
        connection.answer, connection.left, connection.interval = answer, model.chunks, 1 / model.rate
        self._paced += 1
        # Streams that begin together must not stay in step: the golden ratio spreads their phases evenly.
        phase = self._paced * 0.618034 % 1
        heappush(self._due, (time.monotonic() + phase * connection.interval, self._paced, connection))

    def _send_what_is_due(self) -> None:
        due = self._due
        while due and due[0][0] <= (now := time.monotonic()):
            when, number, connection = heappop(due)
            answer = connection.answer
            if connection.closed or answer is None:
                continue
            self._latest = max(self._latest, now - when)
            connection.writes.append(timed_event(answer, now))
            connection.left -= 1
            if connection.left:
                heappush(due, (when + connection.interval, number, connection))
            else:
                connection.writes.append(answer.end)
                connection.answer = None
            self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        if connection.blocked:
            return
        writes = connection.writes
        try:
            while writes:
                data = writes[0]
                sent = connection.socket.send(data)
                if sent == len(data):
                    writes.popleft()
                else:
                    writes[0] = data[sent:]
        except _BLOCKED:
            connection.blocked = True
            self._selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)
        except OSError:
            self._close(connection)

    def _unblock(self, connection: Connection) -> None:
        connection.blocked = False
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        self._flush(connection)

    def _close(self, connection: Connection) -> None:
        if not connection.closed:
            connection.closed = True
            self._selector.unregister(connection.socket)
            connection.socket.close()


def _next_request(received: bytearray) -> bytes | None:
    """Take one whole request out of what was received."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    if length := _LENGTH.search(received, 0, head):
        end = head + 4 + int(length[1])
    elif b"chunked" in received[:head].lower():
        last = received.find(b"0\r\n\r\n", head)
        end = last + 5 if last >= 0 else len(received) + 1
    else:
        end = head + 4
    if len(received) < end:
        return None
    request = bytes(received[:end])
    del received[:end]
    return request


def main() -> None:
    """Serve plainly and, with a certificate, over TLS as well."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = Server()
    addresses = {"http": f"http://127.0.0.1:{server.listen()}/api/v1"}
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
        addresses["https"] = f"https://127.0.0.1:{server.listen(context)}/api/v1"
    print(json.dumps(addresses), flush=True)
    server.run()


if __name__ == "__main__":
    main()
