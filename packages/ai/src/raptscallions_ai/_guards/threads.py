"""Threads for code that may block forever: the process does not wait for them when it ends."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, ParamSpec, TypeVar

__all__ = ["DaemonExecutor", "DaemonThreads", "Job", "daemon_threads"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 64  # jobs that run at the same time, and as many again that were given up


class Job(Generic[T]):
    """Something to run in a thread.

    Attributes:
        outcome: What will tell how it went.
        is_given_up: Whether it is no longer waited for.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.outcome: Future[T] = Future()
        self.is_given_up = False

    def run(self) -> None:
        """Do the work, unless it was cancelled before."""
        if not self.outcome.set_running_or_notify_cancel():
            return
        try:
            result = self._work()
        except BaseException as error:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)


class DaemonThreads:
    """Runs jobs in daemon threads, so many at a time; the others wait for their turn.

    The threads of the standard library's executors would keep the process from ending, and a loop from closing, for as
    long as one of their jobs blocks.

    Args:
        most: How many jobs run at the same time. One that is given up makes room for another, though it runs on; but
            no more than `most` do so.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[Job[Any], None] = {}  # in their order
        self._running = self._given_up = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return what it returns; if the caller is cancelled, it is given up."""
        job = self.submit(work)
        try:
            return await asyncio.wrap_future(job.outcome)
        except asyncio.CancelledError:
            self.give_up(job)
            raise

    def submit(self, work: Callable[[], T]) -> Job[T]:
        """Run `work` in a thread, at once or when there is room.

        Raises:
            RuntimeError: The system has no thread left.
        """
        job = Job(work)
        with self._lock:
            if self._running >= self._most:
                self._waiting[job] = None
                return job
            self._running += 1
        self._start(job)
        return job

    def give_up(self, job: Job[Any]) -> None:
        """Wait for a job no longer: one that has not begun never will, and one that runs makes room for another."""
        job.outcome.cancel()
        with self._lock:
            self._waiting.pop(job, None)
            if job.is_given_up or not job.outcome.running() or self._given_up >= self._most:
                return
            job.is_given_up = True
            self._given_up += 1
            following = self._following()
        if following is not None:
            self._start(following)

    def _start(self, job: Job[Any]) -> None:
        thread = threading.Thread(target=self._serve, args=(job,), name="raptscallions-ai job", daemon=True)
        try:
            thread.start()
        except BaseException:
            with self._lock:
                self._running -= 1
            raise

    def _serve(self, first: Job[Any]) -> None:
        job: Job[Any] | None = first
        while job is not None:
            job.run()
            with self._lock:
                if job.is_given_up:
                    self._given_up -= 1
                    return
                job = self._following()

    def _following(self) -> Job[Any] | None:
        """Return the job that takes over a place; if there is none, the place becomes free."""
        if self._waiting:
            job = next(iter(self._waiting))
            del self._waiting[job]
            return job
        self._running -= 1
        return None

    def __repr__(self) -> str:
        return f"DaemonThreads({self._running} running, {len(self._waiting)} waiting, {self._given_up} given up)"


class DaemonExecutor(ThreadPoolExecutor):
    """The executor of an event loop that outlives the main thread, where those of the standard library end."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in one of the process's daemon threads."""
        return _threads.submit(functools.partial(fn, *args, **kwargs)).outcome

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the threads belong to the process."""


def daemon_threads() -> DaemonThreads:
    """Return the threads that the whole process shares; a forked one has its own."""
    return _threads


def _start_anew() -> None:
    global _threads
    _threads = DaemonThreads()


_threads = DaemonThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
