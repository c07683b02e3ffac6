"""`PooledConnections`: what each event loop needs to send requests, opened on first use over a shared pool."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from raptscallions_ai._guards.log import Log
from raptscallions_ai._transport.http.network import Network
from raptscallions_ai._transport.threads import run_in_thread
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from raptscallions_ai._transport.pool import ConnectionPool

__all__ = ["PooledConnections"]

T = TypeVar("T")

_log = Log()
_inherited: list[object] = []  # kept, because what is collected is closed


class PooledConnections(ABC, Generic[T]):
    """One sender for each event loop that uses a client, over connections that clients of the same gateway share.

    Args:
        base_url: The gateway's base URL.
        network: How the network is reached; else as the system and the environment say.
    """

    def __init__(self, base_url: str, network: Network | None = None) -> None:
        self._base_url = base_url
        self._network = network or Network()
        self._open: dict[AbstractEventLoop, tuple[T, ConnectionPool]] = {}
        self._closed = self._loaded = False
        self._process = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether there is anything to close."""
        self._leave_to_the_parent()
        return bool(self._open)

    @property
    def is_loaded(self) -> bool:
        """Whether all that sending takes has been imported."""
        return self._loaded

    async def load(self) -> None:
        """Import what sending takes, unless that is done; nothing is opened."""
        if not self._loaded:
            await run_in_thread(self._load)
            self._loaded = True

    async def get(self) -> T:
        """Return the running loop's sender, building it on first use."""
        self._leave_to_the_parent()
        loop = asyncio.get_running_loop()
        if (entry := self._open.get(loop)) is None:
            entry = await self._open_on(loop)
        return entry[0]

    async def warm_up(self, *, within: float) -> None:
        """Load what a request needs, and connect; that the gateway cannot be reached is left to the first call.

        Args:
            within: Seconds until it is given up.
        """
        await self.get()
        if (entry := self._open.get(asyncio.get_running_loop())) is None:
            return
        try:
            async with asyncio.timeout(within):
                await entry[1].connect()
        except Exception as error:
            _log.debug("could not connect in advance: %s", type(error).__name__)

    async def aclose(self) -> None:
        """Leave the shared connections, which are closed with their last user; none can be opened any more."""
        self._closed = True
        self._leave_to_the_parent()
        entries = list(self._open.values())
        self._open.clear()
        for _, pool in entries:
            await pool.leave(self)

    def left(self, loop: AbstractEventLoop) -> None:
        """Note that the connections of a loop are closed."""
        self._open.pop(loop, None)

    @abstractmethod
    def _load(self) -> None:
        """Import what sending takes, in a thread: that is not to be waited for in a loop."""

    @abstractmethod
    def _build(self, pool: ConnectionPool) -> T:
        """Return what sends requests over the pool."""

    def _leave_to_the_parent(self) -> None:
        """In a process that was forked, let go of what its parent opened, without closing it: it is in use there."""
        if self._process != os.getpid():
            _inherited.append(self._open)
            self._open, self._process = {}, os.getpid()

    async def _open_on(self, loop: AbstractEventLoop) -> tuple[T, ConnectionPool]:
        from raptscallions_ai._transport.pool import shared_pool

        await self.load()
        if self._closed:
            raise AiError("This client is closed; build a new one")
        pool = await shared_pool(self._base_url, self._network)
        if (entry := self._open.get(loop)) is None:  # another task may have been faster
            pool.join(self)
            entry = self._open[loop] = (self._build(pool), pool)
        return entry

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r})"
