"""Bodies of requests, read no further than they may be long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["read_body"]


async def read_body(request: Request, most: int, *, code: str = "message_too_large") -> bytes:
    """Return a request's body.

    Args:
        request: The request.
        most: The most bytes; 0 for no limit.
        code: The error for a longer one.

    Raises:
        ChatError: It is longer.
    """
    told = request.headers.get("content-length", "")
    if most and told.isascii() and told.isdigit() and int(told[:20]) > most:
        raise _too_large(code, most)
    if hasattr(request, "_body"):  # somebody has read it already, for the request's digest
        body = await request.body()
    else:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if most and len(data) > most:
                raise _too_large(code, most)
        body = bytes(data)
    if most and len(body) > most:
        raise _too_large(code, most)
    return body


def _too_large(code: str, most: int) -> ChatError:
    return ChatError(code, f"The body must not be larger than {most} bytes.", details={"max_bytes": most})
