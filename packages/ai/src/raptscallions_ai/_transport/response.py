"""What is done with a response: reading its body, letting go of what is not needed, and closing it from anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING

from raptscallions_ai.errors import InvalidResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from raptscallions_ai._transport.connections import Read, Response

__all__ = ["READ_BODY", "body_reader", "close_later", "close_response", "read_document"]

READ_BODY = "raptscallions_ai.read_body"
"""The extension of a response under which our transport leaves what reads the body."""

_DRAIN_SECONDS = 0.25

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly


def body_reader(response: httpx2.Response, *, drop_headers: bool) -> Read:
    """Return what reads a response's body, decompressed.

    What our own transport brought uncompressed is read without the three generators through which httpx2 passes each
    read.

    Args:
        response: The response, its body unread.
        drop_headers: Whether its headers and its request, key included, are no longer needed: they are 4 of the
            26 KiB of an open stream.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        return functools.partial(anext, response.aiter_bytes(), b"")  # which looks at the headers again
    if drop_headers:
        response.request, response.headers = _nothing()
    return response.extensions.get(READ_BODY) or functools.partial(anext, response.aiter_raw(), b"")


@functools.cache
def _nothing() -> tuple[httpx2.Request, httpx2.Headers]:
    import httpx2

    return httpx2.Request("POST", ""), httpx2.Headers()


async def read_document(response: Response, *, max_bytes: int) -> bytes:
    """Return the whole body of a response, and let go of it.

    Raises:
        InvalidResponseError: It is larger than `max_bytes`.
        Exception: What the transport raises while it arrives.
    """
    body = bytearray()
    try:
        while part := await response.read():
            body += part
            if len(body) > max_bytes:
                raise InvalidResponseError("the body is larger than AI_MAX_EVENT_BYTES allows")
    finally:
        await response.close()
    return bytes(body)


async def close_response(response: Response, *, drain: bool) -> None:
    """Close a response.

    Args:
        response: What to close.
        drain: Whether to read the rest of a complete answer first, usually just the final chunk of the transfer: that
            lets the connection serve the next call. Otherwise the connection is closed, which stops the gateway.
    """
    # Whatever a closing connection complains about, the call is over and its outcome is known.
    with contextlib.suppress(Exception):
        try:
            if drain:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    while await response.read():
                        pass
        finally:
            await response.close()


def close_later(
    loop: asyncio.AbstractEventLoop, response: Response, *, drain: bool, before: Callable[[], object]
) -> None:
    """Close a response on the loop that it belongs to, from any thread; a loop that is gone took it along.

    Args:
        loop: The loop.
        response: What to close.
        drain: As for `close_response`.
        before: Called on the loop first.
    """

    def close() -> None:
        before()
        task = loop.create_task(close_response(response, drain=drain))
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(close)
