"""A request, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._transport.http.origin import Address
    from raptscallions_ai._transport.http.proxies import Proxy

__all__ = ["HttpRequest"]

_SET_HERE = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"upgrade"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(slots=True, eq=False)
class HttpRequest:
    """What is asked of a server; its `repr` shows neither headers nor body.

    Attributes:
        method: The method, in capital letters.
        address: The server, and what it is asked for.
        headers: Header fields. What frames the message is left out of them and added here.
        body: The body.
    """

    method: str
    address: Address
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""

    def head(self, proxy: Proxy | None = None) -> bytes:
        """Return the request line and the headers, with the empty line.

        Args:
            proxy: The HTTP proxy that is asked to pass the request on, if it is not tunnelled.

        Raises:
            ValueError: A method or a header would become more than one line.
        """
        origin, target = self.address
        host = origin.host_header
        if proxy is not None:
            target = b"http://%s%s" % (host, target)
        fields = [b"%s: %s" % field for field in self.headers if field[0].lower() not in _SET_HERE]
        if len(fields) < len(self.headers):
            host = next((value for name, value in self.headers if name.lower() == b"host"), host)
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), target), b"Host: " + host, *fields]
        if self.body or self.method in _WITH_BODY:
            lines.append(b"Content-Length: %d" % len(self.body))
        if proxy is not None and proxy.credentials is not None:
            lines.append(b"Proxy-Authorization: " + proxy.credentials)
        count = len(lines) + 1
        head = b"\r\n".join([*lines, b"", b""])
        if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
            raise ValueError("a header must not contain a line end or NUL")
        return head

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.address.origin})"
