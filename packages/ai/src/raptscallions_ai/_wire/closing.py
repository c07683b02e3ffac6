"""Letting go of a response, from wherever that happens."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from raptscallions_ai._wire.watchdog import Watchdog

__all__ = ["close_later", "close_response"]

_DRAIN_SECONDS = 0.25

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly


async def close_response(response: httpx2.Response, rest: AsyncIterator[bytes] | None) -> None:
    """Close a response.

    Args:
        response: What to close.
        rest: The remaining body of a complete answer, usually just the final chunk of the transfer: reading it
            lets the connection serve the next call. None closes the connection, which stops the gateway.
    """
    # Whatever a closing connection complains about, the call is over and its outcome is known.
    with contextlib.suppress(Exception):
        try:
            if rest is not None:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    async for _ in rest:
                        pass
        finally:
            await response.aclose()


def close_later(
    loop: asyncio.AbstractEventLoop, response: httpx2.Response, rest: AsyncIterator[bytes] | None, watchdog: Watchdog
) -> None:
    """Close a response on the loop that it belongs to, from any thread; a loop that is gone took it along."""

    def close() -> None:
        watchdog.close()
        task = loop.create_task(close_response(response, rest))
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(close)
