"""The one place where exceptions of the transports become an `AiError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import classify, is_no_such_endpoint
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._transport import foreign_exceptions
from raptscallions_ai._transport.errors import RedirectRefusedError, StatusError
from raptscallions_ai._transport.foreign_exceptions import chain
from raptscallions_ai._transport.http.errors import (
    BodyCodingError,
    ConnectTimeoutError,
    HttpError,
    NotHttpError,
    ProxyRefusedError,
    SetupError,
    UnreachableError,
)
from raptscallions_ai.errors import (
    AiError,
    ConfigurationError,
    ConnectionError,
    InvalidResponseError,
    TimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from raptscallions_ai._dialects.failures import Failure
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.errors import Replaced

__all__ = ["ai_error", "is_not_offered", "lost_connection", "replaced_error"]


def ai_error(
    exception: Exception, *, gateway: Gateway, model: str, redact: Callable[[str], str], connect_timeout: float | None
) -> AiError:
    """Return the error that an exception of a transport, or of the decoder, stands for.

    The result holds no reference to the exception: that one knows the request, and with it the key and the prompt.

    Args:
        exception: What was raised before the answer began, or the decoder's complaint about it.
        gateway: The gateway that was asked.
        model: The requested model.
        redact: Removes the key and the prompt from a text.
        connect_timeout: The limit that applied to connecting, in seconds.
    """
    if isinstance(exception, AiError):
        return exception
    if isinstance(exception, StatusError):
        return _status_error(exception, gateway, model=model, redact=redact)
    if isinstance(exception, RedirectRefusedError):
        where = f"the gateway redirects to {exception}; the key and the prompt are not sent there"
        return InvalidResponseError(f"{where} - check {gateway.url_name}")
    if (own := _http_error(exception)) is not None:
        return _from_own(own, gateway, connect_timeout)
    return foreign_exceptions.ai_error(exception, url_name=gateway.url_name, connect_timeout=connect_timeout)


def replaced_error(lost: Replaced) -> AiError:
    """Return the error that stands for a request that is sent again."""
    if lost.redirect is None:
        return ConnectionError(details={"reason": lost.reason})
    return InvalidResponseError(f"the gateway redirects to {lost.reason}", gateway_status=lost.redirect)


def is_not_offered(error: StatusError, gateway: Gateway) -> bool:
    """Whether the gateway answered that it has no such endpoint."""
    return is_no_such_endpoint(_failure(error, gateway))


def lost_connection(exception: Exception) -> str | None:
    """Return what happened to the connection while the answer was read, or None if this was not about it."""
    if (own := _http_error(exception)) is None:
        return foreign_exceptions.lost_connection(exception)
    if isinstance(own, BodyCodingError):
        return str(own)
    return f"it is not valid HTTP: {own}" if isinstance(own, NotHttpError) else f"the connection was lost ({own})"


def _http_error(exception: Exception) -> HttpError | None:
    return next((link for link in chain(exception) if isinstance(link, HttpError)), None)


def _from_own(error: HttpError, gateway: Gateway, connect_timeout: float | None) -> AiError:
    reason = str(error)
    if isinstance(error, SetupError):
        return ConfigurationError(reason)
    if isinstance(error, ConnectTimeoutError):
        return TimeoutError(None if connect_timeout is None else round(connect_timeout * 1000), phase="connect")
    if isinstance(error, ProxyRefusedError):
        details = {"reason": reason, "proxy": error.proxy, "proxy_status": error.status}
        return ConnectionError(_failed(reason), retryable=not error.permanent, details=details)
    if isinstance(error, BodyCodingError):
        return InvalidResponseError(reason, retryable=True)
    if isinstance(error, NotHttpError):
        return InvalidResponseError("it is not valid HTTP", retryable=True, details={"reason": reason})
    permanent = isinstance(error, UnreachableError) and error.permanent
    return ConnectionError(_failed(reason) if permanent else None, retryable=not permanent, details={"reason": reason})


def _failed(reason: str) -> str:
    return f"{ConnectionError.default_message}: {reason}"


def _status_error(error: StatusError, gateway: Gateway, *, model: str, redact: Callable[[str], str]) -> AiError:
    hidden = Redactor([error.key], [])
    failure = _failure(error, gateway)
    return classify(failure, model=model, redact=lambda text: redact(hidden(text)), url_name=gateway.url_name)


def _failure(error: StatusError, gateway: Gateway) -> Failure:
    return gateway.dialect.failure(parse_json(error.body), error.status, error.headers)
