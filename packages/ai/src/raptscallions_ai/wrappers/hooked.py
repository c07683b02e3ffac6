"""`HookedClient`: your own functions around every call."""

from __future__ import annotations

import builtins
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from raptscallions_ai._guards.callbacks import call_hook, contained
from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import AiError, CallbackError
from raptscallions_ai.tools.tool import checked_timeout
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.call import ChatCall
from raptscallions_ai.wrappers.source import AroundSource, TotalClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient

__all__ = ["BeforeCall", "HookedClient"]

BeforeCall: TypeAlias = Callable[[ChatCall], "ChatCall | Awaitable[ChatCall | None] | None"]
"""Gets a call before it is made, and returns it changed (`dataclasses.replace`), or None to leave it as it is."""

_log = Log()


class HookedClient(WrappedClient):
    """A chat client that calls your functions before, during and after every call.

    After each call exactly one of `after_call`, `on_error` and `on_left` is called. What `before_call`, `on_chunk` and
    `after_call` raise ends the call and reaches the caller; what the other two raise is only logged.

    Args:
        inner: The client to wrap.
        before_call: Called when the call is about to be sent; a function, or a coroutine function. It may change the
            call or refuse it by raising.
        on_chunk: Called with every chunk before the caller gets it; must not wait.
        after_call: Called with the result of a complete answer; must not wait.
        on_error: Called with the error of a failed call; must not wait.
        on_left: Called with what had arrived, if the caller left before the end or was cancelled; must not wait, and
            may be called from any thread.
        hook_timeout: Seconds that `before_call` may take; None for no limit but the call's `Timeouts.total`,
            toward which its time counts.

    Raises:
        ValueError: `hook_timeout` is not positive.
    """

    def __init__(
        self,
        inner: ChatClient,
        *,
        before_call: BeforeCall | None = None,
        on_chunk: Callable[[ChatCall, StreamChunk], None] | None = None,
        after_call: Callable[[ChatCall, ChatResult], None] | None = None,
        on_error: Callable[[ChatCall, AiError], None] | None = None,
        on_left: Callable[[ChatCall, ChatResult], None] | None = None,
        hook_timeout: float | None = 60.0,
    ) -> None:
        super().__init__(inner)
        self.hook_timeout = checked_timeout(hook_timeout, "hook_timeout")
        self.before_call = before_call
        self.on_chunk = on_chunk
        self.after_call = after_call
        self.on_error = on_error
        self.on_left = on_left

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        if self.before_call is None:
            return _HookedCall(self, call, self.ask(call))
        call.request()  # reports mistakes at once
        return _HookedCall(self, call.snapshot())


class _HookedCall(AroundSource):
    def __init__(self, client: HookedClient, call: ChatCall, inner: ChunkSource | None = None) -> None:
        super().__init__(inner)
        self._client, self._call = client, call

    async def begin(self) -> ChunkSource | None:
        if (before := self._client.before_call) is None:
            return None
        clock = TotalClock(self._client.total_of(self._call))
        clock.start()
        within = min(self._client.hook_timeout or math.inf, clock.left_or(math.inf))
        try:
            changed = await call_hook("before_call", before, self._call, within=None if within == math.inf else within)
        except builtins.TimeoutError:
            clock.left()  # which raises, if it was the call's time that was up
            raise CallbackError(f"before_call took longer than {self._client.hook_timeout:g} seconds") from None
        self._call = changed or self._call
        return self._client.ask_within(self._call, clock.left())

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        if (on_chunk := self._client.on_chunk) is not None:
            for chunk in chunks:
                with contained("on_chunk"):
                    on_chunk(self._call, chunk)
        if chunks[-1].type == "done" and (after := self._client.after_call) is not None:
            with contained("after_call"):
                after(self._call, chunks[-1].result)
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        if result is not None:
            return
        try:
            with contained("a hook"):
                if isinstance(error, AiError):
                    if self._client.on_error is not None:
                        self._client.on_error(self._call, error)
                elif self._client.on_left is not None:
                    self._client.on_left(self._call, self.partial())
        except Exception as failure:
            # Its message may quote the conversation.
            _log.error("a hook of a call failed: %s", type(failure).__name__)
