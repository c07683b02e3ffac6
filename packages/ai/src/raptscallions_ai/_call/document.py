"""A gateway's JSON endpoints beside chat: one document for each request, under a deadline, with retries."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Protocol

from raptscallions_ai._call.retry import retry_delay
from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.running_loop import running_loop
from raptscallions_ai._transport.errors import StatusError
from raptscallions_ai.answer.result import Attempt
from raptscallions_ai.errors import NotSupportedError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai._transport.http.errors import Replaced
    from raptscallions_ai.errors import AiError
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["DocumentRequest", "JsonApi"]

_log = Log()


class DocumentRequest(Protocol):
    """What is sent for one document."""

    @property
    def model(self) -> str:
        """The model that it is for."""
        ...

    @property
    def body(self) -> bytes:
        """The JSON body."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Further headers."""
        ...

    @property
    def query(self) -> Mapping[str, object]:
        """Further query parameters."""
        ...

    @property
    def quotable(self) -> Sequence[object]:
        """What of it must not appear in any message."""
        ...


class JsonApi:
    """The endpoints of one gateway that answer with one JSON document.

    Args:
        gateway: The gateway.
        timeouts: `first_chunk`, or `total` if that is less, limits a request with all its retries.
        max_retries: Further attempts after a failure that may pass.
        headers: Further headers of each request.

    Attributes:
        gateway: The same.
    """

    def __init__(
        self,
        gateway: Gateway,
        timeouts: Timeouts,
        *,
        max_retries: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.gateway = gateway
        self._headers = headers or {}
        self._timeouts = timeouts
        self._max_retries = max_retries

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> object:
        """Return the parsed document at a path; None if the gateway does not know what the path names.

        Raises:
            NotSupportedError: The gateway has no such endpoint.
            AiError: The document could not be fetched.
        """
        from raptscallions_ai._transport.exceptions import is_not_offered

        gateway, connect = self.gateway, self._timeouts.connect

        async def send(on_replaced: OnReplaced) -> bytes | None:
            try:
                return await gateway.connections.get_json(
                    path, query or {}, headers=self._headers, connect_timeout=connect, on_replaced=on_replaced
                )
            except StatusError as error:
                if error.status == 404 and not is_not_offered(error, gateway):
                    return None
                raise

        body = await self._request(send, f"GET {path}", model="", redact=Redactor(gateway.keys, []))
        return None if body is None else parse_json(body)

    async def post(
        self, path: str, request: DocumentRequest, *, max_bytes: int, method: str = "POST", once: bool = False
    ) -> bytes:
        """Send a request and return the document that answers it, as it was received.

        Args:
            path: The path under the base URL.
            request: What to send.
            max_bytes: The largest document.
            method: Another HTTP method than POST, such as DELETE.
            once: Whether it must not be sent again, whatever it failed with.

        Raises:
            NotSupportedError: The gateway has no such endpoint.
            AiError: The document could not be fetched.
        """
        connections, connect = self.gateway.connections, self._timeouts.connect
        headers = {"Accept": "application/json", **self._headers, **request.headers}
        encoded = Encoded(path, request.body, headers, request.query, method)

        async def send(on_replaced: OnReplaced) -> bytes:
            return await connections.post_json(
                encoded, connect_timeout=connect, max_bytes=max_bytes, on_replaced=_not_again if once else on_replaced
            )

        redact = Redactor(self.gateway.keys, request.quotable)
        return await self._request(send, f"{method} {path}", model=request.model, redact=redact, once=once) or b""

    async def _request(
        self,
        send: Callable[[OnReplaced], Awaitable[bytes | None]],
        endpoint: str,
        *,
        model: str,
        redact: Redactor,
        once: bool = False,
    ) -> bytes | None:
        from raptscallions_ai._transport.exceptions import replaced_error

        limit = min((each for each in (self._timeouts.first_chunk, self._timeouts.total) if each), default=None)
        clock = running_loop().time
        started, ends_at = clock(), None
        attempts: list[Attempt] = []
        failures = 0

        def note_replaced(lost: Replaced) -> None:
            nonlocal started
            attempts.append(_attempt(replaced_error(lost), model=model, duration=lost.seconds, delay=0.0))
            started = clock()

        while True:
            deadline = asyncio.timeout_at(ends_at)
            try:
                await self.gateway.connections.load()  # which counts against no deadline
                started = clock()
                if ends_at is None and limit is not None:
                    ends_at = started + limit
                    deadline = asyncio.timeout_at(ends_at)
                async with deadline:
                    return await send(note_replaced)
            except asyncio.CancelledError as cancelled:
                raise cancelled.with_traceback(None) from None  # the frames below hold the key
            except Exception as exception:
                if deadline.expired():
                    error = TimeoutError(round((limit or 0) * 1000), phase="total")
                else:
                    error = self._error(exception, endpoint, model=model, redact=redact)
            failures, left = failures + 1, math.inf if ends_at is None else ends_at - clock()
            max_retries = 0 if once else self._max_retries
            delay = retry_delay(error, failures=failures, max_retries=max_retries, remaining=left)
            attempts.append(_attempt(error, model=model, duration=clock() - started, delay=delay))
            if delay is None:
                error.attempts = tuple(attempts)
                raise error.without_traceback()
            _log.warning("%s failed with %s, trying again in %.2f s", endpoint, type(error).__name__, delay)
            await asyncio.sleep(delay)

    def _error(self, exception: Exception, endpoint: str, *, model: str, redact: Redactor) -> AiError:
        from raptscallions_ai._transport.exceptions import ai_error, is_not_offered

        gateway, connect = self.gateway, self._timeouts.connect
        error = ai_error(exception, gateway=gateway, model=model, redact=redact, connect_timeout=connect)
        if isinstance(exception, StatusError) and is_not_offered(exception, gateway):
            reason = error.message if error.status_code == 501 else None  # of the others it is only the status
            details = {"endpoint": endpoint, "reason": reason}
            return NotSupportedError(f"The AI gateway does not offer {endpoint}", details=details)
        return error


def _attempt(error: AiError, *, model: str, duration: float, delay: float | None) -> Attempt:
    return Attempt(
        model=model,
        error=type(error).__name__,
        message=error.message,
        status_code=error.status_code,
        duration=duration,
        delay=delay,
    )


def _not_again(lost: object) -> bool:
    return False
