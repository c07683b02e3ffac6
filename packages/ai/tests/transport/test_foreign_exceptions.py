"""Every exception class of the SDK and its transports has a place in our tree; a new one fails here first."""

from __future__ import annotations

import inspect
import ssl
import subprocess
import sys
from types import ModuleType

import aiohttp
import anyio
import httpx2
import openai
import pytest

from raptscallions_ai import AiError, errors
from raptscallions_ai._dialects.openai.dialect import OpenAIDialect
from raptscallions_ai._transport.exceptions import ai_error, lost_connection
from raptscallions_ai._transport.gateway import Gateway
from raptscallions_ai._transport.sdk import SdkConnections
from raptscallions_ai._transport.sdk_exceptions import without_sdk

CONNECTION = "ConnectionError"
CONNECT_TIMEOUT = "TimeoutError"
INVALID = "InvalidResponseError"
CONFIGURATION = "ConfigurationError"
STATUS = "by its status"
OTHER = "AiError"
"""Classes that our use of the SDK cannot raise, or that only say that something is wrong on our side."""

EXPECTED: dict[str, str] = {
    # openai: what a raw response can raise
    "openai.APIStatusError": STATUS,
    "openai.AuthenticationError": STATUS,
    "openai.BadRequestError": STATUS,
    "openai.ConflictError": STATUS,
    "openai.InternalServerError": STATUS,
    "openai.NotFoundError": STATUS,
    "openai.OAuthError": STATUS,
    "openai.PermissionDeniedError": STATUS,
    "openai.RateLimitError": STATUS,
    "openai.UnprocessableEntityError": STATUS,
    "openai.APIConnectionError": CONNECTION,
    "openai.APITimeoutError": CONNECT_TIMEOUT,
    "openai.APIResponseValidationError": INVALID,
    # openai: typed helpers, webhooks, web sockets, workload identity
    "openai.OpenAIError": OTHER,
    "openai.APIError": OTHER,
    "openai.ContentFilterFinishReasonError": OTHER,
    "openai.InvalidWebhookSignatureError": OTHER,
    "openai.LengthFinishReasonError": OTHER,
    "openai.SubjectTokenProviderError": OTHER,
    "openai.WebSocketConnectionClosedError": OTHER,
    "openai.WebSocketQueueFullError": OTHER,
}
ROOTS: list[tuple[type[BaseException], str]] = [
    # the most specific first
    (httpx2.UnsupportedProtocol, CONFIGURATION),
    (httpx2.InvalidURL, CONFIGURATION),
    (httpx2.TimeoutException, CONNECT_TIMEOUT),
    (httpx2.TransportError, CONNECTION),
    (httpx2.DecodingError, INVALID),
    (httpx2.StreamError, CONNECTION),
    (httpx2.HTTPError, OTHER),
    (aiohttp.InvalidURL, CONFIGURATION),
    (aiohttp.ServerTimeoutError, CONNECT_TIMEOUT),
    (aiohttp.ClientResponseError, INVALID),
    (aiohttp.ClientError, CONNECTION),
]
# Raised by servers, cookies, web sockets and multipart parts, none of which a call of ours touches.
UNTOUCHED = {"CookieConflict", "EofStream", "BadContentDispositionHeader", "BadContentDispositionParam"} | {
    "WebSocketError",
    "WSMessageTypeError",
}


def exception_classes(module: ModuleType) -> dict[str, type[Exception]]:
    # A copy, and every lazily loaded name of the SDK with it.
    names = {*dir(module), *getattr(module, "__all__", ())}
    found = {name: getattr(module, name, None) for name in names}
    return {
        f"{module.__name__}.{name}": value
        for name, value in found.items()
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and not name.startswith("_")
    }


def make(kind: type[Exception]) -> Exception:
    """Build an instance without its constructor, whose arguments differ from class to class."""
    exception = kind.__new__(kind)
    request = httpx2.Request("POST", "https://gateway.example/v1/chat/completions")
    response = httpx2.Response(502, json={"error": {"message": "down"}}, request=request)
    for name, value in {"message": "m", "request": request, "response": response, "status_code": 502}.items():
        try:
            setattr(exception, name, value)
        except AttributeError:
            continue
    return exception


def mapped(exception: Exception) -> AiError:
    url = "https://gateway.example/v1"
    gateway = Gateway(url, "key", SdkConnections(base_url=url, api_key="key", headers={}), OpenAIDialect())
    said = without_sdk(exception)
    if said is not exception:
        said.__cause__ = exception.__cause__
    return ai_error(said, gateway=gateway, model="m", redact=lambda text: text, connect_timeout=1.0)


@pytest.mark.parametrize("name", sorted(exception_classes(openai)))
def test_every_class_of_the_sdk(name: str) -> None:
    assert name in EXPECTED, f"{name} is new: decide what it becomes"
    expected = "ProviderError" if EXPECTED[name] == STATUS else EXPECTED[name]
    assert type(mapped(make(exception_classes(openai)[name]))).__name__ == expected


TRANSPORTS = exception_classes(httpx2) | exception_classes(aiohttp)


@pytest.mark.parametrize("name", sorted(TRANSPORTS))
def test_every_class_of_the_transports(name: str) -> None:
    kind = TRANSPORTS[name]
    if name.rpartition(".")[2] in UNTOUCHED:
        assert type(mapped(kind.__new__(kind))) is AiError
        return
    expected = next((expected for root, expected in ROOTS if issubclass(kind, root)), None)
    assert expected is not None, f"{name} is new: decide what it becomes"
    assert type(mapped(make(kind))).__name__ == expected


@pytest.mark.parametrize("name", sorted(exception_classes(openai) | TRANSPORTS))
def test_no_class_loses_what_had_arrived(name: str) -> None:
    """While the body is read, a transport's exception is a lost connection, never a crash."""
    kind = (exception_classes(openai) | TRANSPORTS)[name]
    if issubclass(kind, httpx2.TransportError | httpx2.StreamError | aiohttp.ClientError):
        assert (lost_connection(make(kind)) or "").startswith("the connection was lost")


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (anyio.EndOfStream(), errors.ConnectionError),
        (anyio.BrokenResourceError(), errors.ConnectionError),
        (anyio.ClosedResourceError(), errors.ConnectionError),
        (ssl.SSLError("handshake"), errors.ConnectionError),
        (ConnectionResetError(104, "reset"), errors.ConnectionError),
        (RuntimeError("Session is closed"), AiError),
        (ValueError("anything"), AiError),
    ],
)
def test_what_else_the_layers_below_raise(exception: Exception, expected: type[AiError]) -> None:
    assert type(mapped(exception)) is expected


def test_a_dropped_connection_is_not_a_timeout_although_the_sdk_says_so() -> None:
    request = httpx2.Request("POST", "https://gateway.example/v1/chat/completions")
    try:
        try:
            try:
                raise aiohttp.ServerDisconnectedError
            except aiohttp.ServerDisconnectedError as dropped:
                raise httpx2.ConnectTimeout("dropped") from dropped
        except httpx2.ConnectTimeout as timeout:
            raise openai.APITimeoutError(request) from timeout
    except openai.APITimeoutError as error:
        assert type(mapped(error)) is errors.ConnectionError


@pytest.mark.requirement("E04-T006.AC4")
def test_a_failure_of_a_gateway_that_is_asked_without_the_sdk_does_not_load_it() -> None:
    script = (
        "import sys\n"
        "from raptscallions_ai._dialects.openai.dialect import OpenAIDialect\n"
        "from raptscallions_ai._transport.errors import ConnectionLostError, StatusError\n"
        "from raptscallions_ai._transport.exceptions import ai_error, lost_connection\n"
        "from raptscallions_ai._transport.gateway import Gateway\n"
        "gateway = Gateway('http://127.0.0.1/v1', 'key', None, OpenAIDialect())\n"
        "status = StatusError(429, {}, b'{}', url='http://127.0.0.1/v1/chat/completions')\n"
        "for failure in (status, ConnectionLostError(), OSError(111, 'refused'), ValueError('odd')):\n"
        "    error = ai_error(failure, gateway=gateway, model='m', redact=str, connect_timeout=1.0)\n"
        "    print(type(error).__name__)\n"
        "lost_connection(OSError(104, 'reset'))\n"
        "print('openai' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["RateLimitError", "ConnectionError", "ConnectionError", "AiError", "False"]
