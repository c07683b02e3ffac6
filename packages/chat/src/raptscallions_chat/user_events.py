"""One stream for a user: what begins, ends and changes in all of their conversations."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.protocols import Signals

__all__ = ["UserEvents"]

PING = b": ping\n\n"
_KEEP_ALIVE_S = 15.0
_TICK_S = 1.0  # how soon a reader is sent away when the service closes
_MOST_WAITING = 256


class UserEvents:
    """Hands hints on to the pages of a user, in whatever process they are read.

    They are hints: one that is lost leaves a list that is a little old, and a reader that comes back reads the list.

    Args:
        signals: How processes tell each other.
        is_closing: Whether readers are to be sent away.
    """

    def __init__(self, signals: Signals, is_closing: Callable[[], bool]) -> None:
        self._signals = signals
        self._is_closing = is_closing
        self._readers: dict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        signals.listen("user", self._hear)

    async def tell(self, tenant_id: str, user_id: str, kind: str, **fields: Any) -> None:
        """Tell the pages of a user, as an event of this name."""
        event = {"type": kind, **fields}
        await self._signals.send("user", json.dumps([tenant_id, user_id, event], ensure_ascii=False, default=str))

    async def follow(self, principal: Principal) -> AsyncGenerator[bytes]:
        """Yield what happens from now on, as server-sent events; comments in silence."""
        key = _key(principal.tenant_id, principal.user_id)
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self._readers[key].add(waiting)
        try:
            yield b'event: ready\ndata: {"type":"ready"}\n\n'
            silent = 0
            while not self._is_closing():
                try:
                    async with asyncio.timeout(_TICK_S):
                        frame = await waiting.get()
                except TimeoutError:
                    silent += 1
                    if silent * _TICK_S < _KEEP_ALIVE_S:
                        continue
                    frame = PING
                # Outside of the time limit, which would otherwise end a reader that takes its time.
                yield frame
                silent = 0
            yield b"retry: 1000\n\n"
        finally:
            self._readers[key].discard(waiting)
            if not self._readers[key]:
                del self._readers[key]

    def _hear(self, value: str) -> None:
        tenant_id, user_id, event = json.loads(value)
        readers = self._readers.get(_key(tenant_id, user_id))
        if not readers:
            return
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        frame = f"event: {event['type']}\ndata: {data}\n\n".encode()
        for waiting in readers:
            if waiting.full():  # whoever reads so slowly reads the lists anew
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait(b'event: ready\ndata: {"type":"ready"}\n\n')
            else:
                waiting.put_nowait(frame)


def _key(tenant_id: str, user_id: str) -> str:
    return f"{tenant_id}/{user_id}"
