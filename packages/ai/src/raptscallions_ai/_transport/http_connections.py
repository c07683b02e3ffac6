"""`HttpConnections`: the way to a gateway that needs no SDK, over our own HTTP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from raptscallions_ai._transport.connections import Response
from raptscallions_ai._transport.errors import StatusError
from raptscallions_ai._transport.pooled import PooledConnections
from raptscallions_ai._transport.redirects import (
    GET_REDIRECTS,
    POST_REDIRECTS,
    Redirects,
)
from raptscallions_ai._transport.response import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from raptscallions_ai._dialects.dialect import Encoded
    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.http.client import HttpClient
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http.response import HttpResponse
    from raptscallions_ai._transport.pool import ConnectionPool

__all__ = ["HttpConnections"]

_MIB = 1024 * 1024
_LARGEST_ERROR = _MIB
_LARGEST_DOCUMENT = 16 * _MIB  # some ten thousand models
_KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


class HttpConnections(PooledConnections["HttpClient"]):
    """What sends the requests of one client that needs no SDK.

    Args:
        base_url: The gateway's base URL, to which the paths of requests are added; also `http+unix://...`.
        headers: Headers to send with every request, the key among them. Those of a request win over them.
        network: How the network is reached; else as the system and the environment say.
    """

    def __init__(self, *, base_url: str, headers: Mapping[str, str], network: Network | None = None) -> None:
        super().__init__(base_url, network)
        self._headers = {name.lower(): value for name, value in headers.items()}

    async def send(
        self, request: Encoded, *, connect_timeout: float | None, on_replaced: OnReplaced | None = None
    ) -> Response:
        """Send a request and return the response as soon as its status is known to be good, body unread."""
        headers = {"content-type": "application/json"}
        headers |= {name.lower(): value for name, value in request.headers.items()}
        return await self._send(
            request.method,
            request.path,
            request.query,
            headers,
            request.body,
            POST_REDIRECTS,
            connect_timeout,
            on_replaced,
        )

    async def get_json(
        self,
        path: str,
        query: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float | None,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Return the body of a GET request."""
        fields = {"accept": "application/json", **{name.lower(): value for name, value in (headers or {}).items()}}
        response = await self._send("GET", path, query, fields, b"", GET_REDIRECTS, connect_timeout, on_replaced)
        return await read_document(response, max_bytes=_LARGEST_DOCUMENT)

    async def post_json(
        self,
        request: Encoded,
        *,
        connect_timeout: float | None,
        max_bytes: int,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Send a request whose answer is one JSON document, and return that."""
        response = await self.send(request, connect_timeout=connect_timeout, on_replaced=on_replaced)
        return await read_document(response, max_bytes=max_bytes)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        headers: Mapping[str, str],
        body: bytes,
        followed: frozenset[int],
        connect_timeout: float | None,
        on_replaced: OnReplaced | None = None,
    ) -> Response:
        from raptscallions_ai._transport.http.origin import address_of_url
        from raptscallions_ai._transport.http.request import HttpRequest

        client = await self.get()
        sent = {**self._headers, **headers}
        fields = [(name.encode(), value.encode()) for name, value in sent.items()]
        url = f"{self._base_url.rstrip('/')}/{path.lstrip('/')}"
        if query:
            url += f"{'&' if '?' in url else '?'}{urlencode(list(_pairs(query)))}"
        redirects = Redirects(followed, on_replaced)
        while True:
            request = HttpRequest(method, address_of_url(url), fields, body)
            response = await client.send(request, connect_timeout=connect_timeout, on_replaced=on_replaced)
            if 200 <= response.status < 300:
                return Response(response.status, response.headers, response.read, response.aclose)
            url = redirects.follow(await _status_error(response, url, sent))

    def _load(self) -> None:
        """Load what sending a request takes, certificates included."""
        from raptscallions_ai._transport.http import client

        del client  # its import was the point
        if self._base_url.startswith("https:"):
            self._network.context()

    def _build(self, pool: ConnectionPool) -> HttpClient:
        return pool.http


async def _status_error(response: HttpResponse, url: str, sent: Mapping[str, str]) -> StatusError:
    """Return what a status that is no success stands for, with as much of its body as came."""
    from raptscallions_ai._transport.http.errors import HttpError

    body = bytearray()
    try:
        while len(body) < _LARGEST_ERROR and (part := await response.read()):
            body += part
    except HttpError:
        pass  # the status is enough
    finally:
        await response.aclose()
    key = next((sent[name].rpartition(" ")[2] for name in _KEY_HEADERS if name in sent), "")
    return StatusError(response.status, response.headers, bytes(body[:_LARGEST_ERROR]), url=url, key=key)


def _pairs(query: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for each in cast("Sequence[object]", value) if isinstance(value, list | tuple) else [value]:
            if each is not None:
                yield name, str(each).lower() if isinstance(each, bool) else str(each)
