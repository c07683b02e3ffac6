"""Signals over Redis: one subscription a process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from redis.exceptions import RedisError

from raptscallions_chat.log.memory import MemorySignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

__all__ = ["RedisSignals"]

_log = logging.getLogger("raptscallions_chat")
_CHANNEL = "chat:signals"
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PATIENCE = 0.5


class RedisSignals:
    """Hints between processes; those of this process arrive without Redis.

    Args:
        redis: The connection pool; closed by its owner.
        name: What tells this process's signals from those of others.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._here = MemorySignals()
        self._listening = asyncio.create_task(self._listen_for_ever())

    async def send(self, kind: str, value: str) -> None:
        """Tell every process."""
        await self._here.send(kind, value)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._redis.publish(_CHANNEL, f"{self._name} {kind} {value}")  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
        except (RedisError, OSError) as error:
            # Whoever misses it looks into the store at the next heartbeat.
            _log.info("a signal was not sent: %s", type(error).__name__)

    def listen(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call a function with the value of every signal of this kind."""
        self._here.listen(kind, listener)

    async def aclose(self) -> None:
        """End."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._here.aclose()

    async def _listen_for_ever(self) -> None:
        pause = _PAUSE
        while True:
            try:
                async with self._redis.pubsub() as subscription:  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
                    await subscription.subscribe(_CHANNEL)
                    while True:
                        message = cast(
                            "dict[str, bytes] | None",
                            await subscription.get_message(ignore_subscribe_messages=True, timeout=30.0),
                        )
                        pause = _PAUSE
                        if message is not None:
                            await self._take(message["data"])
            except (RedisError, OSError) as error:
                _log.info("signals are lost: %s", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _take(self, data: bytes) -> None:
        sender, _, rest = data.decode("utf-8", "replace").partition(" ")
        kind, _, value = rest.partition(" ")
        if sender != self._name:
            await self._here.send(kind, value)
