"""`Exchange`: one request, its answer, and the fold of that answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from raptscallions_ai._call.history import AttemptUsage
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.rate_limits import read_rate_limits
from raptscallions_ai._transport.response import close_later, close_response
from raptscallions_ai.answer.result import Attempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from raptscallions_ai._call.route import Route
    from raptscallions_ai._dialects.redact import Redactor
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai._transport.connections import OnReplaced, Read, Response
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, RateLimits
    from raptscallions_ai.errors import AiError

__all__ = ["Exchange"]


class Exchange:
    """One attempt of a call; it owns the connection while the answer arrives.

    Args:
        route: Whom it asks.
        redact: Removes the keys and the prompt from a text.
        require_usage: Whether an answer without usage is an error.
        max_event_bytes: The largest event or body.
        now: When it begins, in the loop's time.

    Attributes:
        route: The same.
        fold: What has come of the answer.
        decoder: Turns the bytes of the body into chunks.
        read: Returns what has come of the body, waiting for something; None before there is a response.
        complete: Whether the answer has come to a good end.
        sent_at: When the request was sent.
    """

    def __init__(
        self, route: Route, redact: Redactor, *, require_usage: bool, max_event_bytes: int, now: float = 0.0
    ) -> None:
        gateway = route.gateway
        named = gateway.url_name
        self.route = route
        self.fold = fold = Fold(
            model=route.model, require_usage=require_usage, redact=redact, url_name=named, price=route.price
        )
        self.decoder = AnswerDecoder(
            fold,
            gateway.dialect.reader(fold),
            max_bytes=max_event_bytes,
            framing=gateway.dialect.framing,
            url_name=named,
        )
        self.read: Read | None = None
        self.complete = False
        self.sent_at = now
        self._response: Response | None = None
        self._status: int | None = None
        self._id_in_headers: str | None = None  # before any event tells it
        self._limits: RateLimits | None = None
        self._response_cache: str | None = None
        self._keep_alives = 0

    async def send(self, request: ChatRequest, *, now: float, on_replaced: OnReplaced) -> int:
        """Send the request, and return the status of the response once it is known to be good.

        Args:
            request: What to send.
            now: The loop's time.
            on_replaced: Called when the request was lost on a kept connection and is sent again.

        Raises:
            Exception: What sending can fail with; see `Connections.send`.
        """
        self.sent_at = now
        route, gateway = self.route, self.route.gateway
        encoded = gateway.dialect.encode(request, route.facts)
        connect = route.timeouts.connect
        response = await gateway.connections.send(encoded, connect_timeout=connect, on_replaced=on_replaced)
        headers = response.headers
        self._id_in_headers = next((headers[name] for name in gateway.dialect.id_headers if name in headers), None)
        self._limits = read_rate_limits(headers)
        self._response_cache = headers.get("x-openrouter-cache-status")
        response.headers = {}  # 4 of the 26 KiB of an open stream, the key included
        self._status, self._response, self.read = response.status, response, response.read
        return response.status

    def got_keep_alive(self) -> bool:
        """Whether a keep-alive has come since this was last asked."""
        before, self._keep_alives = self._keep_alives, self.decoder.keep_alives
        return self._keep_alives > before

    def end(self, cut: str | None = None) -> tuple[list[StreamChunk], ChatResult | None]:
        """Return the chunks that the end of the body still completes, and the result; None if the answer failed.

        Args:
            cut: What cut the connection, if anything did; None for a clean end.
        """
        chunks, result = self.decoder.close(cut)
        self.complete = result is not None
        return chunks, result

    def partial(self) -> ChatResult:
        """Return what has arrived of the answer so far."""
        return self._with_id(self.fold.partial())

    def attempt(self, error: AiError | None, *, delay: float | None, now: float) -> Attempt:
        """Return the record of this attempt.

        Args:
            error: What it failed with; None if it answered.
            delay: Seconds until the next attempt; None if there is none.
            now: When it ended.
        """
        fold = self.fold
        return Attempt(
            model=self.route.model,
            error=None if error is None else type(error).__name__,
            message=None if error is None else error.message,
            status_code=None if error is None else error.status_code,
            duration=now - self.sent_at,
            delay=delay,
            gateway=self.route.gateway.url,
            generation_id=fold.generation_id or self._id_in_headers,
            usage=fold.usage if fold.started or fold.usage.reported else None,
            limits=self._limits,
            response_cache=None if self._response_cache is None else self._response_cache.lower(),
        )

    def attempt_usage(self) -> AttemptUsage:
        """Return what this attempt has used, as far as the gateway reported it."""
        return AttemptUsage(self.route, self.fold.generation_id or self._id_in_headers, self.fold.usage)

    def describe(self, error: AiError) -> None:
        """Put on an error what is known of the answer that it ended."""
        self.fold.describe(error)
        if error.partial is not None:
            error.partial = self._with_id(error.partial)
        error.request_id = error.request_id or self._id_in_headers
        error.gateway_status = error.gateway_status or self._status

    def _with_id(self, partial: ChatResult) -> ChatResult:
        """Return a result with the id by which its cost can be asked for, also before there is any of it."""
        known = self._id_in_headers is None or partial.id is not None
        return partial if known else replace(partial, id=self._id_in_headers)

    async def aclose(self) -> None:
        """Release the connection; a complete answer leaves it fit for the next request."""
        response, self._response, self.read = self._response, None, None
        if response is not None:
            await close_response(response, drain=self.complete)

    def abandon(self, loop: asyncio.AbstractEventLoop, *, before: Callable[[], object]) -> None:
        """Release the connection soon, from any thread.

        Args:
            loop: The loop that it belongs to.
            before: Called there first.
        """
        if self._response is not None:
            close_later(loop, self._response, drain=self.complete, before=before)

    def __repr__(self) -> str:
        return f"Exchange({self.route!r})"
