"""One call: attempts, deadlines, and the bytes of the answer turned into chunks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raptscallions_ai._call.deadlines import Deadlines
from raptscallions_ai._call.exchange import Exchange
from raptscallions_ai._call.history import CallHistory
from raptscallions_ai._call.settling import settled_usage
from raptscallions_ai._call.watchdog import Watchdog
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.running_loop import running_loop
from raptscallions_ai._transport.exceptions import ai_error, lost_connection, replaced_error
from raptscallions_ai.answer.chunks import DoneChunk, WaitingChunk
from raptscallions_ai.errors import TimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from raptscallions_ai._call.recovery import Recovery
    from raptscallions_ai._dialects.request import ChatRequest
    from raptscallions_ai._transport.http.errors import Replaced
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.errors import AiError

__all__ = ["CallPolicy", "GatewayCall"]

_log = Log()

_MOST_PAUSES = 8  # after these a paused answer is returned as it is: each pause costs again


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How one call is made, whomever it asks.

    Attributes:
        total: Seconds for the whole call: all attempts, waits and routes; None for no limit.
        require_usage: Whether an answer without usage is an error.
        include_waiting: Whether keep-alives are yielded as `waiting` chunks.
        resend: Whether a request is sent once more that was lost on a kept connection.
        max_event_bytes: The largest event or body.
        log_content: Whether prompts and answers may be written to the debug log.
    """

    total: float | None
    require_usage: bool
    include_waiting: bool
    resend: bool
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

    def __init__(self, request: ChatRequest, recovery: Recovery, policy: CallPolicy, secrets: Iterable[str]) -> None:
        self._request = request
        self._recovery = recovery
        self._policy = policy
        self._redact = Redactor(secrets, request.conversation)
        self._deadlines = Deadlines(recovery, policy.total)
        self._watchdog = Watchdog(self._deadlines.until)
        self._history = CallHistory()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._now: Callable[[], float] = _no_clock  # the loop's clock, once there is a loop
        self._delay = 0.0  # seconds to wait before the request of the current exchange
        self._released = self._stopped = False
        self._pauses = 0
        self._exchange = self._new_exchange()

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
        exchange = self._exchange
        return self._history.stamp(exchange.partial(), has_answer=exchange.fold.started)

    async def settle(self) -> Usage:
        """Return what the call used, asking the gateway for the cost of each attempt that did not tell it."""
        return await settled_usage([*self._history.earlier_usage, self._exchange.attempt_usage()])

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
        await self._exchange.aclose()

    def abandon(self) -> None:
        """Release the connection soon, from whatever thread the garbage collector runs in."""
        if self._released:
            return
        self._released = True
        if self._loop is not None:
            self._exchange.abandon(self._loop, before=self._watchdog.close)

    async def _next(self, *, opening: bool = False) -> list[StreamChunk]:
        """Go on until there are chunks, and let nothing out but these, an `AiError` and real cancellation.

        All waiting for the body is done here and not further down, because each coroutine between the socket and the
        caller is entered again for each read.
        """
        exchange = self._exchange
        if self._released or self._history.ended_at is not None:
            return []
        loop, deadlines = self._loop or self._start(), self._deadlines
        deadlines.began = self._now()
        try:
            while not self._stopped and not (opening and exchange.read is not None):
                if exchange.complete:
                    exchange = await self._resume()
                    continue
                if exchange.fold.failure is not None:  # perhaps behind chunks that the caller has got meanwhile
                    exchange = await self._recover(exchange.fold.failure)
                    continue
                if exchange.read is None and not exchange.route.gateway.connections.is_loaded:
                    await self._load()
                    continue
                if deadlines.ends_at <= deadlines.began:  # while the caller was busy, so that no timer could tell
                    chunks = self._expire()
                else:
                    self._watchdog.begin(loop)
                    try:
                        chunks = await self._send() if exchange.read is None else self._decode(await exchange.read())
                    except BaseException as exception:
                        chunks = self._handle_interruption(exception)
                    finally:
                        self._watchdog.end()
                if chunks and (chunks := self._track_content(chunks)):
                    return chunks
        except asyncio.CancelledError:
            self._released = True
            self._watchdog.close()
            await self._exchange.aclose()
            raise
        deadlines.no_content(self._now())
        return []

    async def _load(self) -> None:
        """Load what the current route's connections need, which counts against no deadline."""
        started = self._now()
        try:
            await self._exchange.route.gateway.connections.load()
        except Exception as exception:
            self._handle_interruption(exception)
        self._deadlines.postpone(self._now() - started)

    async def _send(self) -> list[StreamChunk]:
        """Send the request of the current exchange; there are no chunks of its answer yet."""
        if self._delay:
            await asyncio.sleep(self._delay)
            self._delay = 0.0
        sent_at = self._now()
        status = await self._exchange.send(self._next_request(), now=sent_at, on_replaced=self._note_resend)
        _log.debug("answered with status %s after %.3f s", status, self._now() - sent_at)
        return []

    def _note_resend(self, lost: Replaced) -> bool:
        """Note a request that was lost or redirected and is sent once more, which is an attempt of its own.

        Returns False for one that was lost and is not to be: the gateway may have begun to answer it, and would bill it
        twice.
        """
        if not self._policy.resend:
            return False
        now, exchange = self._now(), self._exchange
        _log.debug("the request was lost or redirected (%s), sending it again", lost.reason)
        self._history.attempts.append(exchange.attempt(replaced_error(lost), delay=0.0, now=now))
        exchange.sent_at = now
        return True

    def _next_request(self) -> ChatRequest:
        """Return what to ask the current route: the same again, or to go on with the answer that broke off."""
        route, request, recovery, history = self._exchange.route, self._request, self._recovery, self._history
        if request.model != route.model:
            request = request.for_model(route.model)
        continuing: ChatRequest | None = None
        if history.shown is not None and recovery.may_continue and not recovery.resuming:
            continuing = route.gateway.dialect.continuing(request, history.shown, known=recovery.prefill)
        elif history.shown is not None and recovery.resuming:
            request = request.followed_by(history.shown.to_message().to_dict())
        recovery.continuing = continuing is not None
        history.continues = recovery.continuing or recovery.resuming
        recovery.sent = continuing or request
        return recovery.sent

    def _decode(self, data: bytes) -> list[StreamChunk]:
        """Return the chunks that a read completes; nothing read is the body's end."""
        exchange = self._exchange
        decoder = exchange.decoder
        chunks = decoder.feed(data) if data else []
        if decoder.ended or not data:
            return self._end(chunks)
        if exchange.fold.complete:
            needs_usage = self._policy.require_usage and not exchange.fold.awaits_end
            self._deadlines.awaits_end(self._now(), needs_usage=needs_usage)
            self._watchdog.close()
        if not chunks and self._policy.include_waiting and exchange.got_keep_alive():
            return [WaitingChunk()]
        return chunks

    def _end(self, chunks: list[StreamChunk], cut: str | None = None) -> list[StreamChunk]:
        """Return the last chunks: `done` among them, unless the exchange has failed."""
        exchange, history = self._exchange, self._history
        rest, result = exchange.end(cut)
        chunks += rest
        if result is not None:
            now = self._now()
            self._recovery.succeeded()
            history.attempts.append(exchange.attempt(None, delay=None, now=now))
            if _is_paused(result) and self._pauses < _MOST_PAUSES:
                return chunks
            history.content(now)
            history.ended_at = now
            result = history.stamp(result, has_answer=True)
            self._log_done(result)
            chunks.append(DoneChunk(result))
        return chunks

    def _handle_interruption(self, exception: BaseException) -> list[StreamChunk]:
        """Return what became of a wait that was interrupted; raises real cancellation, and what ends the program."""
        if isinstance(exception, asyncio.CancelledError):
            if not self._watchdog.interrupted():
                # The transport's frames hold the request.
                raise exception.with_traceback(None) from None
            return [] if self._stopped else self._expire()
        if not isinstance(exception, Exception):
            raise exception
        exchange = self._exchange
        if exchange.read is not None and (cut := lost_connection(exception)) is not None:
            return self._end([], cut)
        route = exchange.route
        model, connect = route.model, route.timeouts.connect
        error = ai_error(exception, gateway=route.gateway, model=model, redact=self._redact, connect_timeout=connect)
        exchange.fold.fail(error)
        return []

    def _expire(self) -> list[StreamChunk]:
        """Return the end of an answer that is whole although its end mark never came; any other has failed."""
        fold = self._exchange.fold
        _, phase, limit = self._deadlines.nearest()
        if fold.awaits_end or (fold.complete and (limit is None or not self._policy.require_usage)):
            return self._end([])
        fold.fail(TimeoutError(None if limit is None else round(limit * 1000), phase=phase))
        return []

    async def _resume(self) -> Exchange:
        """Return the exchange to go on with after an answer that is complete, but has paused: it is sent back so far.

        The caller sees one answer. Each of these requests is paid for, and has the time until its first content.
        """
        exchange, history = self._exchange, self._history
        await exchange.aclose()
        self._pauses += 1
        _log.debug("the answer paused, continuing it (%d of at most %d times)", self._pauses, _MOST_PAUSES)
        history.paused(exchange.partial(), exchange.attempt_usage())
        self._redact = self._redact.hiding(
            [exchange.partial().content]
        )  # which a refusal of the next request may quote
        self._recovery.paused()
        self._deadlines.attempt(self._now(), moved=False, restarted=True)
        self._watchdog.close()
        self._exchange = self._new_exchange()
        return self._exchange

    async def _recover(self, error: AiError) -> Exchange:
        """Return the exchange to go on with after one has failed, or raise what it failed with."""
        exchange, history, now = self._exchange, self._history, self._now()
        await exchange.aclose()
        fold, delay = exchange.fold, None
        if not (fold.started and fold.complete):
            left, ends = self._deadlines.until() - now, self._deadlines.ends_at - now
            delay = self._recovery.after(error, interrupted=fold.started, remaining=left, time_left=ends)
        history.attempts.append(exchange.attempt(error, delay=delay, now=now))
        if delay is None:
            self._released = True
            self._watchdog.close()
            history.ended_at = now
        exchange.describe(error)
        history.complete(error, has_answer=fold.started)
        log_args = (type(error).__name__, error.status_code)
        if delay is None:
            _log.error("chat failed: %s (%d) model=%s", *log_args, self._recovery.route.model)
            raise error from history.cause
        self._prepare_next(error, delay)
        return self._exchange

    def _prepare_next(self, error: AiError, delay: float) -> None:
        """Make the next exchange the current one."""
        failed, route, history = self._exchange, self._recovery.route, self._history
        started, moved = failed.fold.started, route is not failed.route
        log_args = (len(history.attempts), type(error).__name__, error.status_code)
        if moved:
            _log.warning("attempt %d failed with %s (%d), asking %s instead", *log_args, route.model)
        else:
            _log.warning("attempt %d failed with %s (%d), trying again in %.2f s", *log_args, delay)
        self._deadlines.attempt(self._now(), moved=moved, restarted=moved or started)
        self._watchdog.close()
        history.failed(error, started=started, moved=moved)
        if started or failed.fold.usage.reported:
            history.earlier_usage.append(failed.attempt_usage())
        self._delay = delay
        self._exchange = self._new_exchange()

    def _track_content(self, chunks: list[StreamChunk]) -> list[StreamChunk]:
        """Keep the clocks: content resets the idle wait, keep-alives do not."""
        if type(chunks[0]) is WaitingChunk:
            self._deadlines.no_content(self._now())
            return chunks
        if not self._deadlines.answering:
            self._watchdog.close()
            self._history.content(self._now())
            chunks = self._history.announce(chunks)
        self._deadlines.content()
        return chunks

    def _new_exchange(self) -> Exchange:
        policy = self._policy
        limit, usage = policy.max_event_bytes, policy.require_usage
        return Exchange(self._recovery.route, self._redact, require_usage=usage, max_event_bytes=limit, now=self._now())

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = running_loop()
        self._now = loop.time
        self._history.started_at = self._exchange.sent_at = self._now()
        self._deadlines.start(self._history.started_at)
        request, model = self._request, self._recovery.route.model
        _log.info("chat started: model=%s messages=%d", model, len(request.conversation))
        _log.debug("request of %d bytes, stream=%s", len(request.body), request.stream)
        if self._policy.log_content:
            _log.content("request body: %s", request.body.decode())
        return loop

    def _log_done(self, result: ChatResult) -> None:
        usage = result.usage
        log_args = (result.model, result.finish_reason, usage.prompt_tokens, usage.completion_tokens, result.duration)
        _log.info("chat finished: model=%s finish_reason=%s tokens=%d+%d in %.2f s", *log_args)
        if self._policy.log_content:
            _log.content("answer: %s", result.content)

    def __repr__(self) -> str:
        return f"GatewayCall(model={self._recovery.route.model!r})"


def _is_paused(result: ChatResult) -> bool:
    """Whether an answer is unfinished, and goes on when it is sent back exactly as it came."""
    return result.finish_reason == "pause" and result.native is not None


def _no_clock() -> float:
    return 0.0
