"""`ToolRun`: a model that calls tools until it has its answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from functools import reduce
from operator import add
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeAlias

from raptscallions_ai._guards.callbacks import call_hook
from raptscallions_ai.answer.chunks import DoneChunk
from raptscallions_ai.answer.result import ChatResult, Usage
from raptscallions_ai.answer.run_events import StepFinished, ToolRunDone, ToolRunResult
from raptscallions_ai.answer.stream import StreamIterator, TextStream, VisibleText
from raptscallions_ai.errors import AiError, StreamInterruptedError
from raptscallions_ai.messages.message import user
from raptscallions_ai.tool_runs.execution import ToolExecution, ToolPolicy, tools_by_name, with_ids

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from raptscallions_ai.answer.run_events import ToolRunEvent
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.messages.message import ChatMessage, Messages
    from raptscallions_ai.options.call_options import CallOptions
    from raptscallions_ai.tool_runs.execution import Approve

__all__ = ["StopCondition", "ToolRun", "start_run"]

StopCondition: TypeAlias = "Callable[[ToolRun], bool | str | Awaitable[bool | str]]"
"""Looks at a run after a step whose tools have run: whether to stop, or the reason to stop; may be async."""


def start_run(
    stream_chat: Callable[..., ChatStream],
    messages: Messages,
    *,
    model: str | None,
    max_steps: int,
    stop_when: StopCondition | Sequence[StopCondition],
    approve: Approve | None,
    tool_timeout: float | None,
    options: CallOptions,
) -> ToolRun:
    """Check what `run_tools` was given, and return the run; see `BaseChatClient.run_tools`."""
    if type(max_steps) is not int or max_steps < 1:
        raise ValueError("max_steps must be a whole number, at least 1")
    given: object = stop_when
    conditions = [stop_when] if callable(stop_when) else [*stop_when] if isinstance(given, Sequence) else None
    if conditions is None or not all(map(callable, conditions)):
        raise TypeError("stop_when must be a function of the run, such as max_cost(0.5), or a list of them")
    policy = ToolPolicy(
        tools_by_name(options.get("tools")),
        approve=approve,
        timeout=tool_timeout,
        parallel=options.get("parallel_tool_calls") is not False,
    )
    later: CallOptions = {**options}
    if options.get("tool_choice") not in ("auto", "none"):
        later.pop("tool_choice", None)  # a call that is forced each time would never let the model answer

    def ask(messages: Messages, step: int) -> ChatStream:
        return stream_chat(messages, model=model, **(options if step == 1 else later))

    return ToolRun(ask, messages, policy, max_steps=max_steps, stop_when=conditions)


class ToolRun:
    """A model that calls tools until it has its answer: an async iterator of events, and an async context manager.

    The first request is sent when iteration, `async with` or `result()` begins. Leaving an `async for` early, by
    `break`, an exception or cancellation, closes the connection upstream and cancels the tools that are running.
    `client.run_tools` makes it.

    Args:
        ask: Asks the model; takes the conversation and the number of the step, from 1.
        messages: The conversation to begin with.
        policy: How tools are called.
        max_steps: The most answers to ask for.
        stop_when: Further conditions to stop.
    """

    def __init__(
        self,
        ask: Callable[[Messages, int], ChatStream],
        messages: Messages,
        policy: ToolPolicy,
        *,
        max_steps: int,
        stop_when: Sequence[StopCondition],
    ) -> None:
        self._ended = True  # until there is something to end
        self._execution: ToolExecution | None = None
        self._ask = ask
        self._stream = ask(messages, 1)
        self._answering = True
        self._conversation = [user(messages)] if isinstance(messages, str) else list(messages)
        self._policy = policy
        self._max_steps = max_steps
        self._stop_when = stop_when
        self._steps: list[ChatResult] = []
        self._ready: deque[ToolRunEvent] = deque()
        self._result: ToolRunResult | None = None
        self._error: Exception | None = None
        self._began: float | None = None
        self._reading = False
        self._stopped = False
        self._ended = False

    @property
    def messages(self) -> list[ChatMessage | Mapping[str, object]]:
        """The conversation so far, to continue with: every tool call in it has a result.

        It has complete answers only. If a result is missing, it says that the call was not
        run or not finished, so a run that failed or was left can be resumed with these messages.
        """
        return [*self._conversation, *(self._execution.messages if self._execution else ())]

    @property
    def steps(self) -> tuple[ChatResult, ...]:
        """The complete answers so far, each with its own usage."""
        return tuple(self._steps)

    @property
    def usage(self) -> Usage:
        """Tokens and cost of all steps so far, the current one included as far as the gateway reported it."""
        usages = [step.usage for step in self._steps]
        if self._answering and _has_content(now := self._stream.partial):
            usages.append(now.usage)
        return reduce(add, usages) if usages else Usage()

    @property
    def being_read(self) -> bool:
        """Whether a task is waiting for the next event right now."""
        return self._reading

    @property
    def text_stream(self) -> TextStream:
        """The text of all answers only, as an async iterator of `str`; see `ChatStream.text_stream`."""
        return TextStream(self, _VisibleText())

    async def result(self) -> ToolRunResult:
        """Run to the end and return the last answer, with the usage of all steps.

        Raises:
            AiError: The gateway failed; `partial` has what had arrived of the step, the run keeps those before it.
            StreamInterruptedError: The run was closed before it was complete.
            Exception: What the `approve` hook or a stop condition raised.
        """
        async for _ in self:
            pass
        if self._result is None:
            raise self._left_early()
        return self._result

    async def aclose(self) -> None:
        """Stop: close the connection and cancel the tools that are running. Safe to call at any time, and again."""
        self._ended = self._stopped = True
        self._ready.clear()
        await self._release()

    def abandon(self) -> None:
        """Stop without waiting; use `aclose` where you can await."""
        self._ended = True
        self._stream.abandon()
        if self._execution is not None:
            self._execution.abandon()

    async def __aenter__(self) -> Self:
        self._began = monotonic()
        try:
            await self._stream.__aenter__()
        except AiError as error:
            self._error, self._ended = error, True
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> StreamIterator[ToolRunEvent]:
        if self._error is not None:
            raise self._error
        if self._reading:
            raise AiError("This run is already being read by another task")
        if self._ended and self._result is None:
            raise self._left_early()
        return StreamIterator(self)

    def __anext__(self) -> Coroutine[object, object, ToolRunEvent]:
        return self.next_for(None)

    async def next_for(self, reader: object) -> ToolRunEvent:
        """Return the next event; `reader`, whose end would close the run, lives until it is there."""
        if self._reading:
            raise AiError("This run is already being read by another task")
        if self._ended:
            self._end()
        self._reading = True
        self._began = self._began or monotonic()
        try:
            event = await self._next()
        except StopAsyncIteration:
            self._ended = True
            self._end()
        except BaseException as error:
            self._ended = True
            if isinstance(error, Exception):
                self._error = error
            await self._release()
            raise
        finally:
            self._reading = False
        if isinstance(event, ToolRunDone):
            self._result, self._ended = event.result, True
        return event

    async def _next(self) -> ToolRunEvent:
        while not self._ready:
            if self._execution is not None:
                if (event := await self._execution.next()) is not None:
                    return event
                if self._stopped:
                    raise StopAsyncIteration
                await self._next_step(self._execution)
            else:
                chunk = await self._stream.__anext__()
                if not isinstance(chunk, DoneChunk):
                    return chunk
                self._accept(chunk.result)
        return self._ready.popleft()

    def _accept(self, answer: ChatResult) -> None:
        """Take a complete answer: call its tools, or end with it."""
        answer = with_ids(answer, len(self._conversation))
        self._answering = False
        self._steps.append(answer)
        if answer.tool_calls:
            self._execution = ToolExecution(answer, self._policy)
        else:
            self._conversation.append(answer.to_message())
            self._ready += [StepFinished(len(self._steps), answer), self._done(stopped_by=None)]

    async def _next_step(self, execution: ToolExecution) -> None:
        """Take the results of an answer's tools: ask the model again, or stop."""
        self._conversation += execution.messages
        self._execution = None
        self._ready.append(StepFinished(len(self._steps), self._steps[-1]))
        if reason := "unfinished_call" if execution.broke_off else await self._reason_to_stop():
            self._ready.append(self._done(stopped_by=reason))
        else:
            self._stream = self._ask(list(self._conversation), len(self._steps) + 1)
            self._answering = True

    async def _reason_to_stop(self) -> str | None:
        for condition in self._stop_when:
            name: str = getattr(condition, "__name__", type(condition).__name__)
            verdict = await call_hook(f"the stop condition {name}", condition, self)
            if verdict:
                return verdict if isinstance(verdict, str) else name
        return "max_steps" if len(self._steps) >= self._max_steps else None

    def _done(self, *, stopped_by: str | None) -> ToolRunDone:
        first, last = self._steps[0], self._steps[-1]
        whole: dict[str, Any] = {each.name: getattr(last, each.name) for each in fields(ChatResult)}
        whole |= {
            "usage": self.usage,
            "attempts": tuple(attempt for step in self._steps for attempt in step.attempts),
            "time_to_first_chunk": first.time_to_first_chunk,
            "duration": None if self._began is None else monotonic() - self._began,
        }
        messages = tuple(self._conversation)
        return ToolRunDone(ToolRunResult(**whole, stopped_by=stopped_by, steps=self.steps, messages=messages))

    def _end(self) -> NoReturn:
        """End an iteration; one that was not ended on purpose must not look like a run's end."""
        if self._result is None and self._error is None and not self._stopped:
            raise self._left_early()
        raise StopAsyncIteration

    def _left_early(self) -> StreamInterruptedError:
        partial = self._stream.partial if self._answering else None
        return StreamInterruptedError("the run was closed before it was complete", partial=partial)

    async def _release(self) -> None:
        if self._execution is not None:
            await self._execution.aclose()
        await self._stream.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a run cannot be pickled or copied: it holds a connection and the conversation")

    def __del__(self) -> None:
        if not self._ended:
            self.abandon()

    def __repr__(self) -> str:
        state = "failed" if self._error else "complete" if self._result else "closed" if self._ended else "open"
        return f"ToolRun({state}, {len(self._steps)} steps)"


def _has_content(answer: ChatResult) -> bool:
    return bool(answer.id or answer.content or answer.reasoning or answer.tool_calls or answer.usage.reported)


class _VisibleText(VisibleText):
    """The text of all answers of a run; a finished one can no longer start again."""

    def of(self, chunk: object) -> str | None:
        if isinstance(chunk, StepFinished):
            self._shown = False
        return super().of(chunk)
