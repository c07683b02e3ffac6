"""One call: attempts, deadlines, and the bytes of the answer turned into chunks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raptscallions_ai._call.deadlines import Deadlines
from raptscallions_ai._call.history import CallHistory, Spending
from raptscallions_ai._call.settling import settled_usage
from raptscallions_ai._call.watchdog import Watchdog
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._guards.log import Log
from raptscallions_ai._transport.exceptions import ai_error, lost_connection
from raptscallions_ai._transport.response import close_later, close_response
from raptscallions_ai.answer.chunks import DoneChunk, WaitingChunk
from raptscallions_ai.answer.result import Attempt
from raptscallions_ai.errors import AiError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from raptscallions_ai._call.recovery import Recovery, Route
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai._transport.connections import Response
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage

__all__ = ["CallPolicy", "GatewayCall"]

_log = Log()


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How one call is made, whomever it asks.

    Attributes:
        total: Seconds for the whole call: all attempts, waits and routes; None for no limit.
        require_usage: Whether an answer without usage is an error.
        include_waiting: Whether keep-alives are yielded as `waiting` chunks.
        max_event_bytes: The largest event or body.
        log_content: Whether prompts and answers may be written to the debug log.
    """

    total: float | None
    require_usage: bool
    include_waiting: bool
    max_event_bytes: int
    log_content: bool


class GatewayCall:
    """The source of a `ChatStream` that talks to a gateway; it owns the connection.

    Args:
        request: What to send.
        recovery: Whom to ask, and what to do when that fails.
        policy: How.
        secrets: The keys of all routes, which must not appear in any message.
    """

    def __init__(self, request: ChatRequest, recovery: Recovery, policy: CallPolicy, secrets: Sequence[str]) -> None:
        self._request = request
        self._recovery = recovery
        self._policy = policy
        self._redact = Redactor(secrets, request.conversation)
        self._deadlines = Deadlines(recovery, policy.total)
        self._watchdog = Watchdog(self._deadlines.until)
        self._history = CallHistory()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._now: Callable[[], float] = _no_clock  # the loop's clock, once there is a loop
        self._attempt_at = 0.0
        self._delay = 0.0  # seconds to wait before the next attempt
        self._generation_id: str | None = None  # as the headers tell it, before there is any chunk
        self._status: int | None = None
        self._response: Response | None = None
        self._keep_alives = 0
        self._pending: AiError | None = None  # a failure behind chunks that the caller has yet to get
        self._complete = self._released = self._stopped = False
        self._renew_decoder()

    def open(self) -> Awaitable[object]:
        """Send the request and wait until the gateway answers with a good status, retrying as the policy says."""
        return self._next(opening=True)

    def read(self) -> Awaitable[Sequence[StreamChunk]]:
        """Return the next chunks, or none after the last.

        Raises:
            AiError: The call failed; chunks that had arrived before were returned by earlier calls.
        """
        return self._next()

    def partial(self) -> ChatResult:
        """Return what has arrived so far, with the attempts and timings so far."""
        partial = self._fold.partial()
        if partial.id is None and self._generation_id is not None:
            # By it the cost can be asked for of an answer that was stopped before there was any of it.
            partial = replace(partial, id=self._generation_id)
        return self._history.stamp(partial, begun=self._fold.started)

    async def settle(self) -> Usage:
        """Return what the call used, asking the gateway for the cost of each attempt that did not tell it."""
        return await settled_usage([*self._history.spent, self._spending()])

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
            close_later(self._loop, self._response, drain=self._complete, before=self._watchdog.close)

    async def _next(self, *, opening: bool = False) -> list[StreamChunk]:
        """Go on until there are chunks, and let nothing out but these, an `AiError` and real cancellation.

        All waiting for the body is done here and not further down, because each coroutine between the socket and the
        caller is entered again for each read.
        """
        if self._released or self._complete:
            return []
        loop, deadlines = self._loop or self._start(), self._deadlines
        deadlines.began = self._now()
        try:
            while not self._stopped and not (opening and self._response is not None):
                if self._pending is not None:
                    outcome = self._pending
                elif deadlines.ends_at <= deadlines.began:  # while the caller was busy, so that no timer could tell
                    outcome = self._expired()
                else:
                    self._watchdog.begin(loop)
                    try:
                        if self._response is None:
                            outcome = await self._send()
                        else:
                            outcome = self._take(await self._response.read())
                    except BaseException as exception:
                        outcome = self._interrupted(exception)
                    finally:
                        self._watchdog.end()
                if isinstance(outcome, AiError):
                    await self._recover(outcome)
                elif outcome and (chunks := self._noted(outcome)):
                    return chunks
        except asyncio.CancelledError:
            self._released = True
            self._watchdog.close()
            await self._close_response()
            raise
        deadlines.no_content(self._now())
        return []

    def _interrupted(self, exception: BaseException) -> list[StreamChunk] | AiError:
        """Return what became of a wait that was interrupted; raises real cancellation, and what ends the program."""
        if isinstance(exception, asyncio.CancelledError):
            if not self._watchdog.interrupted():
                # The transport's frames hold the request.
                raise exception.with_traceback(None) from None
            return [] if self._stopped else self._expired()
        if not isinstance(exception, Exception):
            raise exception
        if self._response is not None and (cut := lost_connection(exception)) is not None:
            return self._end([], cut)
        route = self._recovery.route
        model, connect = route.model, route.timeouts.connect
        return ai_error(exception, gateway=route.gateway, model=model, redact=self._redact, connect_timeout=connect)

    async def _recover(self, error: AiError) -> None:
        """Prepare to try again after a failure, or raise it."""
        await self._close_response()
        if not self._tries_again(error):
            raise self._failed(error) from self._history.cause

    async def _send(self) -> list[StreamChunk]:
        """Send the request of the next attempt; there are no chunks of its answer yet."""
        if self._delay:
            await asyncio.sleep(self._delay)
            self._delay = 0.0
        self._attempt_at = self._now()
        route = self._recovery.route
        request, continues = self._recovery.request(self._request, self._history.shown)
        self._history.resumed(continues=continues)
        gateway = route.gateway
        encoded = gateway.dialect.encode(request, route.facts)
        self._response = response = await gateway.connections.send(encoded, connect_timeout=route.timeouts.connect)
        self._generation_id = _first(response.headers, gateway.dialect.id_headers)
        self._status = response.status
        response.headers = {}  # 4 of the 26 KiB of an open stream, the key included
        _log.debug("answered with status %s after %.3f s", response.status, self._now() - self._attempt_at)
        return []

    def _take(self, data: bytes) -> list[StreamChunk] | AiError:
        """Return the chunks that a read completes; nothing read is the body's end."""
        decoder = self._decoder
        chunks = decoder.feed(data) if data else []
        if decoder.ended or not data:
            return self._end(chunks)
        if self._fold.settled:
            self._deadlines.settled(self._now())
            self._watchdog.close()
        if not chunks and self._policy.include_waiting and decoder.keep_alives > self._keep_alives:
            self._keep_alives = decoder.keep_alives
            return [WaitingChunk()]
        return chunks

    def _end(self, chunks: list[StreamChunk], cut: str | None = None) -> list[StreamChunk] | AiError:
        """Return the last chunks, `done` among them; the failure if it is all there is."""
        rest, result = self._decoder.close(cut)
        chunks += rest
        if result is not None:
            self._complete = True
            now = self._history.ended_at = self._now()
            if self._history.first_content_at is None:
                self._history.first_content_at = now
            self._recovery.succeeded()
            self._history.attempts.append(self._attempt(None, None))
            result = self._history.stamp(result, begun=True)
            self._log_done(result)
            chunks.append(DoneChunk(result))
            return chunks
        failure = self._decoder.failure or AiError()
        if not chunks:
            return failure
        self._pending = failure
        return chunks

    def _expired(self) -> list[StreamChunk] | AiError:
        """Return what a passed deadline means: a complete answer whose end mark never came, or a timeout."""
        if self._fold.settled:
            return self._end([])
        _, phase, limit = self._deadlines.nearest()
        return TimeoutError(None if limit is None else round(limit * 1000), phase=phase)

    def _tries_again(self, error: AiError) -> bool:
        """Prepare the next attempt, if there is to be one, after `error` ended the last."""
        now, fold, route, history = self._now(), self._fold, self._recovery.route, self._history
        delay = None
        if not (fold.started and fold.complete):
            left, ends = self._deadlines.until() - now, self._deadlines.ends_at - now
            delay = self._recovery.after(error, interrupted=fold.started, remaining=left, time_left=ends)
        history.attempts.append(self._attempt(error, delay, route=route))
        if delay is None:
            return False
        told = (len(history.attempts), type(error).__name__, error.status_code)
        if moved := self._recovery.route is not route:
            _log.warning("attempt %d failed with %s (%d), asking %s instead", *told, self._recovery.route.model)
        else:
            _log.warning("attempt %d failed with %s (%d), trying again in %.2f s", *told, delay)
        self._deadlines.attempt(now, moved=moved, anew=moved or fold.started)
        self._watchdog.close()
        if moved or fold.started:
            history.cause = history.cause or self._completed(error)
        if fold.started:
            history.interrupted(self.partial(), self._completed(error))
        if fold.started or fold.usage.reported:
            history.spent.append(self._spending(route))
        self._delay, self._pending, self._generation_id, self._status = delay, None, None, None
        self._renew_decoder()
        return True

    def _failed(self, error: AiError) -> AiError:
        self._history.ended_at = self._now()
        self._released = True
        self._watchdog.close()
        model = self._recovery.route.model
        _log.error("chat failed: %s (%d) model=%s", type(error).__name__, error.status_code, model)
        return self._completed(error)

    def _completed(self, error: AiError) -> AiError:
        """Return an error with everything that belongs on it, and nothing else."""
        error.attempts = tuple(self._history.attempts)
        if self._fold.anything or self._history.shown is not None:
            error.partial = self.partial()
        error.request_id = error.request_id or self._fold.generation_id or self._generation_id
        error.gateway_status = error.gateway_status or self._status
        return error.bare()

    def _attempt(self, error: AiError | None, delay: float | None, route: Route | None = None) -> Attempt:
        route, fold = route or self._recovery.route, self._fold
        return Attempt(
            model=route.model,
            error=None if error is None else type(error).__name__,
            message=None if error is None else error.message,
            status_code=None if error is None else error.status_code,
            duration=self._now() - self._attempt_at,
            delay=delay,
            gateway=route.gateway.url,
            generation_id=fold.generation_id or self._generation_id,
            usage=fold.usage if fold.started or fold.usage.reported else None,
        )

    def _spending(self, route: Route | None = None) -> Spending:
        generation_id = self._fold.generation_id or self._generation_id
        return Spending(route or self._recovery.route, generation_id, self._fold.usage)

    async def _close_response(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await close_response(response, drain=self._complete)

    def _noted(self, chunks: list[StreamChunk]) -> list[StreamChunk]:
        """Keep the clocks: content resets the idle wait, keep-alives do not."""
        if type(chunks[0]) is WaitingChunk:
            self._deadlines.no_content(self._now())
            return chunks
        if not self._deadlines.answering:
            self._watchdog.close()
            if self._history.first_content_at is None:
                self._history.first_content_at = self._now()
            chunks = self._history.announce(chunks)
        self._deadlines.content()
        return chunks

    def _renew_decoder(self) -> None:
        policy, route = self._policy, self._recovery.route
        named = route.gateway.url_name
        self._fold = fold = Fold(
            model=route.model, require_usage=policy.require_usage, redact=self._redact, url_name=named
        )
        reader = route.gateway.dialect.reader(fold)
        self._decoder = AnswerDecoder(fold, reader, max_bytes=policy.max_event_bytes, url_name=named)
        self._keep_alives = 0

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.get_running_loop()
        self._now = loop.time
        self._history.started_at = self._attempt_at = self._now()
        self._deadlines.start(self._attempt_at)
        request, model = self._request, self._recovery.route.model
        _log.info("chat started: model=%s messages=%d", model, len(request.conversation))
        _log.debug("request of %d bytes, stream=%s", len(request.body), request.stream)
        if self._policy.log_content:
            _log.content("request body: %s", request.body.decode())
        return loop

    def _log_done(self, result: ChatResult) -> None:
        usage = result.usage
        told = (result.model, result.finish_reason, usage.prompt_tokens, usage.completion_tokens, result.duration)
        _log.info("chat finished: model=%s finish_reason=%s tokens=%d+%d in %.2f s", *told)
        if self._policy.log_content:
            _log.content("answer: %s", result.content)

    def __repr__(self) -> str:
        return f"GatewayCall(model={self._recovery.route.model!r})"


def _first(headers: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((headers[name] for name in names if name in headers), None)


def _no_clock() -> float:
    return 0.0
