"""`SyncToolRun`: a model that calls tools until it has its answer, for those who are not asynchronous."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar, cast

from raptscallions_ai.sync.stream import SyncIterator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.run_events import ToolRunEvent, ToolRunResult
    from raptscallions_ai.messages.message import ChatMessage
    from raptscallions_ai.sync.loop_thread import CallerQueue, LoopThread
    from raptscallions_ai.tool_runs.run import ToolRun

__all__ = ["SyncToolRun", "in_callers_thread"]

F = TypeVar("F")


class SyncToolRun:
    """A model that calls tools until it has its answer: an iterator of events, and a context manager.

    It is `ToolRun` for sync code. Hooks and stop conditions that are not async run in the thread that reads the run, so
    that they can ask a person; tools that are not async run in threads of their own.

    Args:
        run: The asynchronous run.
        thread: The thread that it runs in.
        queue: The hooks and conditions that it calls.
    """

    def __init__(self, run: ToolRun, thread: LoopThread, queue: CallerQueue) -> None:
        self._run = run
        self._thread = thread
        self._queue = queue

    @property
    def messages(self) -> list[ChatMessage | Mapping[str, object]]:
        """The conversation so far, to go on with: every tool call in it has its result; see `ToolRun.messages`."""
        return self._thread.run(_messages(self._run))

    @property
    def steps(self) -> tuple[ChatResult, ...]:
        """The complete answers so far, each with its own usage."""
        return self._run.steps

    @property
    def usage(self) -> Usage:
        """Tokens and cost of all steps so far, the current one included as far as the gateway reported it."""
        return self._thread.run(_usage(self._run))

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of all answers only, as an iterator of `str`; see `ChatStream.text_stream`."""
        return SyncIterator(self._run.text_stream, self._thread, self._queue)

    def result(self) -> ToolRunResult:
        """Run to the end and return the last answer, with the usage of all steps; see `ToolRun.result`."""
        return self._thread.run(self._run.result(), self._queue)

    def close(self) -> None:
        """Stop: close the connection and cancel the tools that are running. Safe to call at any time, and again."""
        if not self._thread.is_inherited:
            self._thread.run(self._run.aclose())

    def __enter__(self) -> Self:
        self._thread.run(self._run.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> SyncIterator[ToolRunEvent]:
        return SyncIterator(aiter(self._run), self._thread, self._queue)

    def __next__(self) -> ToolRunEvent:
        return next(SyncIterator(self._run, self._thread, self._queue))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a run cannot be pickled or copied: it holds a connection and the conversation")

    def __repr__(self) -> str:
        return f"Sync{self._run!r}"


def in_callers_thread(hook: F, queue: CallerQueue) -> F:
    """Return a hook that runs in the thread that waits for the run; one that is async, or no function, as it is."""
    given: object = hook
    if callable(given) and not inspect.iscoroutinefunction(given):
        return cast("F", queue.of(given))
    return hook


async def _messages(run: ToolRun) -> list[ChatMessage | Mapping[str, object]]:
    return run.messages


async def _usage(run: ToolRun) -> Usage:
    return run.usage
