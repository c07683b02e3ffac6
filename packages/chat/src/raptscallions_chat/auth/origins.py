"""Requests that another site makes a browser send: cross-site forgery, and names that are rebound to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.protocols import AuthRequest

__all__ = ["HostRule", "check_origin", "host_name"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets, in small letters."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


class HostRule:
    """Which names a service answers to; a page at another name that was rebound to this address is refused.

    Args:
        allowed: The names; `*.example.com` allows all below. Empty: loopback's names where `loopback`, else any.
        loopback: Whether the service listens on loopback.
    """

    def __init__(self, allowed: Sequence[str], *, loopback: bool) -> None:
        self._names = frozenset(name.lower() for name in allowed if not name.startswith("*."))
        self._below = tuple(name[1:].lower() for name in allowed if name.startswith("*."))
        self._any = "*" in allowed or (not allowed and not loopback)
        if loopback and not allowed:
            self._names, self._below = frozenset(_LOOPBACK_NAMES), (".localhost",)

    def allows(self, host: str) -> bool:
        """Return whether a request with this `Host` header may be answered."""
        if self._any:
            return True
        name = host_name(host)
        return name in self._names or name.endswith(self._below or ("\0",))


def check_origin(request: AuthRequest, allowed: Sequence[str]) -> None:
    """Refuse a request that changes something and was sent by a page of another site.

    Clients that are no browsers send no `Origin`, and are let through.

    Raises:
        ChatError: `forbidden`.
    """
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is None:
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise ChatError("forbidden", "this request comes from a page of another site")
        return
    if origin not in allowed and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise ChatError("forbidden", "this request comes from a page of another site; see CHAT_CORS_ORIGINS")
