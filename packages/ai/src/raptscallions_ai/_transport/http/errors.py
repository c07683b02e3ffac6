"""Every way in which a request can fail before its answer is whole, named in words that a person can act on."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

__all__ = [
    "BodyCodingError",
    "ConnectTimeoutError",
    "HttpError",
    "LostConnectionError",
    "NotHttpError",
    "ProxyRefusedError",
    "Replaced",
    "SetupError",
    "UnreachableError",
    "os_reason",
    "tls_reason",
]


@dataclass(frozen=True, slots=True)
class Replaced:
    """A request that is sent again: it was lost on a kept connection, or redirected.

    Attributes:
        reason: What happened to the kept connection, or where the redirect leads.
        seconds: How long its answer was waited for.
        redirect: The status of the redirect; None if the connection was lost.
    """

    reason: str
    seconds: float
    redirect: int | None = None


class HttpError(Exception):
    """The root of what this package raises; the message is the reason and quotes nothing that was sent."""


class SetupError(HttpError):
    """No connection is possible until a setting is changed; the message names it."""


class UnreachableError(HttpError):
    """No connection could be opened, so that nothing was sent.

    Args:
        reason: Why.
        permanent: Whether trying again is in vain, as with a certificate that is not trusted.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class ConnectTimeoutError(HttpError):
    """A connection was not open in time, so that nothing was sent."""


class ProxyRefusedError(HttpError):
    """A proxy answered, and refused to connect to the gateway.

    Args:
        proxy: The proxy's origin, without user and password.
        reason: Its answer, such as `407 Proxy Authentication Required`.
        status: The status of an HTTP proxy.
        permanent: Whether the same request would be refused again.
    """

    def __init__(self, proxy: str, reason: str, *, status: int | None = None, permanent: bool = True) -> None:
        super().__init__(f"the proxy {proxy} refused to connect: {reason}")
        self.proxy = proxy
        self.status = status
        self.permanent = permanent


class LostConnectionError(HttpError):
    """The connection ended before the answer did."""


class NotHttpError(HttpError):
    """What came is not an HTTP/1.1 response, or breaks a rule that makes its end certain."""


class BodyCodingError(HttpError):
    """The body could not be decompressed."""


def tls_reason(error: OSError) -> str:
    """Return OpenSSL's words for a failure in small letters, without the place in its source."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else os_reason(error)


def os_reason(error: BaseException) -> str:
    """Return what a failure of the operating system means."""
    if isinstance(error, socket.gaierror):
        return "host name not found"
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return type(error).__name__
