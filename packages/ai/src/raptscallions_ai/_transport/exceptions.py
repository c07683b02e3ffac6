"""The one place where exceptions of the transports become an `AiError`."""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import classify, is_no_such_endpoint
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._transport.errors import (
    ConnectionLostError,
    ConnectTimeoutError,
    RedirectRefusedError,
    StatusError,
)
from raptscallions_ai.errors import (
    AiError,
    ConfigurationError,
    ConnectionError,
    InvalidResponseError,
    TimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._transport.gateway import Gateway

__all__ = ["ai_error", "is_not_offered", "lost_connection"]

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


def ai_error(
    exception: Exception, *, gateway: Gateway, model: str, redact: Callable[[str], str], connect_timeout: float | None
) -> AiError:
    """Return the error that an exception of a transport, or of the decoder, stands for.

    The result holds no reference to the exception: that one knows the request, and with it the key and the prompt.

    Args:
        exception: What was raised before the answer began, or the decoder's complaint about it.
        gateway: The gateway that was asked.
        model: The model that was asked for.
        redact: Removes the key and the prompt from a text.
        connect_timeout: The limit that applied to connecting, in seconds.
    """
    import aiohttp
    import httpx2

    if isinstance(exception, AiError):
        return exception
    if isinstance(exception, StatusError):
        return _status_error(exception, gateway, model=model, redact=redact)
    if isinstance(exception, RedirectRefusedError):
        where = f"the gateway redirects to {exception}, where key and prompt do not follow"
        return InvalidResponseError(f"{where} - check {gateway.url_name}")
    if _is_invalid_url(exception):
        return ConfigurationError(f"{gateway.url_name} is not an address that can be connected to")
    if _is_connect_timeout(exception):
        limit = None if connect_timeout is None else round(connect_timeout * 1000)
        return TimeoutError(limit, phase="connect")
    if isinstance(exception, httpx2.DecodingError):
        return InvalidResponseError(_NOT_DECOMPRESSED, retryable=True)
    if any(isinstance(link, aiohttp.ClientResponseError) for link in _chain(exception)):
        return InvalidResponseError("it is not valid HTTP", retryable=True)
    if _is_transport_error(exception):
        return ConnectionError(details={"reason": _why(exception)})
    return AiError(f"Unexpected error: {type(exception).__name__}", details={"reason": type(exception).__name__})


def is_not_offered(error: StatusError, gateway: Gateway) -> bool:
    """Whether the gateway answered that it has no such endpoint."""
    return is_no_such_endpoint(_failure(error, gateway))


def lost_connection(exception: Exception) -> str | None:
    """Return what happened to the connection while the answer was read, or None if this was not about it."""
    import httpx2

    if isinstance(exception, httpx2.DecodingError):
        return _NOT_DECOMPRESSED
    return f"the connection was lost ({_why(exception)})" if _is_transport_error(exception) else None


def _status_error(error: StatusError, gateway: Gateway, *, model: str, redact: Callable[[str], str]) -> AiError:
    hidden = Redactor([error.key], [])
    failure = _failure(error, gateway)
    return classify(failure, model=model, redact=lambda text: redact(hidden(text)), url_name=gateway.url_name)


def _failure(error: StatusError, gateway: Gateway) -> Failure:
    return gateway.dialect.failure(parse_json(error.body), error.status, error.headers)


def _is_transport_error(exception: Exception) -> bool:
    import aiohttp
    import anyio
    import httpx2

    return isinstance(
        exception,
        ConnectionLostError
        | httpx2.TransportError
        | httpx2.StreamError
        | aiohttp.ClientError
        | anyio.EndOfStream
        | anyio.BrokenResourceError
        | anyio.ClosedResourceError
        | OSError
        | EOFError,
    )


def _is_connect_timeout(exception: Exception) -> bool:
    """Tell a connection that took too long from one that was dropped.

    The SDK's aiohttp transport reports every connection error as a timeout, so aiohttp's own class decides where
    there is one.
    """
    import aiohttp
    import httpx2

    chain = list(_chain(exception))
    for link in chain:
        if isinstance(link, aiohttp.ClientError):
            return isinstance(link, aiohttp.ServerTimeoutError)
    return any(isinstance(link, ConnectTimeoutError | httpx2.TimeoutException) for link in chain)


def _is_invalid_url(exception: Exception) -> bool:
    import aiohttp
    import httpx2

    kinds = (httpx2.InvalidURL, httpx2.UnsupportedProtocol, aiohttp.InvalidURL)
    return any(isinstance(link, kinds) for link in _chain(exception))


def _why(exception: Exception) -> str:
    """Name the deepest cause in words that a person can act on, without quoting anything that was sent."""
    chain = list(_chain(exception))
    for link in reversed(chain):
        if isinstance(link, ssl.SSLCertVerificationError):
            detail: str = getattr(link, "verify_message", "")  # aiohttp's own subclass lacks it
            return f"TLS certificate refused: {detail}" if detail else "TLS certificate refused"
        if isinstance(link, ssl.SSLError):
            return "TLS handshake failed"
        if isinstance(link, OSError) and link.errno is not None and link.errno in errno.errorcode:
            return os.strerror(link.errno).lower()
    names = [type(link).__name__ for link in chain]
    return next((_REASONS[name] for name in names if name in _REASONS), names[-1])


def _chain(exception: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = exception
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
