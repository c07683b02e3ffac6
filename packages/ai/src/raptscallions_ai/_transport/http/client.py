"""The HTTP client: it sends requests over connections of one event loop, and keeps those that can serve again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raptscallions_ai._transport.http.connection import HttpConnection, read_buffer
from raptscallions_ai._transport.http.dial import Dialer
from raptscallions_ai._transport.http.errors import ConnectTimeoutError, LostConnectionError, Replaced
from raptscallions_ai._transport.http.network import Network
from raptscallions_ai._transport.http.response import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raptscallions_ai._transport.http.connection import Exchange
    from raptscallions_ai._transport.http.origin import Origin
    from raptscallions_ai._transport.http.proxies import Proxy
    from raptscallions_ai._transport.http.request import HttpRequest

__all__ = ["HttpClient"]

_KEPT_SECONDS = 30.0  # a person's pause between two turns should not cost a new TLS handshake
_KEPT_SECONDS_PLAIN = 4.0  # uvicorn, Node and llama.cpp close after five, and without TLS a new one costs nothing
_MARGIN = 1.0  # seconds before the server would close, so that both do not happen at once


class HttpClient:
    """Sends requests; to be built in the event loop that its connections belong to.

    No limit on connections: all clients of a gateway share them, and one that is busy must not keep another waiting.

    Args:
        network: How the network is reached; else as the system and the environment say.
    """

    def __init__(self, network: Network | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = read_buffer()
        self._network = network or Network()
        self._dialer = Dialer(self._network, self._buffer)
        self._proxies: dict[str, Proxy | None] = {}
        self._idle: dict[str, list[HttpConnection]] = {}
        self._open: dict[HttpConnection, Origin] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_closed = asyncio.Event()

    async def send(
        self,
        request: HttpRequest,
        *,
        connect_timeout: float | None = None,
        on_replaced: Callable[[Replaced], object] | None = None,
    ) -> HttpResponse:
        """Send a request and return the response as soon as its head has come.

        A request that is lost on a kept connection before a byte of its answer came, is sent once more, on a new
        connection: some servers promise to keep a connection and close it anyway.

        Args:
            request: What to send.
            connect_timeout: Seconds until a connection is open, all that this takes included.
            on_replaced: Called when the request has been lost and is about to be sent once more; if it returns False,
                the request is not, and the loss is raised: the server may have begun to work on it.

        Raises:
            HttpError: There is no answer.
            ValueError: A header is invalid.
        """
        origin = request.address.origin
        proxy = self._proxy(origin)
        head = request.head(proxy if proxy is not None and origin.scheme == "http" and not proxy.is_socks else None)
        if (kept := self._reuse(origin)) is not None:
            began, new = self._loop.time(), not kept.served
            exchange = kept.send(head, request.body)
            try:
                return HttpResponse(await _answered(exchange))
            except LostConnectionError as error:
                if exchange.started or new:
                    raise
                if on_replaced is not None and on_replaced(Replaced(str(error), self._loop.time() - began)) is False:
                    raise
        connection = await self._connect(origin, proxy, connect_timeout)
        return HttpResponse(await _answered(connection.send(head, request.body)))

    async def connect(self, origin: Origin, *, connect_timeout: float | None = None) -> None:
        """Open the connection that the next request to a server will use, unless there is one; nothing is sent.

        Raises:
            HttpError: It cannot be opened.
        """
        connection = self._reuse(origin)
        if connection is None:
            connection = await self._connect(origin, self._proxy(origin), connect_timeout)
        self._keep(connection)

    async def aclose(self) -> None:
        """Close all connections, those of answers that are still being read, too."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            if connection.transport is None:  # which is noticed as soon as it is open
                del self._open[connection]
            connection.abort("the client was closed")
        if self._open:  # asyncio closes the sockets in its next turn
            await self._all_closed.wait()

    @property
    def kept(self) -> int:
        """How many connections are kept for further requests."""
        return sum(map(len, self._idle.values()))

    def idle(self, origin: Origin) -> Sequence[HttpConnection]:
        """Return the connections that are kept for a server, the one used last at the end."""
        return self._idle.get(origin.key, [])

    def _proxy(self, origin: Origin) -> Proxy | None:
        try:
            return self._proxies[origin.key]
        except KeyError:
            proxy = self._proxies[origin.key] = self._network.proxy_for(origin)
            return proxy

    async def _connect(self, origin: Origin, proxy: Proxy | None, limit: float | None) -> HttpConnection:
        connection = HttpConnection(self._loop, self._buffer, self._keep, self._forget)
        self._open[connection] = origin
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                await self._dialer.dial(connection, origin, proxy)
        except BaseException as error:
            if connection.transport is None:
                self._open.pop(connection, None)
            if isinstance(error, TimeoutError) and deadline.expired():
                raise ConnectTimeoutError("no connection in time") from None
            raise
        if self._closed:
            connection.abort("the client was closed")
            raise LostConnectionError("the client was closed")
        return connection

    def _reuse(self, origin: Origin) -> HttpConnection | None:
        """Return a kept connection that can be used, the one used last before the others."""
        idle = self._idle.get(origin.key)
        while idle:
            connection = idle.pop()
            if connection.keep_until > self._loop.time() and connection.usable:
                return connection
            connection.abort("not usable")
        return None

    def _keep(self, connection: HttpConnection) -> None:
        """Keep a connection for the next request."""
        origin = self._open.get(connection)
        if origin is None or self._closed:
            connection.abort("not kept")
            return
        seconds = _KEPT_SECONDS if origin.scheme == "https" else _KEPT_SECONDS_PLAIN
        if connection.kept_seconds is not None:
            seconds = min(seconds, connection.kept_seconds - _MARGIN)
        connection.keep_until = self._loop.time() + seconds
        self._idle.setdefault(origin.key, []).append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_KEPT_SECONDS_PLAIN, self._close_the_expired)

    def _forget(self, connection: HttpConnection) -> None:
        """Let go of a connection that is closed."""
        origin = self._open.pop(connection, None)
        if origin is not None and connection in (idle := self._idle.get(origin.key, [])):
            idle.remove(connection)
        if self._closed and not self._open:
            self._all_closed.set()

    def _close_the_expired(self) -> None:
        self._sweep = None
        now = self._loop.time()
        for key, idle in list(self._idle.items()):
            for connection in [each for each in idle if each.keep_until <= now]:
                idle.remove(connection)
                connection.abort("kept for long enough")
            if not idle:
                del self._idle[key]
        if self._idle:
            self._sweep = self._loop.call_later(_KEPT_SECONDS_PLAIN, self._close_the_expired)


async def _answered(exchange: Exchange) -> Exchange:
    try:
        await exchange.head()
    except BaseException:
        exchange.abandon()
        raise
    return exchange
