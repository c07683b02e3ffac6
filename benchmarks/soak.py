"""Thousands of good, broken and abandoned streams through one client, and what is left of them.

    python3 dev.py run python benchmarks/soak.py [--streams 10000] [--concurrency 50] [--seconds 900]

The gateway runs in a process of its own. The streams run in rounds; after each round everything must be at rest, and
then tasks, sockets, file descriptors, live objects and memory are counted. What the first rounds leave is the warm-up;
growth after it is a leak, is named, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
import warnings
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from soak_endings import ENDINGS, WrongEndError

from raptscallions_ai import ChatStream, OpenRouterClient
from raptscallions_ai._call.call import GatewayCall

HERE = Path(__file__).parent
ROUNDS = 25
WARM_UP = 5  # rounds
REST_SECONDS = 10.0  # that everything may take to come to rest after a round
MOST_GROWTH = 64.0  # KiB of traced memory: idle connections come and go; in 10,000 streams a leak is far more
MOST_RSS_GROWTH = 16.0  # MiB: the allocator's own affair; a leak shows in the traced bytes long before


@dataclass(frozen=True)
class Sample:
    """What is there when everything is at rest; None where the system cannot tell.

    Attributes:
        streams: Streams that were made so far.
        tasks: Tasks besides the one that counts.
        threads: Threads.
        descriptors: Open file descriptors.
        sockets: Those of them that are sockets, idle connections included.
        connections: Connections that the gateway holds open.
        responses: Responses that the gateway is still sending.
        calls: Live `ChatStream` and `GatewayCall` objects.
        traced: Bytes allocated by Python, as tracemalloc counts them.
        rss: Resident memory of the process in MiB.
    """

    streams: int
    tasks: int
    threads: int
    descriptors: int | None
    sockets: int | None
    connections: int
    responses: int
    calls: int
    traced: int
    rss: float | None


@dataclass
class Complaints:
    """Whatever was said on the side: by the loop, by destructors, by warnings."""

    said: Counter[str] = field(default_factory=Counter[str])

    def listen(self) -> None:
        """Take over the hooks of this process, and of the running loop."""
        warnings.simplefilter("always")
        warnings.showwarning = self._warned
        sys.unraisablehook = lambda unraisable: self._add("unraisable", repr(unraisable.exc_value))
        threading.excepthook = lambda args: self._add("thread", repr(args.exc_value))
        asyncio.get_running_loop().set_exception_handler(lambda _, told: self._add("loop", str(told.get("message"))))

    def _warned(self, message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        self._add(category.__name__, str(message))

    def _add(self, kind: str, what: str) -> None:
        self.said[f"{kind}: {what[:120]}"] += 1


class Gateway:
    """The other process."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "soak_gateway.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._line()

    def state(self) -> dict[str, int]:
        """Return how many connections and responses are open there."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def descriptors() -> list[str] | None:
    """Return what each open file descriptor is; None where the system does not tell."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return None
    found: list[str] = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):  # the one that lists the folder is gone
            found.append(os.readlink(folder / name))
    return found


def resident() -> float | None:
    """Return the resident memory in MiB, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def others() -> int:
    """Return how many tasks there are besides the current one."""
    return len(asyncio.all_tasks()) - 1


async def take(gateway: Gateway, streams: int) -> Sample:
    """Wait until everything is at rest, at most `REST_SECONDS`, and count."""
    end = time.monotonic() + REST_SECONDS
    gc.collect()  # abandons the streams that only it can find
    while True:
        await asyncio.sleep(0.05)
        state = gateway.state()
        if (not others() and not state["responses"]) or time.monotonic() > end:
            break
    gc.collect()
    open_now = descriptors()
    return Sample(
        streams=streams,
        tasks=others(),
        threads=threading.active_count(),
        descriptors=None if open_now is None else len(open_now),
        sockets=sum(name.startswith("socket:") for name in open_now) if open_now is not None else None,
        connections=state["connections"],
        responses=state["responses"],
        calls=sum(isinstance(each, ChatStream | GatewayCall) for each in gc.get_objects()),
        traced=tracemalloc.get_traced_memory()[0],
        rss=resident(),
    )


async def run_round(
    client: OpenRouterClient, numbers: range, concurrency: int, ended: Counter[str], wrong: Counter[str]
) -> None:
    """Make one stream for each number, the endings in random order, a few at a time."""
    names = list(ENDINGS)
    waiting = iter([(number, names[number % len(names)]) for number in random.sample(numbers, len(numbers))])

    async def work() -> None:
        for number, name in waiting:
            try:
                await ENDINGS[name](client, number)
            except Exception as error:
                kind = str(error) if isinstance(error, WrongEndError) else type(error).__name__
                wrong[f"{name}: {kind}"] += 1
            ended[name] += 1

    await asyncio.gather(*(work() for _ in range(concurrency)))


@dataclass
class Report:
    """What a soak found.

    Attributes:
        samples: One for each round, the warm-up included.
        before: The count before the client was built.
        after: The count after it was closed.
        ended: How often each ending ran.
        wrong: Calls that ended otherwise than they should.
        said: What was said on the side.
        concurrency: How many streams ran at a time.
    """

    samples: list[Sample]
    before: Sample
    after: Sample
    ended: Counter[str]
    wrong: Counter[str]
    said: Counter[str]
    concurrency: int

    def slope(self, figure: str) -> float:
        """Return how much a figure grows with each stream after the warm-up, by least squares."""
        warm = self.samples[min(WARM_UP, len(self.samples) - 2) :]
        values = [getattr(sample, figure) or 0 for sample in warm]
        return statistics.linear_regression([sample.streams for sample in warm], values).slope

    def leaks(self) -> list[str]:
        """Return what leaked, a sentence each; none is the good outcome."""
        found: list[str] = []
        for sample in self.samples:
            left = [name for name in ("tasks", "responses", "calls") if getattr(sample, name)]
            if left:
                found.append(f"after {sample.streams} streams there were still {', '.join(left)}: {sample}")
                break
        warm = self.samples[min(WARM_UP, len(self.samples) - 2)]
        last = self.samples[-1]
        if last.threads > warm.threads:
            found.append(f"threads grew from {warm.threads} to {last.threads}")
        most = max((sample.connections for sample in self.samples), default=0)
        if most > self.concurrency:
            found.append(f"{most} idle connections, but never more than {self.concurrency} streams at a time")
        if last.descriptors is not None and warm.descriptors is not None:
            idle = last.connections - warm.connections
            if last.descriptors - warm.descriptors > max(idle, 0):
                found.append(f"file descriptors grew from {warm.descriptors} to {last.descriptors}")
        before, after = asdict(self.before), asdict(self.after)
        left = [name for name in ("descriptors", "sockets", "connections") if (after[name] or 0) > (before[name] or 0)]
        found += [f"closing the client left {name}: {after[name]}, before it {before[name]}" for name in left]
        if (growth := self.slope("traced") * (last.streams - warm.streams) / 1024) > MOST_GROWTH:
            found.append(f"traced memory grew by {growth:.1f} KiB")
        if (growth := (last.rss or 0) - (warm.rss or 0)) > MOST_RSS_GROWTH:
            found.append(f"resident memory grew by {growth:.1f} MiB")
        found += [f"{count} calls ended wrongly: {what}" for what, count in self.wrong.items()]
        found += [f"said {count} times: {what}" for what, count in self.said.items()]
        return found


async def soak(streams: int, concurrency: int, seconds: float) -> Report:
    """Run the streams in rounds and count after each."""
    complaints, ended, wrong = Complaints(), Counter[str](), Counter[str]()
    complaints.listen()
    gateway = Gateway()
    samples: list[Sample] = []
    a_round = math.ceil(streams / ROUNDS)
    try:
        async with asyncio.timeout(seconds):
            async with OpenRouterClient("soak-key", gateway.url, "complete", max_retries=0) as first:
                await first.warm_up()  # loads the SDK, whose modules are no leak
            gc.freeze()
            tracemalloc.start()
            before = await take(gateway, 0)
            async with OpenRouterClient("soak-key", gateway.url, "complete", max_retries=0) as client:
                for start in range(0, streams, a_round):
                    numbers = range(start, min(start + a_round, streams))
                    await run_round(client, numbers, concurrency, ended, wrong)
                    samples.append(await take(gateway, numbers.stop))
                    print(f"{numbers.stop} of {streams} streams", file=sys.stderr, flush=True)
            after = await take(gateway, streams)
    finally:
        gateway.stop()
    return Report(samples, before, after, ended, wrong, complaints.said, concurrency)


def tell(report: Report) -> None:
    """Print the figures as Markdown."""
    warm, last = report.samples[min(WARM_UP, len(report.samples) - 2)], report.samples[-1]
    rows: dict[str, Any] = {"before": report.before, "warm": warm, "end": last, "closed": report.after}
    print("| | " + " | ".join(rows) + " |")
    print("|---" * (len(rows) + 1) + "|")
    for each in fields(Sample):
        values = [getattr(sample, each.name) for sample in rows.values()]
        shown = ["-" if value is None else f"{value:,.0f}" for value in values]
        print(f"| {each.name} | " + " | ".join(shown) + " |")
    print()
    print(f"memory: {report.slope('traced'):+.2f} bytes a stream traced, {report.slope('rss') * 2**20:+.1f} resident")
    print(f"endings: {len(report.ended)}, each {min(report.ended.values())} to {max(report.ended.values())} times")


def main() -> int:
    """Soak, print the figures and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=10_000, help="how many streams are made")
    parser.add_argument("--concurrency", type=int, default=50, help="how many of them at a time")
    parser.add_argument("--seconds", type=float, default=900.0, help="the longest that it may take")
    options = parser.parse_args()
    begun = time.perf_counter()
    try:
        report = asyncio.run(soak(options.streams, options.concurrency, options.seconds))
    except TimeoutError:
        print(f"not finished within {options.seconds:.0f} s: a stream hangs, or the machine is too slow")
        return 1
    seconds = time.perf_counter() - begun
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    print(f"{options.streams:,} streams, {options.concurrency} at a time, {seconds:.0f} s, {where}\n")
    tell(report)
    leaks = report.leaks()
    print("\n".join(["", "LEAKS", *leaks] if leaks else ["no leaks"]))
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
