"""The connections that all clients of one gateway share; they know no key, which travels with each request.

Connections belong to the event loop that opened them, so each loop has a pool of its own and closes it when it shuts
down. Otherwise a pool is closed with the last client that uses it.
"""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from raptscallions_ai._transport.http.errors import SetupError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Coroutine

    from raptscallions_ai._transport.aiohttp_transport import AiohttpTransport
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.http_client import GatewayHttpClient

__all__ = ["ConnectionPool", "PoolUser", "close_all_pools", "shared_pool"]

_pools: dict[tuple[str, Network, AbstractEventLoop], ConnectionPool] = {}


class PoolUser(Protocol):
    """Who uses a pool."""

    def left(self, loop: AbstractEventLoop) -> None:
        """Note that the connections of a loop are closed."""


class ConnectionPool:
    """The connections of one event loop to one gateway.

    Args:
        base_url: The gateway's base URL.
        network: How the network is reached.

    Attributes:
        http: What sends requests over them.
    """

    def __init__(self, base_url: str, network: Network) -> None:
        from raptscallions_ai._transport.http.client import HttpClient

        self._key = base_url, network, asyncio.get_running_loop()
        self._process = os.getpid()  # a child of it has a copy of the loop, which does not run
        self._users: WeakSet[PoolUser] = WeakSet()
        self._owner = self._closed_with_its_loop()
        self.http = HttpClient(network)
        self._aiohttp: AiohttpTransport | None = None

    @functools.cached_property
    def http_client(self) -> GatewayHttpClient:
        """What the SDK sends its requests with."""
        from raptscallions_ai._transport.http_client import GatewayHttpClient
        from raptscallions_ai._transport.httpx_transport import HttpxTransport

        base_url, network, _ = self._key
        if uses_aiohttp():
            try:
                from raptscallions_ai._transport.aiohttp_transport import AiohttpTransport
            except ImportError:
                message = "AI_TRANSPORT=aiohttp needs an extra: pip install 'raptscallions-ai[aiohttp]'"
                raise SetupError(message) from None

            self._aiohttp = AiohttpTransport(base_url, network)
            return GatewayHttpClient(self._aiohttp)
        return GatewayHttpClient(HttpxTransport(self.http, base_url))

    @property
    def loop(self) -> AbstractEventLoop:
        """The loop that the connections belong to."""
        return self._key[2]

    def join(self, user: PoolUser) -> None:
        """Note that a client uses the pool; to be called in its loop."""
        self._users.add(user)

    async def leave(self, user: PoolUser) -> None:
        """Note, from any loop, that a client does not use the pool any more, and close it if it was the last."""
        if not await self._in_its_loop(self._leave(user)):
            self._users.discard(user)
            if not self._users:
                self.forget()

    async def aclose(self) -> None:
        """Close the pool from any loop, even if it is in use."""
        if not await self._in_its_loop(self._close()):
            self.forget()

    async def open(self) -> None:
        """Make the pool known to its loop, and to the clients to come; nothing else can run in between."""
        _pools[self._key] = self
        await anext(self._owner)

    async def connect(self) -> None:
        """Open a connection ahead of the first request; to be called in the loop."""
        from raptscallions_ai._transport.http.origin import address_of_url

        if self._aiohttp is not None:
            await self._aiohttp.connect(self._key[0])
        else:
            await self.http.connect(address_of_url(self._key[0]).origin)

    def forget(self) -> None:
        """Drop the pool, so that it is no longer found."""
        for user in list(self._users):
            user.left(self.loop)
        if _pools.get(self._key) is self:
            del _pools[self._key]

    async def _in_its_loop(self, work: Coroutine[object, object, None]) -> bool:
        """Do something in the loop of the connections; return False if that loop does not run."""
        if self.loop is asyncio.get_running_loop():
            await work
        elif self.loop.is_running() and self._process == os.getpid():
            done = asyncio.run_coroutine_threadsafe(work, self.loop)
            # That loop may be ending and cancel this, which is no cancellation of ours: it closes the pool itself.
            await asyncio.gather(asyncio.wrap_future(done), return_exceptions=True)
        else:
            work.close()
            return False
        return True

    async def _leave(self, user: PoolUser) -> None:
        self._users.discard(user)
        if not self._users:
            await self._close()

    async def _close(self) -> None:
        self.forget()
        await self._owner.aclose()

    async def _closed_with_its_loop(self) -> AsyncGenerator[None]:
        """Close the pool when the loop shuts down its asynchronous generators, as `asyncio.run` always does."""
        try:
            yield
        finally:
            self.forget()
            await self.http.aclose()
            if self._aiohttp is not None:
                await self._aiohttp.aclose()

    def __repr__(self) -> str:
        return f"ConnectionPool(base_url={self._key[0]!r}, {len(self._users)} clients)"


async def shared_pool(base_url: str, network: Network) -> ConnectionPool:
    """Return the running loop's pool for a gateway, opening it if this is the first use."""
    key = base_url, network, asyncio.get_running_loop()
    if (pool := _pools.get(key)) is None:
        for old in list(_pools.values()):
            if old.loop.is_closed():  # without having shut down its generators
                old.forget()
        pool = ConnectionPool(base_url, network)
        await pool.open()
    return pool


async def close_all_pools() -> None:
    """Close the connections of all clients that there ever were."""
    for pool in list(_pools.values()):
        await pool.aclose()


def uses_aiohttp() -> bool:
    """Whether the SDK is to send through aiohttp."""
    return os.environ.get("AI_TRANSPORT", "").strip().lower() == "aiohttp"
