"""Blocking work in threads of our own, which start until the very end of the interpreter.

The loop's default executor is closed as soon as the main thread ends, while calls of other threads may still go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, called in a new thread; a cancelled caller does not wait for it.

    Where the interpreter starts no threads any more, it is called here and blocks the loop.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            in_loop(lambda raised=error: done.set_exception(raised))
        else:
            in_loop(lambda: done.set_result(result))

    def in_loop(finish: Callable[[], None]) -> None:
        def finish_once() -> None:
            if not done.done():  # the caller may have been cancelled
                finish()

        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(finish_once)

    try:
        threading.Thread(target=run, name="raptscallions-ai-work", daemon=True).start()
    except RuntimeError:
        return work()
    return await done
