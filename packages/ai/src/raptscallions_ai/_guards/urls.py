"""What the URL of a gateway may be."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

__all__ = ["url_problem"]

_ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/embeddings")


def url_problem(url: str, *, allow_insecure: bool) -> str | None:
    """Return what is wrong with a base URL, to follow its name in a sentence; None if nothing is."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in ("http", "https", "http+unix") or not host or not url.isprintable() or " " in url:
        return "must be a URL such as https://openrouter.ai/api/v1"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password; put the key in AI_API_KEY"
    if parts.query or parts.fragment:
        return "must not contain a query or a fragment"
    if endpoint := next((path for path in _ENDPOINTS if parts.path.rstrip("/").endswith(path)), None):
        return f"must be the base URL of the API, such as https://openrouter.ai/api/v1: leave out {endpoint}"
    if parts.scheme == "http" and not allow_insecure and not _is_loopback(host):
        return (
            "must be https, because the key would travel in the clear; "
            "AI_ALLOW_INSECURE=true (argument allow_insecure=True) allows it anyway"
        )
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
