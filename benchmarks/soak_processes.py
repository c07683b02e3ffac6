"""Processes that stream, fork, cancel and are killed, against a gateway that is killed, too; and what is left of them.

    python3 dev.py run python benchmarks/soak_processes.py [--seconds 1200] [--workers 8]

Each worker is a process that reads streams, sync from several threads and async with cancellations, forks in the middle
of them, and takes every answer apart: it is whole, or it is an error. Workers are killed at random, others are stopped
with SIGTERM or may end by themselves; now and then the gateway is killed under them, and another starts. Found are:
an answer that is short and looks whole, a worker that does not end in time, and whatever is open at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

from raptscallions_ai import AiError, OpenRouterClient, SyncOpenRouterClient
from raptscallions_ai.sync import SyncChatStream
from raptscallions_ai.testing import Cut, FakeGateway, Hang, Pause, Reply, Reset, chunk, sse
from raptscallions_ai.testing.recording import RecordedRequest
from raptscallions_ai.testing.wire import usage

ANSWER = [f"{number} " for number in range(20)]
WHOLE = "".join(ANSWER)
ROUND = 1.5  # seconds that a worker works
PATIENCE = 20.0  # seconds that a worker may take to end after that; a machine under load is slow
KEY = "soak-key"


def reply(_: RecordedRequest) -> Reply:
    """Return an answer that is whole, slow, cut, broken off or silent, by chance."""
    pieces = [sse(chunk(text)) for text in ANSWER]
    end = [sse(chunk("", finish_reason="stop")), sse({"choices": [], "usage": usage()}), b"data: [DONE]\n\n"]
    slow = [step for piece in pieces for step in (piece, Pause(0.01))]
    kinds = [[*pieces, *end], [*slow, *end], [*slow[:9], Cut()], [*slow[:15], Reset()], [*slow[:5], Hang()]]
    return Reply(tuple(random.choices(kinds, [5, 5, 2, 2, 1])[0]))


def serve() -> None:
    """Be the gateway, until killed; the first line that is written is its address."""
    with FakeGateway() as gateway:
        gateway.add(reply, times=None)
        print(gateway.base_url, flush=True)
        while (command := sys.stdin.readline()) == "open\n":
            print(gateway.open_responses, flush=True)
        assert not command


class Short(Exception):
    """An answer looked whole and was not."""


def checked(text: str) -> None:
    """Raise unless a text is the whole answer."""
    if text != WHOLE:
        raise Short(repr(text[-40:]))


def read_sync(client: SyncOpenRouterClient, until: float) -> None:
    """Read streams, leave some early, and fork in the middle of others."""
    while time.monotonic() < until:
        what = random.random()
        try:
            with client.stream_chat("Hi") as stream:
                if what < 0.2:
                    next(stream)
                elif what < 0.3 and threading.current_thread() is threading.main_thread():
                    first = next(stream)
                    fork(client, stream, first.content if first.type == "content" else "")
                else:
                    checked("".join(stream.text_stream))
        except AiError:
            continue


def fork(client: SyncOpenRouterClient, stream: SyncChatStream, read: str) -> None:
    """Fork: in the child the stream is whole or says that it is not the child's, and a call of its own works."""
    if (child := os.fork()) == 0:
        code = 1
        faulthandler.dump_traceback_later(PATIENCE / 2, exit=True)
        try:
            with contextlib.suppress(AiError):
                checked(read + "".join(stream.text_stream))  # all of it had arrived before
            with contextlib.suppress(AiError):
                checked(client.chat("Hi").content)
            code = 0
        except Short as short:
            print(f"in a child: {short!r}", file=sys.stderr)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise Short("in a child")


async def read_async(client: OpenRouterClient, until: float) -> None:
    """Read streams, and cancel some of them."""
    while time.monotonic() < until:
        try:
            async with asyncio.timeout(random.choice([None, 0.001, 0.05, 0.1])):
                checked((await client.stream_chat("Hi").result()).content)
        except (AiError, TimeoutError):
            continue


def work(url: str) -> None:
    """Be a worker."""
    faulthandler.enable()
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads, which are meant
    until, failures = time.monotonic() + ROUND, list[str]()
    threading.excepthook = lambda args: failures.append(repr(args.exc_value))

    async def several() -> None:
        async with OpenRouterClient(KEY, url, "m", max_retries=1, timeout=1.0) as client:
            await asyncio.gather(*(read_async(client, until) for _ in range(4)))

    with SyncOpenRouterClient(KEY, url, "m", max_retries=1, timeout=1.0) as client:
        threads = [threading.Thread(target=read_sync, args=(client, until)) for _ in range(2)]
        threads.append(threading.Thread(target=lambda: asyncio.run(several())))
        for thread in threads:
            thread.start()
        read_sync(client, until)
        for thread in threads:
            thread.join()
    if failures:
        sys.exit("\n".join(failures))


class Gateway:
    """The gateway's process, which can be killed and started again."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, __file__, "--serve"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()

    def open_responses(self) -> int:
        """Return how many answers it is still giving."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("open\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@dataclass
class Report:
    """What came of it.

    Attributes:
        ended: How many workers ended in which way.
        kills: How often the gateway was killed.
        problems: What should not have been.
    """

    ended: Counter[str] = field(default_factory=Counter[str])
    kills: int = 0
    problems: Counter[str] = field(default_factory=Counter[str])


def soak(seconds: float, workers: int) -> Report:
    """Run workers in rounds until the time is over."""
    gateway, report = Gateway(), Report()
    end = time.monotonic() + seconds
    try:
        while True:
            command = [sys.executable, __file__, "--work", gateway.url]
            running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(workers)]
            fates = {process: random.choice(["ends", "ends", "SIGTERM", "SIGKILL"]) for process in running}
            time.sleep(random.uniform(0.7, ROUND))  # half a second is what starting takes
            if random.random() < 0.3:
                report.kills += 1
                gateway.kill()
                gateway.start()
            for process, fate in fates.items():
                if fate != "ends":
                    process.send_signal(signal.Signals[fate])
            for process, fate in fates.items():
                judge(process, fate, report)
            settle(gateway, report)
            if time.monotonic() > end:
                return report
    finally:
        gateway.kill()


def judge(process: subprocess.Popen[str], fate: str, report: Report) -> None:
    """Note how a worker ended."""
    report.ended[fate] += 1
    try:
        _, said = process.communicate(timeout=ROUND + PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        _, said = process.communicate()
        report.problems[f"a worker that {fate} did not end:\n{said[-3000:]}"] += 1
        return
    expected = {0} if fate == "ends" else {0, -signal.Signals[fate]}
    if process.returncode not in expected or (said and fate == "ends"):
        report.problems[f"{fate}: exit code {process.returncode}: {said.strip()[-3000:]}"] += 1


def settle(gateway: Gateway, report: Report) -> None:
    """Wait until the gateway gives no answers any more: nobody is there to read them."""
    end = time.monotonic() + PATIENCE
    while (left := gateway.open_responses()) and time.monotonic() < end:
        time.sleep(0.05)
    if left:
        report.problems[f"{left} answers were still open when all workers had ended"] += 1


def main() -> int:
    """Soak, print what was found and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200.0, help="how long new workers are started")
    parser.add_argument("--workers", type=int, default=8, help="how many at a time")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    if options.work is not None:
        work(options.work)
        return 0
    report = soak(options.seconds, options.workers)
    ends = ", ".join(f"{count} {fate}" for fate, count in sorted(report.ended.items()))
    print(f"workers: {ends}; the gateway was killed {report.kills} times")
    print("\n".join(f"{count} times: {what}" for what, count in report.problems.items()) or "no problems")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
