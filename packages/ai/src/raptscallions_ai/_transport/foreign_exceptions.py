"""Exceptions of httpx2, aiohttp and anyio: of a client of the user's own, and of the SDK on aiohttp.

None of these libraries is imported here: what is not loaded has raised nothing.
"""

from __future__ import annotations

import errno
import os
import ssl
import sys
from typing import TYPE_CHECKING

from raptscallions_ai._transport.errors import ConnectionLostError, ConnectTimeoutError
from raptscallions_ai.errors import (
    AiError,
    ConfigurationError,
    ConnectionError,
    InvalidResponseError,
    TimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ai_error", "chain", "lost_connection"]

_NOT_DECOMPRESSED = "the body could not be decompressed"
_REASONS = {
    "gaierror": "host name not found",
    "ClientConnectorDNSError": "host name not found",
    "ServerDisconnectedError": "closed by the gateway",
    "TransferEncodingError": "closed in the middle of the answer",
    "ContentLengthError": "closed in the middle of the answer",
    "ClientPayloadError": "closed in the middle of the answer",
    "RemoteProtocolError": "closed in the middle of the answer",
}


def ai_error(exception: Exception, *, url_name: str, connect_timeout: float | None) -> AiError:
    """Return the error that an exception of another library stands for.

    Args:
        exception: The exception.
        url_name: What the user set the gateway's URL with.
        connect_timeout: The limit that applied to connecting, in seconds.
    """
    if _is_invalid_url(exception):
        return ConfigurationError(f"{url_name} is not an address that can be connected to")
    if _is_connect_timeout(exception):
        limit = None if connect_timeout is None else round(connect_timeout * 1000)
        return TimeoutError(limit, phase="connect")
    if isinstance(exception, _kinds("httpx2", "DecodingError")):
        return InvalidResponseError(_NOT_DECOMPRESSED, retryable=True)
    if any(isinstance(link, _kinds("aiohttp", "ClientResponseError")) for link in chain(exception)):
        return InvalidResponseError("it is not valid HTTP", retryable=True)
    if _is_transport_error(exception):
        return ConnectionError(details={"reason": _why(exception)})
    return AiError(f"Unexpected error: {type(exception).__name__}", details={"reason": type(exception).__name__})


def lost_connection(exception: Exception) -> str | None:
    """Return what happened to the connection while the answer was read, or None if this was not about it."""
    if isinstance(exception, _kinds("httpx2", "DecodingError")):
        return _NOT_DECOMPRESSED
    return f"the connection was lost ({_why(exception)})" if _is_transport_error(exception) else None


def chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what caused it, and what caused that."""
    link: BaseException | None = exception
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _kinds(library: str, *names: str) -> tuple[type[BaseException], ...]:
    module = sys.modules.get(library)
    return () if module is None else tuple(getattr(module, name) for name in names)


def _is_transport_error(exception: Exception) -> bool:
    return isinstance(
        exception,
        (
            ConnectionLostError,
            OSError,
            EOFError,
            *_kinds("httpx2", "TransportError", "StreamError"),
            *_kinds("aiohttp", "ClientError"),
            *_kinds("anyio", "EndOfStream", "BrokenResourceError", "ClosedResourceError"),
        ),
    )


def _is_connect_timeout(exception: Exception) -> bool:
    """Tell a connection that took too long from one that was dropped.

    The SDK's aiohttp transport reports every connection error as a timeout, so aiohttp's own class decides where
    there is one.
    """
    links = list(chain(exception))
    for link in links:
        if isinstance(link, _kinds("aiohttp", "ClientError")):
            return isinstance(link, _kinds("aiohttp", "ServerTimeoutError"))
    return any(isinstance(link, (ConnectTimeoutError, *_kinds("httpx2", "TimeoutException"))) for link in links)


def _is_invalid_url(exception: Exception) -> bool:
    kinds = (*_kinds("httpx2", "InvalidURL", "UnsupportedProtocol"), *_kinds("aiohttp", "InvalidURL"))
    return any(isinstance(link, kinds) for link in chain(exception))


def _why(exception: Exception) -> str:
    """Name the deepest cause in words that a person can act on, without quoting anything that was sent."""
    links = list(chain(exception))
    for link in reversed(links):
        if isinstance(link, ssl.SSLCertVerificationError):
            detail: str = getattr(link, "verify_message", "")  # aiohttp's own subclass lacks it
            return f"TLS certificate refused: {detail}" if detail else "TLS certificate refused"
        if isinstance(link, ssl.SSLError):
            return "TLS handshake failed"
        if isinstance(link, OSError) and link.errno is not None and link.errno in errno.errorcode:
            return os.strerror(link.errno).lower()
    names = [type(link).__name__ for link in links]
    return next((_REASONS[name] for name in names if name in _REASONS), names[-1])
