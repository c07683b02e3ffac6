"""Code of other people, such as tools and hooks: whatever it does, it can do no more than fail."""

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
    """A `with` around code of somebody else's that awaits nothing: it lets no other exception out than it may raise.

    What is no `Exception`, and what would end a loop, comes out as a `CallbackError`; the Ctrl-C of a person goes on.

    Args:
        what: Whose code it is, for the message.
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
    """Call a function of somebody else's that must not block, and await what it returns if that can be awaited.

    Args:
        what: Whose code it is, for messages.
        hook: The function.
        *arguments: What it gets.
        within: Seconds that it may take; None for no limit.

    Raises:
        Exception: Whatever it raises.
        CallbackError: It raised what is no `Exception`.
        TimeoutError: It took longer.
    """
    with contained(what):
        outcome = hook(*arguments)
    return await in_task(what, outcome, within=within) if inspect.isawaitable(outcome) else outcome


async def in_task(what: str, work: Awaitable[T], *, within: float | None = None) -> T:
    """Await code of somebody else's in a task of its own, so that it cannot hold up who waits for it.

    When the caller is cancelled, the work is; if it has not ended two seconds later, nobody waits for it any more.

    Args:
        what: Whose code it is, for messages.
        work: What to await.
        within: Seconds that it may take; None for no limit.

    Raises:
        Exception: Whatever the work raises.
        CallbackError: It raised what is no `Exception`.
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
    """Cancel a task that runs code of somebody else's, and wait until it has ended, but not for ever."""
    task.cancel()
    await asyncio.wait([task], timeout=_GRACE if grace is None else grace)
    if not task.done():
        _log.warning("code that was cancelled goes on running: %s", what)
        _runaways.add(task)
        task.add_done_callback(_runaways.discard)


async def in_thread(what: str, work: Callable[[], T]) -> T:
    """Run code of somebody else's in a daemon thread, in the caller's context.

    When the caller is cancelled, the thread runs on, and what it returns is dropped.

    Raises:
        Exception: Whatever the work raises.
        CallbackError: It raised what is no `Exception`.
    """
    context = contextvars.copy_context()
    return _unwrap(what, await daemon_threads().run(lambda: context.run(_outcome_of_call, work)))


def text_of(error: BaseException) -> str:
    """Return the message of an exception of somebody else's; nothing if it cannot tell it."""
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
    """Whether this is a Ctrl-C, as far as can be told, and not made by the code that it came out of."""
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
