"""Sends a client's requests to the real gateway and records the answers."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from raptscallions_ai.testing._exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from raptscallions_ai.testing.recording import RecordedRequest

__all__ = ["Recorder", "UnreachableGatewayError"]

# RFC 9110, section 7.6.1, and what the client to the gateway sets itself. Without a coding the bytes stay readable.
_NOT_FORWARDED = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "keep-alive", "proxy-authenticate"}
    | {"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
_NOT_RETURNED = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
_CONNECT_S = 30.0


class UnreachableGatewayError(Exception):
    """The real gateway gave no answer at all."""


class Recorder:
    """Forwards one request to the real gateway, passes on what comes as it comes, and keeps it with its times.

    Args:
        request: The client's request.
        gateway: Scheme, host and port of the real gateway.

    Attributes:
        exchange: What has happened so far.
    """

    def __init__(self, request: RecordedRequest, gateway: str) -> None:
        self.exchange = Exchange(request.method, request.target, dict(request.headers), request.body)
        self._gateway = gateway
        self._asked_at = 0.0

    async def run(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send every byte of the response; cancelled when the client leaves."""
        import httpx2

        exchange = self.exchange
        headers = {name: value for name, value in exchange.request_headers.items() if name not in _NOT_FORWARDED}
        headers["accept-encoding"] = "identity"
        # The client has deadlines of its own, and leaves when they pass.
        timeout = httpx2.Timeout(None, connect=_CONNECT_S)
        try:
            async with httpx2.AsyncClient(timeout=timeout) as client:
                self._asked_at = time.monotonic()
                url = self._gateway + exchange.target
                async with client.stream(exchange.method, url, content=exchange.body, headers=headers) as response:
                    await self._pass_on(response, send)
                    exchange.end = "complete"
        except httpx2.HTTPError as error:
            if exchange.status is None:
                raise UnreachableGatewayError(f"{self._gateway} gave no answer: {type(error).__name__}") from error
            exchange.end = "cut"
        except asyncio.CancelledError:
            # Some clients leave as soon as they have read the mark of the end.
            whole = b"".join(data for _, data in exchange.pieces).rstrip().endswith(b"data: [DONE]")
            exchange.end = exchange.end or ("complete" if whole else "left")
            raise
        if exchange.end == "complete":
            await send(b"0\r\n\r\n")

    async def _pass_on(self, response: httpx2.Response, send: Callable[[bytes], Awaitable[None]]) -> None:
        exchange = self.exchange
        exchange.status = response.status_code
        exchange.headers = dict(response.headers)
        exchange.head_at = time.monotonic() - self._asked_at
        await send(_head(exchange))
        async for data in response.aiter_bytes():
            if data:
                exchange.pieces.append((time.monotonic() - self._asked_at, data))
                await send(b"%x\r\n%s\r\n" % (len(data), data))


def _head(exchange: Exchange) -> bytes:
    status = exchange.status or 0
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    headers = {name: value for name, value in exchange.headers.items() if name not in _NOT_RETURNED}
    headers |= {"transfer-encoding": "chunked", "connection": "close"}
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")
