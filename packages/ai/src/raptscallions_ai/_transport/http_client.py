"""The HTTP client that the SDK sends with: httpx2's, less what a request to a gateway has no use for."""

from __future__ import annotations

from typing import Any, Protocol, cast

import httpx2

from raptscallions_ai._transport.body_limit import limit_error_body

__all__ = ["GatewayHttpClient", "GatewayRequest"]


class GatewayRequest(httpx2.Request):
    """A request whose URL and headers take httpx2's form only when needed.

    Args:
        method: The method.
        address: The URL.
        fields: The header fields.
        content: The body.
        connect_timeout: Seconds for connecting; None for no limit.

    Attributes:
        address: The URL, as text.
        fields: The header fields.
        content: The body.
    """

    def __init__(
        self,
        method: str,
        address: str,
        fields: list[tuple[bytes, bytes]],
        content: bytes,
        connect_timeout: float | None,
    ) -> None:
        self.method = method
        self.address = address
        self.fields = fields
        self.body = content
        self.stream = httpx2.ByteStream(content)
        self.extensions = {"timeout": {"connect": connect_timeout}}

    def __getattr__(self, name: str) -> Any:
        if name == "headers":
            self.headers = httpx2.Headers(self.fields)
            return self.headers
        if name == "url":
            self.url = httpx2.URL(self.address)
            return self.url
        raise AttributeError(name)


class _Unused(httpx2.AsyncBaseTransport):
    """Keeps httpx2 from making a transport of its own, with a pool and certificates."""


class RequestSender(Protocol):
    """What sends the requests of a `GatewayHttpClient`: one of our transports."""

    async def handle_async_request(self, request: GatewayRequest) -> httpx2.Response:
        """Send a request, and return the response before its body."""
        ...


class GatewayHttpClient(httpx2.AsyncClient):
    """Build and send requests that are complete already: the SDK has put in its URL, headers and timeout.

    What httpx2 would do besides, a third of a call's instructions, has nothing to do here: there are no defaults to
    merge in, no authentication but the SDK's, and no cookies; and redirects are followed above (`sdk.py`), where they
    can be refused.

    Args:
        transport: What requests travel through.
    """

    def __init__(self, transport: RequestSender) -> None:
        super().__init__(transport=_Unused(), trust_env=False)
        self._gateway = transport

    def build_request(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        content: Any = None,
        headers: Any = None,
        params: Any = None,
        timeout: Any = None,
        **_: Any,
    ) -> httpx2.Request:
        """Return a request of these parts, which are all that the SDK gives for a body of bytes or for none."""
        if not isinstance(content, bytes | None):
            raise TypeError("the body of a request must be bytes")
        address = str(httpx2.URL(url, params=params)) if params else str(url)
        # The SDK gives a list; for anything else httpx2 knows what it means.
        pairs = cast(
            "list[tuple[str, str]]", headers if type(headers) is list else httpx2.Headers(headers).multi_items()
        )
        fields = [(name.encode(), value.encode()) for name, value in pairs]
        connect = timeout.connect if isinstance(timeout, httpx2.Timeout) else httpx2.Timeout(timeout).connect
        return GatewayRequest(method.upper(), address, fields, content or b"", connect)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """Send a request; return the response with its body, or, if `stream`, before there is a body."""
        if not isinstance(request, GatewayRequest):
            raise TypeError("a request must be built by this client")
        response = await self._gateway.handle_async_request(request)
        limit_error_body(response, request.method)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response
