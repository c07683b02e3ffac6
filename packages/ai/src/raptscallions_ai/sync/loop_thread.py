"""The thread in which the asynchronous implementation runs for those who are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import inspect
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Errands", "LoopThread", "shared_loop_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_GRACE = 2.0  # seconds that a call has to close its connection after Ctrl-C, and all of them when the process ends
_FOR_EVER = -1
_TICK = 0.1 if os.name == "nt" else _FOR_EVER  # Windows does not let Ctrl-C interrupt a wait without a limit

_starting = threading.Lock()
_shared: LoopThread | None = None
_inherited: list[LoopThread] = []  # kept, because collecting what the parent process uses would disturb it there


def shared_loop_thread() -> LoopThread:
    """Return the process's thread, starting it on first use; a process that was forked gets one of its own."""
    global _shared
    if (thread := _shared) is None:
        with _starting:
            thread = _shared = _shared or LoopThread()
    return thread


class LoopThread:
    """A daemon thread with an event loop, to which any other thread can hand work and wait for it.

    Attributes:
        stopped: Whether it takes no more work, because the process ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.stopped: bool = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="raptscallions-ai", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], errands: Errands | None = None) -> T:
        """Run a coroutine in the loop, in the caller's context, and return what it returns.

        An exception in the waiting thread, such as the `KeyboardInterrupt` of Ctrl-C, cancels the work, so that its
        connection is closed before the exception goes on.

        Args:
            work: What to run.
            errands: What the caller does for the work while it waits.

        Raises:
            RuntimeError: It is called in the loop itself, which would wait for itself for ever.
            BaseException: Whatever the work raises.
        """
        if self.stopped or threading.current_thread() is self._thread:
            work.close()
            if self.stopped:
                raise AiError("This process is ending")
            raise RuntimeError("a sync client cannot be used inside its own event loop; use OpenRouterClient there")
        call = _Call(work, self)
        try:
            self._loop.call_soon_threadsafe(call.start)
            if errands is not None:
                errands.run_until_done(call)
            while not call.wait(_TICK):
                pass
        except BaseException:
            self._loop.call_soon_threadsafe(call.cancel)
            call.wait(_GRACE)
            raise
        return call.result()

    def stop(self) -> None:
        """Cancel what is running, close what is open and end the thread."""
        self.stopped = True
        stopping = _Call(self._stop(), self)
        self._loop.call_soon_threadsafe(stopping.start)
        if stopping.wait(_GRACE):
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_GRACE)

    async def _stop(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


class Errands:
    """Functions that are called by work in the loop, but run in the thread that waits for the work.

    That is where they may block, and where Ctrl-C reaches them: an `input()` would hold up all other calls in the loop.
    A function that is called while nobody waits is run when somebody does.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()

    def of(self, function: Callable[P, object]) -> Callable[P, Coroutine[Any, Any, Any]]:
        """Return what the work calls instead of a function."""

        @functools.wraps(function)
        async def ask(*args: P.args, **kwargs: P.kwargs) -> Any:
            errand = _Errand(functools.partial(function, *args, **kwargs))
            self._queue.put(errand)
            outcome = await errand.outcome
            return await outcome if inspect.isawaitable(outcome) else outcome

        ask.__name__ = getattr(function, "__name__", type(function).__name__)
        return ask

    def run_until_done(self, call: _Call[Any]) -> None:
        """Run what is asked for until the work has ended."""
        call.on_end = lambda: self._queue.put(None)
        while not call.ended:
            with contextlib.suppress(queue.Empty):
                if (errand := self._queue.get(timeout=None if _TICK == _FOR_EVER else _TICK)) is not None:
                    errand.run()


class _Errand:
    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[object] = self._loop.create_future()

    def run(self) -> None:
        if self.outcome.done():  # given up meanwhile
            return
        try:
            value = self._function()
        except Exception as error:
            self._loop.call_soon_threadsafe(self._settle, self.outcome.set_exception, error)
        else:
            self._loop.call_soon_threadsafe(self._settle, self.outcome.set_result, value)

    def _settle(self, settle: Callable[[Any], None], value: object) -> None:
        if not self.outcome.done():
            settle(value)


class _Call(Generic[T]):
    """A coroutine that a thread waits for.

    Attributes:
        on_end: Is called when it has ended.
    """

    def __init__(self, work: Coroutine[Any, Any, T], thread: LoopThread) -> None:
        self.on_end: Callable[[], None] | None = None
        self._work = work
        self._thread = thread
        self._task: asyncio.Task[T] | None = None
        self._running = threading.Lock()
        self._running.acquire()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work)
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self._task is None:
            self.start()
        if self._task is not None:
            # Once it has begun: what is cancelled before that has no chance to close what it is about.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._task is not None and self._task.done()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; return whether it has."""
        return self.ended or self._running.acquire(timeout=seconds)

    def result(self) -> T:
        if self._task is None or self._task.cancelled():
            raise AiError("The call was cancelled")
        return self._task.result()

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # so that nobody warns of one that an interrupted thread does not ask for
        elif self._thread.stopped:
            return  # only daemon threads are left to wait, and the process ends them without a word
        self._running.release()
        if self.on_end is not None:
            self.on_end()


def _stop_at_exit() -> None:
    if _shared is not None:
        _shared.stop()


def _leave_to_the_parent() -> None:
    global _starting, _shared
    if _shared is not None:
        _inherited.append(_shared)
    _starting, _shared = threading.Lock(), None


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
