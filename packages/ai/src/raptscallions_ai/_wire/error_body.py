"""A limit on how much of an error's body is read: the SDK reads all of it, and a server may never stop sending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["limit_error_body"]

_MOST_BYTES = 1024 * 1024
_MOST_COMPRESSED_BYTES = 16 * 1024  # a thousandfold expansion is what compression can hide


async def limit_error_body(response: httpx2.Response) -> None:
    """Cut the body of a response that is no success; a hook for `httpx2.AsyncClient`."""
    if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
        compressed = response.headers.get("content-encoding", "identity") != "identity"
        response.stream = _LimitedStream(response.stream, _MOST_COMPRESSED_BYTES if compressed else _MOST_BYTES)


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part[: self._left]
            self._left -= len(part)
            if self._left <= 0:
                break

    async def aclose(self) -> None:
        await self._stream.aclose()
