"""Ctrl-C and SIGTERM: the first lets what is open end, the second cuts."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Generator

__all__ = ["draining_first"]


@contextlib.contextmanager
def draining_first(drain: Callable[[], None], cut: Callable[[], None]) -> Generator[None]:
    """Call `drain` for the first signal, and `cut` for each further one, while the block lasts.

    Elsewhere than in the main thread, and on Windows, signals do what they always do.
    """
    loop, count = asyncio.get_running_loop(), 0

    def interrupted() -> None:
        nonlocal count
        count += 1
        if count > 1:
            cut()
            return
        sys.stderr.write("\nEnding: what is open may finish. Ctrl-C again ends at once, and leaves it in doubt.\n")
        drain()

    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.getsignal(one) for one in signals}
    for one in signals:
        loop.add_signal_handler(one, interrupted)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
            signal.signal(one, before[one])
