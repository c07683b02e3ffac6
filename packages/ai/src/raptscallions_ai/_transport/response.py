"""What is done with a response: reading its body, letting go of what is not needed, and closing it from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from raptscallions_ai._call.watchdog import Watchdog

    Read = Callable[[], Awaitable[bytes]]
    """Returns what has come of a body, waiting for something; nothing at the end."""

__all__ = ["READ_BODY", "body_reader", "close_later", "close_response"]

READ_BODY = "raptscallions_ai.read_body"
"""The extension of a response under which our transport leaves what reads the body."""

_DRAIN_SECONDS = 0.25

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly


def body_reader(response: httpx2.Response, *, shed_headers: bool) -> Read:
    """Return what reads a response's body, decompressed.

    What our own transport brought uncompressed is read without the three generators through which httpx2 passes each
    read.

    Args:
        response: The response, its body unread.
        shed_headers: Whether nobody needs its headers and its request, key included, any more: they are 4 of the
            26 KiB of an open stream.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        return functools.partial(anext, response.aiter_bytes(), b"")  # which looks at the headers again
    if shed_headers:
        response.request, response.headers = _nothing()
    return response.extensions.get(READ_BODY) or functools.partial(anext, response.aiter_raw(), b"")


@functools.cache
def _nothing() -> tuple[httpx2.Request, httpx2.Headers]:
    import httpx2

    return httpx2.Request("POST", ""), httpx2.Headers()


async def close_response(response: httpx2.Response, rest: Read | None) -> None:
    """Close a response.

    Args:
        response: What to close.
        rest: Reads the remaining body of a complete answer, usually just the final chunk of the transfer: reading it
            lets the connection serve the next call. None closes the connection, which stops the gateway.
    """
    # Whatever a closing connection complains about, the call is over and its outcome is known.
    with contextlib.suppress(Exception):
        try:
            if rest is not None:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await rest():
                        pass
        finally:
            await response.aclose()


def close_later(
    loop: asyncio.AbstractEventLoop, response: httpx2.Response, rest: Read | None, watchdog: Watchdog
) -> None:
    """Close a response on the loop that it belongs to, from any thread; a loop that is gone took it along."""

    def close() -> None:
        watchdog.close()
        task = loop.create_task(close_response(response, rest))
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(close)
