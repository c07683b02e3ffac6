"""Scripts of responses: the steps that a response is made of, and `Reply`, the whole of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from raptscallions_ai.testing._watch import Watch

__all__ = ["Cut", "Framing", "Gate", "Hang", "Pause", "Reply", "Reset", "Step", "json_reply"]


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for a while.

    Attributes:
        seconds: How long.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection in an orderly way (FIN), with whatever is missing of the response."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off (RST); bytes that the client has not read yet may be lost, as always in TCP."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Stay silent until the client leaves."""


class Gate:
    """Wait here until the test calls `open()`; one gate may be used in any number of responses."""

    def __init__(self) -> None:
        self._watch = Watch()
        self._open = False

    @property
    def is_open(self) -> bool:
        """Whether `open()` was called."""
        return self._open

    def open(self) -> None:
        """Let every response pass, those that wait and those to come; may be called from any thread."""
        self._open = True
        self._watch.notify()

    async def passed(self) -> None:
        """Wait until the gate is open."""
        await self._watch.until(lambda: self._open, None)

    def __repr__(self) -> str:
        return f"Gate({'open' if self._open else 'shut'})"


Step: TypeAlias = bytes | Pause | Gate | Cut | Reset | Hang
"""What a response is made of: bytes, each flushed on its own, and what happens between them."""

Framing: TypeAlias = Literal["chunked", "length", "close", "raw"]
"""How a client knows the body's end: transfer coding, `Content-Length`, or the connection's end; or `raw`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted response.

    Attributes:
        steps: The body's bytes and what happens between them.
        status: The HTTP status.
        headers: Headers, over the defaults: `Content-Type: text/event-stream` and what the framing needs.
            A wrong `Content-Length` given here is sent as it is.
        framing: `chunked` (each bytes step is one chunk), `length` (`Content-Length`), `close` (the body ends
            with the connection), or `raw`: the steps are the whole response, status line and headers too,
            and the connection is closed after them.
        before_headers: Whether the steps before the first bytes happen before the status line is sent,
            instead of after the headers. An empty bytes step sends the status line and headers alone.
    """

    steps: tuple[Step, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    framing: Framing = "chunked"
    before_headers: bool = False

    def __post_init__(self) -> None:
        for step in self.steps:
            # Found here, in the test's own line, rather than later in the server's thread.
            if not isinstance(step, Step):  # pyright: ignore[reportUnnecessaryIsInstance] - tests are often untyped
                raise TypeError(f"a step must be bytes, Pause, Gate, Cut, Reset or Hang, not {type(step).__name__}")

    def on_the_wire(self, *, keep_alive: bool) -> list[Step]:
        """Return the steps with every byte that is sent: status line, headers and framing included.

        The head shares one write with the bytes after it, and the framing's end with the last bytes, so that a
        client that leaves as soon as it has read all the content has not left before the end.
        """
        if self.framing == "raw":
            return list(self.steps)
        steps = [self._frame(step) if isinstance(step, bytes) else step for step in self.steps]
        last = b"0\r\n\r\n" if self.framing == "chunked" else b""
        if steps and isinstance(steps[-1], bytes):
            steps[-1] += last
        else:
            steps.append(last)
        first = next(i for i, step in enumerate(steps) if isinstance(step, bytes)) if self.before_headers else 0
        head, step = self._head(keep_alive=keep_alive), steps[first]
        if isinstance(step, bytes):
            steps[first] = head + step
        else:
            steps.insert(first, head)
        return steps

    def _frame(self, data: bytes) -> bytes:
        # An empty chunk would be the end of the body.
        return b"%x\r\n%s\r\n" % (len(data), data) if self.framing == "chunked" and data else data

    def _head(self, *, keep_alive: bool) -> bytes:
        headers = {"content-type": "text/event-stream"}
        if self.framing == "chunked":
            headers["transfer-encoding"] = "chunked"
        elif self.framing == "length":
            headers["content-length"] = str(sum(len(step) for step in self.steps if isinstance(step, bytes)))
        if not keep_alive:
            headers["connection"] = "close"
        headers |= {name.lower(): value for name, value in self.headers.items()}
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else ""
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can carry another request after this response."""
        asked = next((value for name, value in self.headers.items() if name.lower() == "connection"), "")
        return self.framing in ("chunked", "length") and asked.lower() != "close"

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, {len(self.steps)} steps, framing={self.framing!r})"


def json_reply(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply of one JSON body; `bytes` are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply((content,), status, {"content-type": "application/json", **(headers or {})}, "length")
