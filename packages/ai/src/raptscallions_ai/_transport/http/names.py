"""Host names become addresses, and addresses a socket that is connected to the first that answers."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, TypeAlias

from raptscallions_ai._transport.threads import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Names", "connected_socket"]

_KEPT_SECONDS = 10.0  # many calls that start together ask once
_MOST_KEPT = 256
_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))

AddressInfo: TypeAlias = "tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]"


class Names:
    """Looks names up for one event loop."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[AddressInfo]]] = {}
        self._lookups: dict[tuple[str, int], asyncio.Future[list[AddressInfo]]] = {}

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of a host, the best first.

        Raises:
            OSError: The name is unknown, or no name server answers.
        """
        try:
            return _look_up(host, port, socket.AI_NUMERICHOST)
        except OSError:
            pass  # it is a name
        key, loop = (host, port), asyncio.get_running_loop()
        if (known := self._known.get(key)) is not None and known[0] > loop.time():
            return known[1]
        if (lookup := self._lookups.get(key)) is None:
            lookup = self._lookups[key] = loop.create_task(run_in_thread(lambda: _look_up(host, port)))
            lookup.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(lookup)  # others may wait for the same answer

    def _answered(self, key: tuple[str, int], done: asyncio.Future[list[AddressInfo]]) -> None:
        del self._lookups[key]
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[key] = done.get_loop().time() + _KEPT_SECONDS, done.result()


def _look_up(host: str, port: int, flags: int = 0) -> list[AddressInfo]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
    except UnicodeError:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None


async def connected_socket(addresses: Sequence[AddressInfo]) -> socket.socket:
    """Return a socket that is connected to the first of these addresses that answers.

    Raises:
        OSError: None does.
    """
    if len(addresses) > 1:
        import aiohappyeyeballs  # tries the next when one is slow

        start = aiohappyeyeballs.start_connection  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - a bare tuple in its types
        connected = await start(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
    else:
        family, kind, protocol, _, address = addresses[0]
        connected = socket.socket(family, kind, protocol)
        try:
            connected.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connected, address)
        except BaseException:
            connected.close()
            raise
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:  # a router that forgets the connection would be noticed only after hours
        if (option := getattr(socket, name, None)) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
    return connected
