"""Other people's code, such as tools and hooks: whatever it does, only the call fails."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import signal
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from raptscallions_ai._guards.log import Log
from raptscallions_ai._guards.threads import daemon_threads
from raptscallions_ai.errors import CallbackError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

__all__ = ["call_hook", "cancel_and_wait", "contained", "in_task", "in_thread", "text_of"]

T = TypeVar("T")

_GRACE = 2.0  # seconds that cancelled code has to clean up
_log = Log()
_runaways: set[asyncio.Task[Any]] = set()  # held, because a loop does not hold its tasks


class contained:
    """A `with` around someone else's code that awaits nothing; only exceptions that it may raise get out.

    Anything that is not an `Exception`, or that would end a loop, becomes a `CallbackError`; a real Ctrl-C gets
    through.

    Args:
        what: What the code is, for the message.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or _can_propagate(error) or _was_pressed(error):
            return
        raise _as_failure(self._what, error) from error


async def call_hook(what: str, hook: Callable[..., Any], *arguments: object, within: float | None = None) -> Any:
    """Call someone else's function, which must not block, and await what it returns if that can be awaited.

    Args:
        what: What the code is, for messages.
        hook: The function.
        *arguments: What it gets.
        within: Seconds that it may take; None for no limit.

    Raises:
        Exception: Whatever it raises.
        CallbackError: It raised something that is not an `Exception`.
        TimeoutError: It took longer.
    """
    with contained(what):
        outcome = hook(*arguments)
    return await in_task(what, outcome, within=within) if inspect.isawaitable(outcome) else outcome


async def in_task(what: str, work: Awaitable[T], *, within: float | None = None) -> T:
    """Await someone else's code in its own task, so that it cannot hold up the caller.

    When the caller is cancelled, the work is; if it has not ended two seconds later, it is no longer waited for.

    Args:
        what: What the code is, for messages.
        work: What to await.
        within: Seconds that it may take; None for no limit.

    Raises:
        Exception: Whatever the work raises.
        CallbackError: It raised something that is not an `Exception`.
        TimeoutError: It took longer. It has been cancelled, and is not waited for.
    """
    task = asyncio.create_task(_outcome_of(work))
    try:
        await asyncio.wait([task], timeout=within)
    except BaseException:
        await cancel_and_wait(what, task)
        raise
    if not task.done():
        await cancel_and_wait(what, task, grace=0.0)
        raise TimeoutError
    return _unwrap(what, _Outcome(None, asyncio.CancelledError()) if task.cancelled() else task.result())


async def cancel_and_wait(what: str, task: asyncio.Task[Any], *, grace: float | None = None) -> None:
    """Cancel a task that runs someone else's code, and wait a short while for its end."""
    task.cancel()
    await asyncio.wait([task], timeout=_GRACE if grace is None else grace)
    if not task.done():
        _log.warning("cancelled code is still running: %s", what)
        _runaways.add(task)
        task.add_done_callback(_runaways.discard)


async def in_thread(what: str, work: Callable[[], T]) -> T:
    """Run someone else's code in a daemon thread, in the caller's context.

    When the caller is cancelled, the thread runs on, and what it returns is dropped.

    Raises:
        Exception: Whatever the work raises.
        CallbackError: It raised something that is not an `Exception`.
    """
    context = contextvars.copy_context()
    return _unwrap(what, await daemon_threads().run(lambda: context.run(_outcome_of_call, work)))


def text_of(error: BaseException) -> str:
    """Return the message of an exception from someone else's code; empty if that fails."""
    outcome = _outcome_of_call(lambda: str(error))
    return outcome.value if isinstance(outcome.value, str) else ""


class _Outcome(NamedTuple):
    value: Any
    error: BaseException | None


def _outcome_of_call(work: Callable[[], object]) -> _Outcome:
    try:
        return _Outcome(work(), None)
    except BaseException as error:
        if _was_pressed(error):
            raise
        return _Outcome(None, error)


async def _outcome_of(work: Awaitable[object]) -> _Outcome:
    try:
        return _Outcome(await work, None)
    except BaseException as error:
        if _was_pressed(error):
            raise
        return _Outcome(None, error)


def _unwrap(what: str, outcome: _Outcome) -> Any:
    if outcome.error is None:
        return outcome.value
    if _can_propagate(outcome.error):
        raise outcome.error
    raise _as_failure(what, outcome.error) from outcome.error


def _as_failure(what: str, error: BaseException) -> CallbackError:
    return CallbackError(f"{what} raised {type(error).__name__}")


def _can_propagate(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration)


def _was_pressed(error: BaseException) -> bool:
    """Whether this is a real Ctrl-C, as far as one can see, and was not raised by the code itself."""
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False  # signals are handled in the main thread only
    handler: Any = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True  # it leaves no trace; better to end too easily than to ignore a person
    while isinstance(handler, functools.partial):  # as that of `asyncio.run`
        handler = handler.func
    code = getattr(handler, "__code__", None)
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            return True
        traceback = traceback.tb_next
    return False
