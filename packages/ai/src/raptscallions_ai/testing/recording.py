"""The fake gateway's record of each request, and of how its response ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raptscallions_ai.testing._watch import Watch

__all__ = ["Headers", "RecordedRequest"]


class Headers(Mapping[str, str]):
    """Request headers by name in any case; values of one that was sent more than once are joined by commas."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"


class RecordedRequest:
    """One request that the gateway received, and how its response ended.

    Attributes:
        method: The HTTP method, upper case.
        target: The path with the query, as it was sent.
        path: The path without the query.
        query: The query's fields; of a repeated one the last.
        headers: The headers, by name in any case.
        body: The body, with the transfer coding taken off.
        received_at: `time.monotonic()` when the request was complete.
        connection: The number of the connection that it came on, counted from 1.
        bytes_sent: Bytes handed to the system so far, status line, headers and framing included; a step that
            the client did not take entirely is not counted.
        ended: Whether the response has ended: sent completely, cut or reset by the script, or left by the client.
        disconnected: Whether the client left before the response had ended.
    """

    def __init__(self, method: str, target: str, headers: Headers, body: bytes, connection: int, watch: Watch) -> None:
        url = urlsplit(target)
        self.method = method
        self.target = target
        self.path: str = url.path
        self.query: dict[str, str] = dict(parse_qsl(url.query, keep_blank_values=True))
        self.headers = headers
        self.body = body
        self.received_at: float = time.monotonic()
        self.connection = connection
        self.bytes_sent = 0
        self.ended: bool = False
        self.disconnected: bool = False
        self._watch = watch

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: The body is not JSON.
        """
        return json.loads(self.body)

    @property
    def wants_stream(self) -> bool:
        """Whether the body is a JSON object with `"stream": true`."""
        try:
            body = self.json
        except ValueError:
            return False
        return isinstance(body, dict) and body.get("stream") is True  # pyright: ignore[reportUnknownMemberType] - foreign JSON

    def wait_closed(self, timeout: float = 5.0) -> bool:
        """Block until the response has ended or the client has left; False after `timeout` seconds."""
        return self._watch.wait(lambda: self.ended, timeout)

    async def closed(self, timeout: float = 5.0) -> bool:
        """Wait until the response has ended or the client has left; False after `timeout` seconds."""
        return await self._watch.until(lambda: self.ended, timeout)

    def end(self, *, disconnected: bool) -> None:
        """Note how the response ended; for the gateway itself, only the first call counts."""
        if not self.ended:
            self.disconnected = disconnected
            self.ended = True
            self._watch.notify()

    def __repr__(self) -> str:
        state = "disconnected" if self.disconnected else "ended" if self.ended else "open"
        return f"<RecordedRequest {self.method} {self.path}, connection {self.connection}, {state}>"
