"""How a connection is opened: to the server or through a proxy, with TLS where the URL says so."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

from raptscallions_ai._transport.http.errors import (
    HttpError,
    LostConnectionError,
    ProxyRefusedError,
    SetupError,
    UnreachableError,
    os_reason,
)
from raptscallions_ai._transport.http.names import Names, connected_socket
from raptscallions_ai._transport.http.tls import start_tls

if TYPE_CHECKING:
    from raptscallions_ai._transport.http.connection import HttpConnection
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http.origin import Origin
    from raptscallions_ai._transport.http.proxies import Proxy

__all__ = ["Dialer"]


class Dialer:
    """Opens connections in one event loop.

    Args:
        network: How the network is reached.
        buffer: What the connections read into.
    """

    def __init__(self, network: Network, buffer: memoryview) -> None:
        self._network = network
        self._buffer = buffer
        self._names = Names()

    async def dial(self, connection: HttpConnection, origin: Origin, proxy: Proxy | None) -> None:
        """Open a connection.

        Raises:
            HttpError: It cannot be opened; the message says why.
        """
        try:
            await self._dial(connection, origin, proxy)
        except BaseException as error:
            connection.abort("not opened")
            if isinstance(error, OSError):
                where = "" if proxy is None else f"the proxy {proxy}: "
                raise UnreachableError(where + os_reason(error)) from None
            raise

    async def _dial(self, connection: HttpConnection, origin: Origin, proxy: Proxy | None) -> None:
        loop = asyncio.get_running_loop()
        context = self._network.context() if origin.scheme == "https" else None
        if origin.scheme == "http+unix":
            if not hasattr(loop, "create_unix_connection") or not hasattr(socket, "AF_UNIX"):
                raise SetupError("this system has no unix sockets")
            await loop.create_unix_connection(lambda: connection, origin.host)
            return
        if proxy is not None and proxy.is_socks:
            connected = await self._through_socks(origin, proxy)
        else:
            host, port = (origin.host, origin.port) if proxy is None else (proxy.host, proxy.port)
            connected = await connected_socket(await self._names.addresses(host, port))
        try:
            await loop.create_connection(lambda: connection, sock=connected)
        except BaseException:
            connected.close()
            raise
        if proxy is not None and proxy.scheme == "https":
            await start_tls(connection, self._network.context(), proxy.host, self._buffer)
        if context is not None:
            if proxy is not None and not proxy.is_socks:
                await _open_tunnel(connection, origin, proxy)
            await start_tls(connection, context, origin.host, self._buffer)

    async def _through_socks(self, origin: Origin, proxy: Proxy) -> socket.socket:
        try:
            from python_socks import ProxyError, ProxyType
            from python_socks.async_.asyncio import Proxy as SocksProxy
        except ImportError:
            raise SetupError(f"the proxy {proxy} needs an extra: pip install 'raptscallions-ai[socks]'") from None
        host = origin.host
        if proxy.scheme in ("socks4", "socks5"):  # those with a letter behind let the proxy look names up
            host = (await self._names.addresses(origin.host, origin.port))[0][4][0]
        at = (await self._names.addresses(proxy.host, proxy.port))[0][4][0]
        kind = ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5
        socks = SocksProxy(kind, at, proxy.port, proxy.user, proxy.password if proxy.user else None, rdns=True)
        try:
            return await socks.connect(host, origin.port, timeout=24 * 3600)  # our own limit is shorter
        except ProxyError as error:
            raise ProxyRefusedError(str(proxy), str(error)[:200], permanent=False) from None
        except Exception as error:
            if isinstance(error, OSError | TimeoutError):
                raise
            raise UnreachableError(f"the proxy {proxy}: {error}"[:300]) from None


async def _open_tunnel(connection: HttpConnection, origin: Origin, proxy: Proxy) -> None:
    """Let an HTTP proxy connect to the server."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    head = "\r\n".join(lines).encode("idna" if not host.isascii() else "ascii")
    if proxy.credentials is not None:
        head += b"\r\nProxy-Authorization: " + proxy.credentials
    try:
        exchange = connection.send(head + b"\r\n\r\n", b"", head_only=True)
        await exchange.head()
    except LostConnectionError as error:
        raise UnreachableError(f"the proxy {proxy}: {error}") from None
    except HttpError as error:
        raise ProxyRefusedError(str(proxy), f"it is not an HTTP proxy ({error})") from None
    if 200 <= exchange.status < 300:
        connection.served = 0
        return
    phrase = HTTPStatus(exchange.status).phrase if exchange.status in set(HTTPStatus) else ""
    reason = f"{exchange.status} {phrase}".strip()
    raise ProxyRefusedError(str(proxy), reason, status=exchange.status, permanent=exchange.status < 500)
