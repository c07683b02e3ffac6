"""One recorded exchange, and the lines of a cassette that hold it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from raptscallions_ai.testing.replies import Cut, Framing, Hang, Pause, Reply, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raptscallions_ai.testing._secrets import SecretFilter

__all__ = ["End", "Exchange", "MalformedCassetteError", "read_lines", "written_lines"]

End = Literal["complete", "cut", "left"]
"""How a response ended: whole, broken off by the gateway, or left by the client."""

_VERSION = 1
_EVENT_STREAM = "text/event-stream"
# Kept of a request, because it may explain an answer; what a client says of itself changes with every release.
_TELLING = frozenset({"accept", "content-type", "http-referer", "x-title"})
# These describe the recorded connection; the replay frames the body itself.
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding", "trailer", "upgrade"}
)


class MalformedCassetteError(Exception):
    """A file is not a cassette; the message says where and why."""


@dataclass(slots=True)
class Exchange:
    """A request, and what came of it.

    Attributes:
        method: The HTTP method.
        target: The path with its query.
        request_headers: The request's headers, names in lower case.
        body: The request's body.
        status: The HTTP status; None if none had come when it ended.
        headers: The response's headers, names in lower case.
        head_at: Seconds from the request to the headers.
        pieces: The body, each piece with the seconds from the request to its arrival.
        end: How it ended.
    """

    method: str
    target: str
    request_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    head_at: float = 0.0
    pieces: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])
    end: End | None = None

    def without_secrets(self, hide: SecretFilter) -> Exchange:
        """Return the exchange as it may be written down."""
        pieces = hide.pieces([data for _, data in self.pieces])
        headers = {n: v for n, v in self.request_headers.items() if n in _TELLING or n.startswith("x-openrouter-")}
        return replace(
            self,
            target=hide.target(self.target),
            request_headers=hide.headers(headers),
            body=_without_secrets(self.body, hide),
            headers=hide.headers({n: v for n, v in self.headers.items() if n not in _OF_THE_CONNECTION}),
            pieces=[(at, data) for (at, _), data in zip(self.pieces, pieces, strict=True) if data],
        )

    def reply(self, *, real_time: bool) -> Reply:
        """Return what repeats the response, piece by piece.

        Args:
            real_time: Whether to wait between the pieces as long as they took when they were recorded.
        """
        if self.status is None:
            return Reply((Hang(),), framing="raw")
        steps: list[Step] = []
        now = 0.0
        for at, data in [(self.head_at, b""), *self.pieces] if real_time else self.pieces:
            if real_time:
                steps.append(Pause(max(0.0, at - now)))
                now = at
            steps.append(data)
        if self.end != "complete":
            # A reader that left early leaves again; one that now waits for more gets what was recorded: nothing.
            steps.append(Cut() if self.end == "cut" else Hang())
        streamed = self.end != "complete" or self.headers.get("content-type", "").startswith(_EVENT_STREAM)
        framing: Framing = "chunked" if streamed else "length"
        return Reply(tuple(steps), self.status, self.headers, framing, before_headers=real_time)

    def __repr__(self) -> str:
        return f"<Exchange {self.method} {self.target.partition('?')[0]}, {self.status}, {self.end}>"


def _without_secrets(body: bytes, hide: SecretFilter) -> bytes:
    """Return a request's body for a cassette, JSON in one spelling."""
    try:
        return _json(hide.json(json.loads(body))).encode()
    except (ValueError, RecursionError):
        return hide.pieces([body])[0]


def written_lines(exchanges: Iterable[Exchange], about: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines of a cassette, JSON objects each: one about the cassette, then those of each exchange.

    Args:
        exchanges: What to write; without secrets.
        about: Further facts for the first line.
    """
    yield _json({"cassette": _VERSION, **about})
    for exchange in exchanges:
        request: dict[str, object] = {"method": exchange.method, "target": exchange.target}
        if exchange.request_headers:
            request["headers"] = exchange.request_headers
        yield _json({"request": request | _body(exchange.body)})
        if exchange.status is not None:
            response = {"status": exchange.status, "headers": exchange.headers}
            yield _json({"at": round(exchange.head_at, 4), "response": response})
        for at, data in exchange.pieces:
            yield _json({"at": round(at, 4), **_spelled(data)})
        yield _json({"end": exchange.end})


def read_lines(lines: Iterable[str]) -> tuple[dict[str, Any], list[Exchange]]:
    """Return the header of a cassette and its exchanges.

    Raises:
        MalformedCassetteError: It is not a cassette, or has a newer version.
    """
    about: dict[str, Any] | None = None
    exchanges: list[Exchange] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = cast("dict[str, Any]", json.loads(line))
            if about is None:
                about = fields
                _check_version(fields["cassette"])
            elif "request" in fields:
                exchanges.append(_requested(fields["request"]))
            else:
                _continue(exchanges[-1], fields)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise MalformedCassetteError(f"line {number} is not a cassette line ({type(error).__name__})") from None
    if about is None:
        raise MalformedCassetteError("it is empty")
    return about, exchanges


def _check_version(version: object) -> None:
    if version != _VERSION:
        raise MalformedCassetteError(f"it has version {version}, but this release reads version {_VERSION}")


def _requested(fields: dict[str, Any]) -> Exchange:
    body = _json(fields["json"]).encode() if "json" in fields else _data(fields)
    return Exchange(fields["method"], fields["target"], fields.get("headers", {}), body)


def _continue(exchange: Exchange, fields: dict[str, Any]) -> None:
    if "end" in fields:
        exchange.end = fields["end"]
    elif "response" in fields:
        exchange.status = fields["response"]["status"]
        exchange.headers = fields["response"]["headers"]
        exchange.head_at = fields["at"]
    else:
        exchange.pieces.append((fields["at"], _data(fields)))


def _body(body: bytes) -> dict[str, object]:
    """Return a request's body as fields of its line: as JSON where it is JSON."""
    if not body:
        return {}
    try:
        return {"json": json.loads(body)}
    except (ValueError, RecursionError):
        return _spelled(body)


def _spelled(data: bytes) -> dict[str, object]:
    """Return bytes as a field of a line: as text where they are text, for people to read."""
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _data(fields: dict[str, Any]) -> bytes:
    if "base64" in fields:
        return base64.b64decode(fields["base64"], validate=True)
    return fields.get("text", "").encode("utf-8")


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which has to stay escaped
        return json.dumps(value)
    return text
