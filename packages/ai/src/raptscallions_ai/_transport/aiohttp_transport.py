"""How requests travel: the SDK's HTTP client on top of aiohttp, with sessions that remember connections only.

The SDK brings such a transport too, but no way to give it a session, and the session that it makes keeps the cookies
of one client's answers for the next client's requests.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
import httpx2
from yarl import URL

from raptscallions_ai._transport.http.errors import SetupError
from raptscallions_ai._transport.http.origin import address_of_url
from raptscallions_ai._transport.response import READ_BODY

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from raptscallions_ai._transport.http.network import Network

__all__ = ["AiohttpTransport"]

_reused: ContextVar[bool] = ContextVar("_reused")  # whether this call's connection has carried an answer before
_LARGE_BODY = 1024 * 1024
_SLICE = 64 * 1024
_KEEP_ALIVE_SECONDS = 30.0  # a person's pause between two turns should not cost a new TLS handshake


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Send requests through one aiohttp session; to be built in the event loop that it belongs to.

    It raises aiohttp's own exceptions, which say more than httpx2's.

    Args:
        base_url: The gateway's base URL, for which there may be a proxy.
        network: How the network is reached.
    """

    def __init__(self, base_url: str, network: Network) -> None:
        origin = address_of_url(base_url).origin
        proxy = network.proxy_for(origin)
        if proxy is not None and proxy.is_socks:
            raise SetupError(f"the proxy {proxy} cannot be used with AI_TRANSPORT=aiohttp")
        self._proxy = (
            None
            if proxy is None
            else URL.build(
                scheme=proxy.scheme, host=proxy.host, port=proxy.port, user=proxy.user, password=proxy.password or None
            )
        )
        tls: ssl.SSLContext | bool = network.context() if origin.scheme == "https" else True
        self._responses: WeakSet[aiohttp.ClientResponse] = WeakSet()
        # No limit: all clients of a gateway share it, and one that is busy must not keep another waiting.
        self._connector = _Connector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=tls)
        self._session = aiohttp.ClientSession(
            connector=self._connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return the response as soon as its headers are there."""
        while True:
            _reused.set(False)
            try:
                response = await self._send(request)
                break
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # Some servers, such as llama.cpp's, promise to keep a connection and close it after the answer all
                # the same. That is no failure of the gateway's, and a connection that is new tells.
                if not _reused.get():
                    raise
        self._responses.add(response)
        return httpx2.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": (response.reason or "").encode(),
                READ_BODY: response.content.readany,
            },
        )

    async def _send(self, request: httpx2.Request) -> aiohttp.ClientResponse:
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        return await self._session.request(
            request.method,
            str(request.url),
            headers=_headers(request),
            data=_body(request),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read")),
            proxy=self._proxy,
        )

    async def connect(self, url: str) -> None:
        """Open the connection that the next request to this URL will use, unless there is one; nothing is sent."""
        request = aiohttp.ClientRequest("GET", URL(url), session=self._session, proxy=self._proxy)
        connection = await self._connector.connect(request, traces=[], timeout=aiohttp.ClientTimeout())
        if connection.protocol is not None:
            self._connector.requests[connection.protocol] -= 1
        connection.release()

    async def aclose(self) -> None:
        """Close all connections, those of answers that are still being read, too."""
        for response in self._responses:
            response.close()
        await self._session.close()


class _Connector(aiohttp.TCPConnector):
    """Reuses no connection on which something has come since its last answer: it would be the next caller's answer."""

    @functools.cached_property
    def requests(self) -> WeakKeyDictionary[object, int]:
        """How many requests each connection was taken for."""
        return WeakKeyDictionary()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            if protocol not in self.requests or not protocol.should_close:
                earlier = self.requests.get(protocol, 0)
                _reused.set(earlier > 0)
                self.requests[protocol] = earlier + 1
                return connection
            connection.close()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        # What has not been read to its end is not left to the next request: the connection is closed.
        self._response.release()
        await self._response.wait_for_close()


def _headers(request: httpx2.Request) -> list[tuple[str, str]]:
    headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
    if isinstance(request.stream, httpx2.ByteStream) and (size := sum(map(len, request.stream))) > _LARGE_BODY:
        headers.append(("Content-Length", str(size)))
    return headers


def _body(request: httpx2.Request) -> bytes | AsyncIterator[bytes] | None:
    if not isinstance(request.stream, httpx2.ByteStream):
        raise TypeError("a body must be bytes")
    content = b"".join(request.stream)
    # aiohttp warns of large bytes, because writing them in one go would hold up the loop.
    return _slices(content) if len(content) > _LARGE_BODY else content or None


async def _slices(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _SLICE):
        yield content[start : start + _SLICE]
