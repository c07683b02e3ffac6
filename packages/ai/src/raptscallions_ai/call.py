"""One call to the gateway: attempts, deadlines, and the bytes of the answer turned into chunks."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raptscallions_ai._wire.body import AnswerDecoder
from raptscallions_ai._wire.closing import close_later, close_response
from raptscallions_ai._wire.fold import Fold
from raptscallions_ai._wire.foreign import ai_error, lost_connection
from raptscallions_ai._wire.redact import Redactor
from raptscallions_ai._wire.sdk import post_chat
from raptscallions_ai._wire.watchdog import Watchdog
from raptscallions_ai.chunks import DoneChunk, WaitingChunk
from raptscallions_ai.errors import AiError, TimeoutError
from raptscallions_ai.result import Attempt
from raptscallions_ai.retry import retry_delay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    import httpx2

    from raptscallions_ai._wire.request import ChatRequest
    from raptscallions_ai._wire.sdk import Connections
    from raptscallions_ai.chunks import StreamChunk
    from raptscallions_ai.result import ChatResult
    from raptscallions_ai.timeouts import Phase, Timeouts

__all__ = ["CallPolicy", "GatewayCall"]

_log = logging.getLogger("raptscallions_ai")
_GRACE = 2.0  # seconds that an answer which is complete in all but its end mark waits for that mark


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How one call is made.

    Attributes:
        timeouts: Its deadlines.
        max_retries: Most further attempts before the first content.
        require_usage: Whether an answer without usage is an error.
        include_waiting: Whether keep-alives are yielded as `waiting` chunks.
        max_event_bytes: The largest event or body.
        log_content: Whether prompts and answers may be written to the debug log.
        secret: The key, which must not appear in any message.
    """

    timeouts: Timeouts
    max_retries: int
    require_usage: bool
    include_waiting: bool
    max_event_bytes: int
    log_content: bool
    secret: str

    def __repr__(self) -> str:
        return f"CallPolicy({self.timeouts!r}, max_retries={self.max_retries})"


class GatewayCall:
    """The source of a `ChatStream` that talks to a gateway; it owns the connection.

    Args:
        connections: Where to get the SDK from.
        request: What to send.
        policy: How.
    """

    def __init__(self, connections: Connections, request: ChatRequest, policy: CallPolicy) -> None:
        self._connections = connections
        self._request = request
        self._policy = policy
        self._redact = Redactor([policy.secret], request.conversation)
        self._watchdog = Watchdog()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started_at = self._attempt_at = 0.0
        self._first_content_at: float | None = None
        self._ended_at: float | None = None
        self._begun = 0.0  # when the caller began to wait
        self._waited = 0.0  # seconds that the caller had waited before that, since the last content
        self._settled_until: float | None = None
        self._phase: Phase = "first_chunk"
        self._attempts: list[Attempt] = []
        self._generation_id: str | None = None  # as the headers tell it, before there is any chunk
        self._response: httpx2.Response | None = None
        self._body: AsyncIterator[bytes] | None = None
        self._comments = 0
        self._pending: AiError | None = None  # a failure behind chunks that the caller has yet to get
        self._complete = self._released = self._stopped = False
        self._renew_decoder()

    async def open(self) -> None:
        """Send the request and wait until the gateway answers with a good status, retrying as the policy says."""
        await self._guarded(self._open)

    async def read(self) -> Sequence[StreamChunk]:
        """Return the next chunks, or none after the last.

        Raises:
            AiError: The call failed; chunks that had arrived before were returned by earlier calls.
        """
        if self._complete:
            await self.aclose()
        return await self._guarded(self._next)

    def partial(self) -> ChatResult:
        """Return what has arrived so far, with the attempts and timings so far."""
        return self._timed(self._fold.partial())

    async def aclose(self) -> None:
        """Release the connection; a complete answer leaves it fit for the next call."""
        if self._released:
            return
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            self.abandon()  # another loop's connection, which only that loop may touch
            return
        self._released = self._stopped = True
        self._watchdog.stop()
        self._watchdog.close()
        await self._close_response()

    def abandon(self) -> None:
        """Release the connection soon, from whatever thread the garbage collector runs in."""
        if self._released:
            return
        self._released = True
        if self._loop is not None and self._response is not None:
            close_later(self._loop, self._response, self._body if self._complete else None, self._watchdog)

    async def _guarded(self, step: Callable[[], Awaitable[list[StreamChunk]]]) -> list[StreamChunk]:
        """Run one step under the deadlines, and let nothing out but chunks, an `AiError` and real cancellation."""
        if self._released:
            return []
        if self._loop is None:
            self._start()
        self._begun = self._now()
        deadline = self._deadline()
        # A deadline may have passed while the caller was busy with the last chunk, where no timer could interrupt it.
        passed = deadline <= self._begun
        chunks, error = self._expired() if passed else await self._watched(step, deadline)
        if error is not None:
            raise await self._failed(error)
        self._note(chunks)
        return chunks

    async def _watched(
        self, step: Callable[[], Awaitable[list[StreamChunk]]], deadline: float
    ) -> tuple[list[StreamChunk], AiError | None]:
        self._watchdog.begin(deadline)
        try:
            return await step(), None
        except asyncio.CancelledError as cancelled:
            if not self._watchdog.interrupted():
                self._released = True
                self._watchdog.close()
                await self._close_response()
                # The transport's frames hold the request.
                raise cancelled.with_traceback(None) from None
            return ([], None) if self._stopped else self._expired()
        except AiError as error:
            return [], error
        finally:
            self._watchdog.end()

    async def _open(self) -> list[StreamChunk]:
        while self._response is None:
            try:
                await self._send()
            except Exception as exception:
                error = self._mapped(exception)
            else:
                break
            await self._retry_or_raise(error)
        return []

    async def _next(self) -> list[StreamChunk]:
        while True:
            try:
                if self._response is None:
                    await self._send()
                outcome = await self._receive()
            except Exception as exception:
                outcome = self._mapped(exception)
            if not isinstance(outcome, AiError):
                return outcome
            await self._retry_or_raise(outcome)

    async def _send(self) -> None:
        self._attempt_at = self._now()
        self._renew_decoder()
        sdk = await self._connections.get()
        self._response = await post_chat(sdk, self._request, connect_timeout=self._policy.timeouts.connect)
        self._generation_id = self._response.headers.get("x-generation-id")
        encoded = self._response.headers.get("content-encoding", "identity") != "identity"
        self._body = self._response.aiter_bytes() if encoded else self._response.aiter_raw()
        _log.debug("answered with status %s after %.3f s", self._response.status_code, self._now() - self._attempt_at)

    async def _receive(self) -> list[StreamChunk] | AiError:
        if self._pending is not None:
            return self._pending
        decoder, body = self._decoder, self._body
        assert body is not None
        while True:
            try:
                chunks = decoder.feed(await anext(body))
            except StopAsyncIteration:
                return self._end([])
            except Exception as exception:
                if (cut := lost_connection(exception)) is None:
                    raise
                return self._end([], cut)
            if decoder.done or decoder.failure is not None or self._fold.failure is not None:
                return self._end(chunks)
            if chunks:
                return chunks
            if self._policy.include_waiting and decoder.comments > self._comments:
                self._comments = decoder.comments
                return [WaitingChunk()]
            if self._fold.settled:
                self._watchdog.begin(self._deadline())

    def _end(self, chunks: list[StreamChunk], cut: str | None = None) -> list[StreamChunk] | AiError:
        rest, result = self._decoder.close(cut)
        chunks += rest
        if result is not None:
            self._complete = True
            self._ended_at = self._now()
            self._attempts.append(Attempt(self._request.model, duration=self._ended_at - self._attempt_at))
            chunks.append(DoneChunk(self._timed(result)))
            return chunks
        failure = self._decoder.failure or AiError()
        if not chunks:
            return failure
        self._pending = failure
        return chunks

    async def _retry_or_raise(self, error: AiError) -> None:
        now = self._now()
        delay = None
        if not self._fold.started:
            failures, remaining = len(self._attempts) + 1, self._deadline() - now
            delay = retry_delay(error, failures=failures, max_retries=self._policy.max_retries, remaining=remaining)
        kind, duration = type(error).__name__, now - self._attempt_at
        self._attempts.append(Attempt(self._request.model, kind, error.message, error.status_code, duration, delay))
        await self._close_response()
        if delay is None:
            raise error
        told = (len(self._attempts), kind, error.status_code, delay)
        _log.warning("attempt %d failed with %s (%d), trying again in %.2f s", *told)
        await asyncio.sleep(delay)

    def _expired(self) -> tuple[list[StreamChunk], AiError | None]:
        """Return what a passed deadline means: a complete answer whose end mark never came, or a timeout."""
        if self._fold.settled:
            outcome = self._end([])
            return (outcome, None) if not isinstance(outcome, AiError) else ([], outcome)
        limit: float | None = getattr(self._policy.timeouts, self._phase)
        error = TimeoutError(None if limit is None else round(limit * 1000), phase=self._phase)
        error.partial = self._fold.partial() if self._fold.anything else None
        attempt = Attempt(self._request.model, "TimeoutError", error.message, 504, self._now() - self._attempt_at)
        self._attempts.append(attempt)
        return [], error

    async def _failed(self, error: AiError) -> AiError:
        self._ended_at = self._now()
        self._released = True
        self._watchdog.close()
        await self._close_response()
        error.attempts = tuple(self._attempts)
        if error.partial is not None:
            error.partial = self._timed(error.partial)
        error.request_id = error.request_id or self._fold.generation_id or self._generation_id
        _log.error("chat failed: %s (%d) model=%s", type(error).__name__, error.status_code, self._request.model)
        return error.bare()

    async def _close_response(self) -> None:
        response, body = self._response, self._body
        self._response = self._body = None
        if response is not None:
            await close_response(response, body if self._complete else None)

    def _note(self, chunks: list[StreamChunk]) -> None:
        """Keep the clocks: content resets the idle wait, keep-alives do not."""
        if not chunks or type(chunks[0]) is WaitingChunk:
            self._waited += self._now() - self._begun
            return
        self._waited = 0.0
        if self._first_content_at is None:
            self._first_content_at = self._now()
            if self._complete and isinstance(last := chunks[-1], DoneChunk):
                chunks[-1] = DoneChunk(self._timed(last.result))
        if self._complete and isinstance(last := chunks[-1], DoneChunk):
            self._log_done(last.result)

    def _deadline(self) -> float:
        """Return the time at which waiting must end, and remember which limit sets it."""
        limits = self._policy.timeouts
        end = math.inf if limits.total is None else self._started_at + limits.total
        if self._fold.settled:
            if self._settled_until is None:
                self._settled_until = self._now() + _GRACE
            return min(self._settled_until, end)
        self._phase = "first_chunk" if self._first_content_at is None else "idle"
        limit = limits.first_chunk if self._first_content_at is None else limits.idle
        when = math.inf if limit is None else self._begun - self._waited + limit
        if end < when:
            self._phase = "total"
        return min(when, end)

    def _renew_decoder(self) -> None:
        policy = self._policy
        self._fold = Fold(model=self._request.model, require_usage=policy.require_usage, redact=self._redact)
        self._decoder = AnswerDecoder(self._fold, max_bytes=policy.max_event_bytes)
        self._comments = 0
        self._settled_until = None

    def _mapped(self, exception: Exception) -> AiError:
        connect = self._policy.timeouts.connect
        return ai_error(exception, model=self._request.model, redact=self._redact, connect_timeout=connect)

    def _timed(self, result: ChatResult) -> ChatResult:
        started, first, ended = self._started_at, self._first_content_at, self._ended_at
        return replace(
            result,
            attempts=tuple(self._attempts),
            time_to_first_chunk=None if first is None else first - started,
            duration=None if ended is None else ended - started,
        )

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started_at = self._attempt_at = self._now()
        request = self._request
        _log.info("chat started: model=%s messages=%d", request.model, len(request.conversation))
        _log.debug("request of %d bytes, stream=%s", len(request.body), request.stream)
        if self._policy.log_content:
            _log.debug("request body: %s", request.body.decode())

    def _log_done(self, result: ChatResult) -> None:
        usage = result.usage
        told = (result.model, result.finish_reason, usage.prompt_tokens, usage.completion_tokens, result.duration)
        _log.info("chat finished: model=%s finish_reason=%s tokens=%d+%d in %.2f s", *told)
        if self._policy.log_content:
            _log.debug("answer: %s", result.content)

    def __repr__(self) -> str:
        return f"GatewayCall(model={self._request.model!r})"
