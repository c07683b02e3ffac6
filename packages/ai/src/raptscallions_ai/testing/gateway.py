"""`FakeGateway`: a real HTTP server on loopback that speaks OpenRouter's wire, faults included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.testing._catalogue import EMBEDDING_MODEL
from raptscallions_ai.testing._defaults import default_routes, unauthorized, unknown_route
from raptscallions_ai.testing._loopback import Loopback
from raptscallions_ai.testing._server import Server
from raptscallions_ai.testing.script import Script
from raptscallions_ai.testing.wire import MODEL, Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.replies import Reply

__all__ = ["FakeGateway"]

_PREFIX = "/api/v1"
_ANSWER = Answer(("Hello", " from", " the", " fake", " gateway."))


class FakeGateway(Script):
    """A gateway for tests: an HTTP/1.1 server on 127.0.0.1 whose every byte can be scripted.

    It has its own thread and event loop, so it serves sync tests, async tests and other processes.
    Use it as `with FakeGateway() as gateway:` or `async with`. Its own script methods (`stream`, `reply`,
    `json`, `error`, `replay`, `add`) are about chat completions; `route` gives the script of another route.
    With nothing queued it gives a short complete answer, as a stream or as JSON, whichever was asked for.

    An exception in a script's own code, such as a function given to `add`, resets the connection and is
    raised again when the gateway is left.

    Args:
        require_key: Whether to answer 401 to requests that do not carry `api_key`.

    Attributes:
        api_key: The key to give to a client.
        model: The model to ask for.
        embedding_model: The model to ask for vectors, which depend on nothing but the text.
    """

    prefix: str = "/api/v1"
    chat_path: str = "/chat/completions"

    def __init__(self, *, require_key: bool = False) -> None:
        super().__init__(lambda request: _ANSWER.stream() if request.wants_stream else _ANSWER.json())
        self.api_key = "sk-or-v1-not-a-real-key"
        self.model = MODEL
        self.embedding_model = EMBEDDING_MODEL
        self._require_key = require_key
        self._chat = ("POST", f"{self.prefix}{self.chat_path}")
        self._routes: dict[tuple[str, str], Script] = {self._chat: self, **default_routes(_PREFIX)}
        self._server = Server(self._choose)
        self._loopback = Loopback(self._server, "fake gateway")

    @property
    def base_url(self) -> str:
        """The base URL to give to a client; after the gateway was left, nothing listens there.

        Raises:
            RuntimeError: The gateway has not been started.
        """
        return self._loopback.url(self.prefix)

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, in the order in which they were complete."""
        return self._server.requests

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._server.connections)

    @property
    def open_responses(self) -> int:
        """How many responses are being sent now."""
        return sum(not request.ended for request in self._server.requests)

    def route(self, method: str, path: str) -> Script:
        """Return the script of a route; a path without a script answers 404.

        Args:
            method: The HTTP method.
            path: The whole path, such as `/api/v1/generation`, without a query.
        """
        return self._routes.setdefault((method.upper(), path), Script(unknown_route))

    def wait_until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> bool:
        """Block until `predicate` holds, at most `timeout` seconds; return whether it holds.

        It is looked at whenever a request arrives, a response ends, or a connection opens or closes:
        `gateway.wait_until(lambda: gateway.open_connections == 0)`.
        """
        return self._server.watch.wait(predicate, timeout)

    async def until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> bool:
        """Do what `wait_until` does without blocking the event loop."""
        return await self._server.watch.until(predicate, timeout)

    def _choose(self, request: RecordedRequest) -> Reply:
        if self._require_key and not self.has_key(request):
            return self.refuse(request)
        route = (request.method, request.path)
        script = self._routes.get(route)
        reply = unknown_route(request) if script is None else script.choose(request)
        return self.translated(reply) if route == self._chat or script is None else reply

    def translated(self, reply: Reply) -> Reply:
        """Return a reply in the dialect of this server."""
        return reply

    def has_key(self, request: RecordedRequest) -> bool:
        """Whether a request carries the key."""
        return request.headers.get("authorization") == f"Bearer {self.api_key}"

    def refuse(self, request: RecordedRequest) -> Reply:
        """Return the answer to a request without the key."""
        return unauthorized(request)

    def __enter__(self) -> Self:
        self._loopback.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loopback.stop()
        for failure in self._server.errors:
            if error is None:
                raise RuntimeError("a script of the fake gateway failed") from failure
            error.add_note(f"a script of the fake gateway failed: {failure!r}")

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Blocks the caller's loop for the milliseconds that it takes; the gateway's own thread needs nothing of it.
        self.__exit__(exc_type, error, traceback)

    def __repr__(self) -> str:
        return f"FakeGateway({f'port={self._loopback.port}' if self._loopback.port else 'not started'})"
