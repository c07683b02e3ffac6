"""Our HTTP client under the SDK: httpx2's requests in, its responses out."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import httpx2

from raptscallions_ai._transport.http.origin import Address, address_of_url
from raptscallions_ai._transport.http.request import HttpRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.http.client import HttpClient
    from raptscallions_ai._transport.http.errors import Replaced
    from raptscallions_ai._transport.http.response import HttpResponse
    from raptscallions_ai._transport.http_client import GatewayRequest

__all__ = ["OWN_RESPONSE", "HttpxTransport", "listeners"]

listeners: ContextVar[Sequence[OnReplaced]] = ContextVar("listeners", default=())
"""The callbacks for a request that is sent twice; the SDK in between has no place for them."""

OWN_RESPONSE = "raptscallions_ai.response"
"""The extension of a good response under which ours is: what stands around it is only for the SDK."""

_ENCODED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class HttpxTransport:
    """Send the SDK's requests; it raises our own exceptions, which say more than httpx2's.

    Args:
        client: What sends.
        base_url: The gateway's base URL; of a unix socket's, httpx2 would change the path to small letters.
    """

    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._origin = address_of_url(base_url).origin
        self._sent = httpx2.Request("POST", "")

    async def handle_async_request(self, request: GatewayRequest) -> httpx2.Response:
        """Send a request and return the response as soon as its headers are there."""
        if self._origin.scheme == "http+unix":
            address = Address(self._origin, request.url.raw_path)
        else:
            address = address_of_url(request.address)
        sent = HttpRequest(request.method, address, request.fields, request.body)
        connect = request.extensions["timeout"]["connect"]
        response = await self._client.send(sent, connect_timeout=connect, on_replaced=_notify)
        status, body = response.status, _Body(response)
        if status < 300:
            # The SDK looks for two headers that only it could have sent, or needs.
            return httpx2.Response(status, stream=body, request=self._sent, extensions={OWN_RESPONSE: response})
        headers = response.raw_headers
        if response.is_decoded:
            headers = [(name, value) for name, value in headers if name not in _ENCODED]
        return httpx2.Response(status, headers=headers, stream=body, request=request)


def _notify(lost: Replaced) -> bool:
    """Return whether the request may be sent again: nobody objects."""
    return not any(listener(lost) is False for listener in listeners.get())


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._response.read():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
