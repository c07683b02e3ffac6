"""A response of server-sent events that notices at once when its reader leaves, and gives up one that reads nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Receive, Scope, Send

__all__ = ["EventStreamResponse"]

_log = logging.getLogger("raptscallions_chat")
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    # nginx, and what is built on it, would hold the events back.
    "X-Accel-Buffering": "no",
}
_SEND_PATIENCE = 60.0


class EventStreamResponse(StreamingResponse):
    """Sends events as they come. That its reader leaves changes nothing for the run.

    Args:
        events: The events; closed however the response ends.
        headers: Further headers.
    """

    def __init__(self, events: AsyncGenerator[bytes], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(events, headers={**_HEADERS, **(headers or {})})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; what ASGI calls."""
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.wait({sending, leaving})
        for task in (sending, leaving):
            if not task.cancelled():
                task.result()

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for data in events:
                    async with asyncio.timeout(_SEND_PATIENCE):
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except OSError as error:
                # A TimeoutError is one: a reader that took nothing for a minute is as gone as one that hung up.
                _log.info("the reader of a stream is gone: %s", type(error).__name__)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
