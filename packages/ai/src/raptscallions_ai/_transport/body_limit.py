"""A limit on bodies that the SDK reads whole: it reads all of them, and a server may never stop sending."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["limit_error_body"]

_MIB = 1024 * 1024
_LARGEST_ERROR = _MIB
_LARGEST_DOCUMENT = 16 * _MIB  # some ten thousand models


def limit_error_body(response: httpx2.Response, method: str) -> None:
    """Cut the body of a response that is no success, or that answers a GET.

    What is counted is what comes out of decompression, which is done here, piece by piece.
    """
    failed = response.status_code >= 300
    stream = response.stream
    if (failed or method == "GET") and isinstance(stream, httpx2.AsyncByteStream):
        decoded = httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, request=response.request
        )
        response.headers.pop("content-encoding", None)
        response.stream = _LimitedStream(decoded, stream, _LARGEST_ERROR if failed else _LARGEST_DOCUMENT)


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, decoded: httpx2.Response, stream: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._decoded = decoded
        self._stream = stream
        self._left = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with contextlib.aclosing(self._decoded.aiter_bytes()) as parts:
            async for part in parts:
                yield part[: self._left]
                self._left -= len(part)
                if self._left <= 0:
                    break

    async def aclose(self) -> None:
        await self._stream.aclose()
