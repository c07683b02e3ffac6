"""The one place where exceptions of the SDK and its transports become an `AiError`."""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import classify, is_no_such_endpoint, read_failure
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._transport.sdk import RedirectRefusedError
from raptscallions_ai.errors import (
    AiError,
    ConfigurationError,
    ConnectionError,
    InvalidResponseError,
    TimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import openai

    from raptscallions_ai._dialects.failures import Failure

__all__ = ["ai_error", "is_not_found", "is_not_offered", "lost_connection"]

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
    exception: Exception, *, model: str, redact: Callable[[str], str], connect_timeout: float | None = None
) -> AiError:
    """Return the error that an exception of the SDK, of its transports or of the decoder stands for.

    The result holds no reference to the exception: that one knows the request, and with it the key and the prompt.

    Args:
        exception: What was raised before the answer began, or the decoder's complaint about it.
        model: The model that was asked for.
        redact: Removes the key and the prompt from a text.
        connect_timeout: The limit that applied to connecting, in seconds.
    """
    import aiohttp
    import httpx2
    import openai

    if isinstance(exception, AiError):
        return exception
    if isinstance(exception, openai.APIStatusError):
        return _status_error(exception, model=model, redact=redact)
    if isinstance(exception, RedirectRefusedError):
        why = f"the gateway redirects to {exception}, where key and prompt do not follow - check AI_GATEWAY_URL"
        return InvalidResponseError(why)
    if _is_invalid_url(exception):
        return ConfigurationError("AI_GATEWAY_URL is not an address that can be connected to")
    if _is_connect_timeout(exception):
        limit = None if connect_timeout is None else round(connect_timeout * 1000)
        return TimeoutError(limit, phase="connect")
    if isinstance(exception, httpx2.DecodingError):
        return InvalidResponseError(_NOT_DECOMPRESSED, retryable=True)
    if any(isinstance(link, aiohttp.ClientResponseError) for link in _chain(exception)):
        return InvalidResponseError("it is not valid HTTP", retryable=True)
    if _is_transport_error(exception):
        return ConnectionError(details={"reason": _why(exception)})
    if isinstance(exception, openai.APIResponseValidationError):
        return InvalidResponseError("the SDK could not read it")
    return AiError(f"Unexpected error: {type(exception).__name__}", details={"reason": type(exception).__name__})


def is_not_found(exception: Exception) -> bool:
    """Whether the gateway answered with status 404."""
    import openai

    return isinstance(exception, openai.APIStatusError) and exception.status_code == 404


def is_not_offered(exception: Exception) -> bool:
    """Whether the gateway answered that it has no such endpoint."""
    import openai

    return isinstance(exception, openai.APIStatusError) and is_no_such_endpoint(_failure(exception))


def lost_connection(exception: Exception) -> str | None:
    """Return what happened to the connection while the answer was read, or None if this was not about it."""
    import httpx2

    if isinstance(exception, httpx2.DecodingError):
        return _NOT_DECOMPRESSED
    return f"the connection was lost ({_why(exception)})" if _is_transport_error(exception) else None


def _status_error(exception: openai.APIStatusError, *, model: str, redact: Callable[[str], str]) -> AiError:
    sent = exception.request.headers.get("authorization", "").rpartition(" ")[2]
    failure = _failure(exception)
    # The key that was really sent: an injected client or a header of the caller's may use another than ours.
    return classify(failure, model=model, redact=lambda text: redact(text.replace(sent, "[hidden]") if sent else text))


def _failure(exception: openai.APIStatusError) -> Failure:
    response = exception.response
    headers = {name.lower(): value for name, value in response.headers.items()}
    return read_failure(parse_json(response.content), status=exception.status_code, headers=headers)


def _is_transport_error(exception: Exception) -> bool:
    import aiohttp
    import anyio
    import httpx2
    import openai

    return isinstance(
        exception,
        openai.APIConnectionError
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
    import openai

    chain = list(_chain(exception))
    for link in chain:
        if isinstance(link, aiohttp.ClientError):
            return isinstance(link, aiohttp.ServerTimeoutError)
    return any(isinstance(link, openai.APITimeoutError | httpx2.TimeoutException) for link in chain)


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
