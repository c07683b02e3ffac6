"""Our HTTP client under the SDK: httpx2's requests in, its responses out."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import httpx2

from raptscallions_ai._transport.http.origin import Address, address_of_url
from raptscallions_ai._transport.http.request import HttpRequest
from raptscallions_ai._transport.response import READ_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.http.client import HttpClient
    from raptscallions_ai._transport.http.errors import Replaced
    from raptscallions_ai._transport.http.response import HttpResponse

__all__ = ["HttpxTransport", "listeners"]

listeners: ContextVar[Sequence[OnReplaced]] = ContextVar("listeners", default=())
"""Who is to be told that a request is sent twice; the SDK in between knows of no such thing."""

_ENCODED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class HttpxTransport(httpx2.AsyncBaseTransport):
    """Send httpx2's requests; it raises our own exceptions, which say more than httpx2's.

    Args:
        client: What sends.
        base_url: The gateway's base URL; of a unix socket's, httpx2 would change the path to small letters.
    """

    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._origin = address_of_url(base_url).origin

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the response as soon as its headers are there."""
        url = request.url
        address = Address(self._origin, url.raw_path) if url.scheme == "http+unix" else address_of_url(str(url))
        if isinstance(request.stream, httpx2.ByteStream):
            body = b"".join(request.stream)
        else:
            body = await request.aread()
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        sent = HttpRequest(request.method, address, request.headers.raw, body)
        response = await self._client.send(sent, connect_timeout=limits.get("connect"), on_replaced=_tell)
        headers = response.raw_headers
        if response.is_decoded:
            headers = [(name, value) for name, value in headers if name not in _ENCODED]
        return httpx2.Response(
            response.status,
            headers=headers,
            stream=_Body(response),
            request=request,
            extensions={"http_version": b"HTTP/1.1", READ_BODY: response.read},
        )

    async def aclose(self) -> None:
        """Leave the connections alone, which the pool closes."""


def _tell(lost: Replaced) -> None:
    for listener in listeners.get():
        listener(lost)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._response.read():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
