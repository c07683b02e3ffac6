"""`OLLAMA_HOST`, read as Ollama itself reads it (`envconfig.Host` of its source)."""

from __future__ import annotations

import ipaddress

__all__ = ["DEFAULT_HOST", "base_url_of"]

DEFAULT_HOST = "127.0.0.1:11434"
_PORTS = {"http": "80", "https": "443"}
# What a server listens on when it listens everywhere; a client asks the machine itself.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def base_url_of(host: str) -> str:
    """Return the URL that a host stands for.

    Args:
        host: A URL, a host, or a host with a port; blanks and quotes around it do not count. Without a scheme it is
            http on port 11434; with one, the port is that of the scheme.
    """
    scheme, separator, rest = host.strip().strip("\"'").strip().partition("://")
    if not separator:
        scheme, rest = "http", scheme
    default_port = _PORTS[scheme] if separator and scheme in _PORTS else "11434"
    address, _, path = rest.partition("/")
    name, port = _host_and_port(address, default_port)
    return f"{scheme}://{name}:{port}" + (f"/{path.rstrip('/')}" if path.rstrip("/") else "")


def _host_and_port(address: str, default_port: str) -> tuple[str, str]:
    host = address.strip("[]")
    if _is_ipv6(host):  # without a port
        return f"[{_EVERYWHERE.get(host, host)}]", default_port
    name, colon, port = address.rpartition(":")
    if not colon:
        name, port = address, ""
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
        port = default_port
    name = name.strip("[]") or "127.0.0.1"
    name = _EVERYWHERE.get(name, name)
    return (f"[{name}]" if _is_ipv6(name) else name), port


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False
