"""What is done with a response: reading its body, letting go of what is not needed, and closing it from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from raptscallions_ai._wire.watchdog import Watchdog

__all__ = ["BODY", "close_later", "close_response", "raw_body", "shed_headers"]

BODY = "raptscallions_ai.body"
"""The extension of a response under which our transport leaves the body."""

_DRAIN_SECONDS = 0.25

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly


def raw_body(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Return a response's body as it was sent, without the three generators through which httpx2 passes each read.

    What another transport sent is read as httpx2 does it.
    """
    return response.extensions.get(BODY) or response.aiter_raw()


def shed_headers(response: httpx2.Response) -> None:
    """Let go of a response's headers and of its request, key included: 4 of the 26 KiB of an open stream."""
    response.request, response.headers = _nothing()


@functools.cache
def _nothing() -> tuple[httpx2.Request, httpx2.Headers]:
    import httpx2

    return httpx2.Request("POST", ""), httpx2.Headers()


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
