"""Starlette and FastAPI: a response that owns its stream until the browser has everything or has left."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, StreamingResponse

from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import AiError
from raptscallions_ai.web.payloads import error_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from raptscallions_ai.web.body import ResponseBody

__all__ = ["ChatStreamResponse", "ai_error_handler"]

_PIECE = 64 * 1024  # bytes
_CLIENT_CLOSED_REQUEST = 499  # nginx's own; the client never sees it
_log = Log()


class ChatStreamResponse(StreamingResponse):
    """A response made of a stream, which is closed upstream at once when the browser leaves.

    Starlette's own streaming response notices a browser that leaves while the model is silent, but not one that had
    stopped reading before: its generator then waits for the garbage collector, while the model goes on writing and
    billing. Here the response itself listens from the first moment, and closes the stream however it ends.

    The stream is opened before the headers are sent. Failures until then are raised unchanged, for `ai_error_handler`
    to answer with an HTTP status; what fails later is the last event of the body.

    Args:
        body: What `sse_response_body`, `ui_message_stream` or `openai_sse_body` returned.
        headers: Further headers.
        background: What to run afterwards, even if the browser has left; `stream.partial` then has what had arrived.
        send_timeout: Seconds that a browser may take no bytes at all, once all buffers on the way are full; then it is
            given up as if it had left. None for no limit.

    Raises:
        ValueError: `send_timeout` is not more than 0.
    """

    def __init__(
        self,
        body: ResponseBody,
        *,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
        send_timeout: float | None = 60.0,
    ) -> None:
        if send_timeout is not None and not send_timeout > 0:
            raise ValueError(f"send_timeout must be more than 0 seconds, or None for no limit, not {send_timeout!r}")
        super().__init__(body, headers={**body.headers, **(headers or {})}, background=background)
        self._body = body
        self._send_timeout = send_timeout
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; what ASGI calls.

        Raises:
            AiError: The answer failed before anything was sent.
        """
        if scope.get("method") == "HEAD":  # a request for headers only must not start a model
            self._body.abandon()
            await self._send_empty(send, self.status_code)
            return
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_client_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First everything that needs no waiting: a server that shuts down may cancel each wait again.
            sending.cancel()
            leaving.cancel()
            self._body.abandon()
            await asyncio.wait({sending, leaving})
            await self._body.aclose()
        for task in (sending, leaving):
            if not task.cancelled():
                task.result()
        if not self._started:
            # Nobody reads it. But a middleware around this takes an app that sends nothing for one that is broken.
            await self._send_empty(send, _CLIENT_CLOSED_REQUEST)
        if self.background is not None:
            await self.background()

    async def _send_all(self, send: Send) -> None:
        await self._body.open()
        try:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            self._started = True
            await self._send(send, start)
            async for data in self._body:
                # In pieces, or one that takes longer than `send_timeout` would look like a reader that has stopped.
                for at in range(0, len(data), _PIECE):
                    piece = {"type": "http.response.body", "body": data[at : at + _PIECE], "more_body": True}
                    await self._send(send, piece)
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})
        except _ClientGoneError as gone:
            _log.info("the reader of a stream is gone: %s", gone)

    async def _send_empty(self, send: Send, status: int) -> None:
        with contextlib.suppress(_ClientGoneError):
            await self._send(send, {"type": "http.response.start", "status": status, "headers": self.raw_headers})
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: Message) -> None:
        try:
            async with asyncio.timeout(self._send_timeout):
                await send(message)
        except OSError as error:
            # A TimeoutError is one, and so is what a server raises for a closed connection since version 2.4 of ASGI.
            raise _ClientGoneError(type(error).__name__) from None


class _ClientGoneError(Exception):
    """Nobody reads any more."""


async def _client_left(receive: Receive) -> None:
    """Return when the connection is closed; until then, unexpected parts of a request may come."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def ai_error_handler(request: Request, error: Exception) -> JSONResponse:
    """Answer an `AiError` with its HTTP status, as JSON: `{"error": {"type": ..., "message": ..., ...}}`.

    Install it with `app.add_exception_handler(AiError, ai_error_handler)`; it serves streams that fail before their
    first chunk, and all other routes. The gateway's and the operator's own words are not passed on, see
    `sse_response_body` for the fields. A `Retry-After` header passes on the gateway's wait.
    """
    if not isinstance(error, AiError):
        raise TypeError(f"ai_error_handler is for AiError, not {type(error).__name__}") from error
    wait = error.retry_after
    headers = {} if wait is None or not math.isfinite(wait) else {"Retry-After": str(math.ceil(max(wait, 0)))}
    return JSONResponse({"error": error_payload(error)}, error.status_code, headers)
