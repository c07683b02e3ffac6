"""Where a URL points to: the server that is connected to, and what it is asked for."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from raptscallions_ai._transport.http.errors import SetupError

__all__ = ["Address", "Origin", "address_of_url"]

_PORTS = {"http": 80, "https": 443, "http+unix": 0}


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A server; `key` says whether two are the same.

    Attributes:
        scheme: `http`, `https` or `http+unix`.
        host: Its name or IP address; for a unix socket its path.
        port: Its port; 0 for a unix socket.
        host_header: What stands in the `Host` header.
        key: Scheme, host and port.
    """

    scheme: str
    host: str
    port: int
    host_header: bytes
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_header.decode()}"


class Address(NamedTuple):
    """A URL, taken apart.

    Attributes:
        origin: The server.
        target: The path and the query.
    """

    origin: Origin
    target: bytes


@functools.lru_cache(maxsize=256)
def address_of_url(url: str) -> Address:
    """Return where a URL points to; `http+unix://%2Frun%2Fllm.sock/v1` is a unix socket's.

    Raises:
        SetupError: It is no URL of a gateway.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme == "http+unix":  # `hostname` has small letters only
            host = unquote(parts.netloc)
        name = (host or "").encode("ascii" if (host or "").isascii() else "idna")
    except (ValueError, UnicodeError):
        raise SetupError("the address is not a valid URL") from None
    if parts.scheme not in _PORTS or not host:
        raise SetupError("the address must begin with https://, http:// or http+unix://, and name a host")
    if parts.scheme == "http+unix":
        name = b"localhost"
    elif b":" in name:
        name = b"[%s]" % name.partition(b"%")[0]  # the zone of an IPv6 address concerns this machine only
    if port is not None and port != _PORTS[parts.scheme]:
        name += b":%d" % port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise SetupError("the address contains characters that must be percent-encoded in a URL")
    number = _PORTS[parts.scheme] if port is None else port
    key = f"{parts.scheme}://{host}:{number}"
    return Address(Origin(parts.scheme, host, number, name, key), target.encode())
