"""Which proxy the environment names for a server, read as curl reads it."""

from __future__ import annotations

import ipaddress
import os
import sys
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from raptscallions_ai._transport.http.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai._transport.http.origin import Origin

__all__ = ["Proxy", "environment_proxy"]

_PORTS = {"http": 1080, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}  # curl's


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; its `repr` shows no password.

    Attributes:
        scheme: `http`, `https`, `socks4`, `socks4a`, `socks5` or `socks5h`.
        host: Its name or IP address.
        port: Its port.
        user: The user name, if there is one.
        password: The password.
    """

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Return the proxy that a URL, or a plain `host:port`, names.

        Raises:
            SetupError: It names none that is understood.
        """
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urlsplit("")
        if parts.scheme not in _PORTS or not host:
            kinds = ", ".join(sorted(_PORTS))
            raise SetupError(f"the proxy is not a URL with a host, of one of the kinds {kinds}")
        user = None if parts.username is None else unquote(parts.username)
        return cls(
            parts.scheme, host, _PORTS[parts.scheme] if port is None else port, user, unquote(parts.password or "")
        )

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme.startswith("socks")

    @property
    def credentials(self) -> bytes | None:
        """The value of a `Proxy-Authorization` header."""
        if self.user is None:
            return None
        return b"Basic " + b64encode(f"{self.user}:{self.password}".encode())

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"


def environment_proxy(origin: Origin, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for a server, or None if it is to be connected to directly.

    `https_proxy`, `all_proxy` and `no_proxy` are read in small or in capital letters, `http_proxy` in small ones only.
    Unlike curl's, plain http to this machine takes no proxy, which could read what never had to leave it.

    Args:
        origin: The server.
        environ: The variables; else the process's.

    Raises:
        SetupError: The variable names no proxy.
    """
    if origin.scheme == "http+unix" or (origin.scheme == "http" and _is_loopback(origin.host)):
        return None
    variables = os.environ if environ is None else environ
    # HTTP_PROXY is what a web server sets for a CGI program whose client sends a header named Proxy.
    names = ["https_proxy", "HTTPS_PROXY"] if origin.scheme == "https" else ["http_proxy"]
    url = next((variables[name] for name in (*names, "all_proxy", "ALL_PROXY") if variables.get(name)), None)
    if url is None and environ is None and sys.platform in ("win32", "darwin"):
        url = _system_proxy(origin)
    if url is None or _is_exempt(origin.host, variables.get("no_proxy") or variables.get("NO_PROXY") or ""):
        return None
    return Proxy.parse(url)


def _system_proxy(origin: Origin) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    return None if proxy_bypass(origin.host) else getproxies().get(origin.scheme)


def _is_exempt(host: str, exempt: str) -> bool:
    if exempt.strip() == "*":
        return True
    address, name = _ip(host), host.lower().rstrip(".")
    for entry in exempt.replace(",", " ").split():
        if address is not None:
            if _covers(entry, address):
                return True
        else:
            domain = entry.lower().lstrip(".").rstrip(".")
            if domain and (name == domain or name.endswith(f".{domain}")):
                return True
    return False


def _covers(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    address = _ip(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
