"""An incremental parser of HTTP/1.1 requests, as small as the fake gateway needs it."""

from __future__ import annotations

from dataclasses import dataclass

from raptscallions_ai.testing.recording import Headers

__all__ = ["ParsedRequest", "RequestParser"]


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """One whole request.

    Attributes:
        method: The HTTP method.
        target: The path with the query.
        version: The protocol version, such as `HTTP/1.1`.
        headers: The headers.
        body: The body without its transfer coding.
    """

    method: str
    target: str
    version: str
    headers: Headers
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        """Whether the client will send another request on the same connection."""
        return self.version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"


class RequestParser:
    """Turns received bytes into requests, however they are split and however many come at once."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ParsedRequest]:
        """Take the next bytes and return the requests that they complete.

        Raises:
            ValueError: The bytes are not HTTP/1.
        """
        self._buffer += data
        requests: list[ParsedRequest] = []
        while (request := self._next()) is not None:
            requests.append(request)
        return requests

    def _next(self) -> ParsedRequest | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            # Something else than HTTP, such as a TLS handshake, may never send an empty line.
            if self._buffer and not self._buffer[:1].isalpha():
                raise ValueError("not an HTTP request")
            return None
        request_line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, target, version = request_line.split(" ")
        headers = Headers(_header(line) for line in lines)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, end = _chunked_body(self._buffer, end + 4)
        else:
            body, end = _sized_body(self._buffer, end + 4, int(headers.get("content-length", "0")))
        if body is None:
            return None
        del self._buffer[:end]
        return ParsedRequest(method.upper(), target, version, headers, body)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("a header without a colon")
    return name, value.strip()


def _sized_body(buffer: bytearray, start: int, size: int) -> tuple[bytes | None, int]:
    end = start + size
    return (bytes(buffer[start:end]), end) if len(buffer) >= end else (None, end)


def _chunked_body(buffer: bytearray, start: int) -> tuple[bytes | None, int]:
    body = bytearray()
    while (line_end := buffer.find(b"\r\n", start)) >= 0:
        size = int(bytes(buffer[start:line_end]).split(b";")[0], 16)
        start, end = line_end + 2, line_end + 2 + size
        if len(buffer) < end + 2:
            return None, start
        if not size:
            return bytes(body), end + 2
        body += buffer[start:end]
        start = end + 2
    return None, start
