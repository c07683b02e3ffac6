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

from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.threads import DaemonExecutor
from raptscallions_ai.errors import AiError, CallbackError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["CallerQueue", "LoopThread", "shared_loop_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_GRACE = 2.0  # seconds that a call has to close its connection after Ctrl-C, and all of them when the process ends
# Seconds after which a wait looks whether there is something to wait for; on Windows no Ctrl-C interrupts a wait.
_TICK = 0.1 if os.name == "nt" else 1.0

_log = Log()
_starting = threading.Lock()
_shared: LoopThread | None = None
_inherited: list[LoopThread] = []  # kept, because collecting what the parent process uses would disturb it there


def shared_loop_thread() -> LoopThread:
    """Return the process's thread, starting it on first use; a forked process gets its own."""
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
        # A thread may outlive the main thread, and then the loop's own executor refuses to look up names.
        self._loop.set_default_executor(DaemonExecutor())
        self.stopped: bool = False
        self._ended = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="raptscallions-ai", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # since Python 3.12, once the main thread has ended
            self._loop.close()
            raise AiError("The interpreter is ending and starts no more threads: make the first call before") from None

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the process that this one was forked from, and so does all that runs in it."""
        return os.getpid() != self._process

    def run(self, work: Coroutine[Any, Any, T], queue: CallerQueue | None = None) -> T:
        """Run a coroutine in the loop, in the caller's context, and return what it returns.

        An exception in the waiting thread, such as the `KeyboardInterrupt` of Ctrl-C, cancels the work, so that its
        connection is closed before the exception goes on.

        Args:
            work: What to run.
            queue: Functions that the caller runs for the work while it waits.

        Raises:
            AiError: The process ends, or it was forked and the loop is the other's.
            RuntimeError: It is called in the loop itself, which would wait for itself forever.
            BaseException: Whatever the work raises.
        """
        if (refused := self._refusal()) is not None:
            work.close()
            raise refused
        call = _Call(work, self)
        try:
            self._loop.call_soon_threadsafe(call.start)
            if queue is not None:
                queue.run_until_done(call, self)
            while not call.wait(_TICK):
                self.check()
        except BaseException:
            self._loop.call_soon_threadsafe(call.cancel)
            call.wait(_GRACE)
            raise
        return call.result()

    def check(self) -> None:
        """Raise if there is nothing to wait for any more.

        Raises:
            AiError: The thread has ended.
        """
        if not self._thread.is_alive():
            raise AiError("The thread of the sync clients has ended, and with it this call")

    def stop(self) -> None:
        """Cancel what is running, close what is open and end the thread."""
        self.stopped = True
        stopping = _Call(self._stop(), self)
        self._loop.call_soon_threadsafe(stopping.start)
        if stopping.wait(_GRACE):
            self._ended = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_GRACE)

    def _refusal(self) -> Exception | None:
        if self.is_inherited:
            return AiError("This was opened before the process was forked and belongs to the other one; open a new one")
        if self.stopped:
            return AiError("This process is ending")
        if threading.current_thread() is self._thread:
            return RuntimeError("a sync client cannot be used inside its own event loop; use OpenRouterClient there")
        return None

    def _serve(self) -> None:
        """Run the loop until the process ends, whatever anybody's code in it stops or raises."""
        while not self._ended:
            try:
                self._loop.run_forever()
            except BaseException as error:
                _log.error("code in the loop of the sync clients raised %s", type(error).__name__)

    async def _stop(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


class CallerQueue:
    """Functions that are called by work in the loop, but run in the thread that waits for the work.

    That is where they may block, and where Ctrl-C reaches them: an `input()` would hold up all other calls in the loop.
    A function that is called while no thread waits runs when one does.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()

    def of(self, function: Callable[P, object]) -> Callable[P, Coroutine[Any, Any, Any]]:
        """Return what the work calls instead of a function."""

        @functools.wraps(function)
        async def forward(*args: P.args, **kwargs: P.kwargs) -> Any:
            request = _Request(functools.partial(function, *args, **kwargs))
            self._queue.put(request)
            outcome = await request.outcome
            return await outcome if inspect.isawaitable(outcome) else outcome

        forward.__name__ = getattr(function, "__name__", type(function).__name__)
        return forward

    def run_until_done(self, call: _Call[Any], thread: LoopThread) -> None:
        """Run the functions that the work calls until it has ended."""
        call.on_end = lambda: self._queue.put(None)
        while not call.ended:
            with contextlib.suppress(queue.Empty):
                if (request := self._queue.get(timeout=_TICK)) is not None:
                    request.run()
                    continue
            thread.check()


class _Request:
    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[object] = self._loop.create_future()

    def run(self) -> None:
        if self.outcome.done():  # given up meanwhile
            return
        try:
            value = self._function()
        except (KeyboardInterrupt, SystemExit):  # whose end it is, the caller's own thread decides
            raise
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._resolve, self.outcome.set_exception, _as_exception(error))
        else:
            self._loop.call_soon_threadsafe(self._resolve, self.outcome.set_result, value)

    def _resolve(self, resolve: Callable[[Any], None], value: object) -> None:
        if not self.outcome.done():
            resolve(value)


def _as_exception(error: BaseException) -> Exception:
    """Return an exception that a future can hold, and that ends nothing but the call."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = CallbackError(f"a hook raised {type(error).__name__}")
    failure.__cause__ = error
    return failure


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
            task.exception()  # or asyncio warns of one that an interrupted thread does not fetch
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
