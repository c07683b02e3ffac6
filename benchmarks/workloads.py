"""What a client is put through, and the figures that come of it. Standard library only: it runs in every environment.

A figure's name ends with its unit. CPU is that of the whole process, all threads; waiting costs nothing but waking up.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from wire import COST, TIMESTAMP, Model

__all__ = ["WORKLOADS", "Figures", "Message", "Peer", "Workload"]

Message = dict[str, str]
Figures = dict[str, float]

_WORDS = "word " * 40
_ONCE = Model("burst", 1).name


class Peer(Protocol):
    """A client under measurement, as an adapter shows it."""

    async def stream(self, model: str, messages: list[Message], on_text: Callable[[str], object]) -> float | None:
        """Ask, hand over each piece of text as it comes, and return the cost if the client tells it."""
        ...

    async def complete(self, model: str, messages: list[Message]) -> str:
        """Ask without streaming and return the text."""
        ...

    async def tool_arguments(self, model: str, messages: list[Message]) -> str:
        """Ask, read the stream of a tool call, and return its arguments' JSON text."""
        ...

    async def warm_up(self) -> None:
        """Do ahead what the first call would otherwise do."""
        ...


Workload = Callable[[Peer, dict[str, Any]], Awaitable[Figures]]


class Span:
    """Time and CPU from here on, of this process and of the server."""

    def __init__(self, stats_url: str) -> None:
        self._url = stats_url
        self._server = _stats(stats_url)
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._wall

    def end(self, count: int) -> Figures:
        """Return the figures, for each of `count` units."""
        cpu, wall = time.process_time() - self._cpu, self.seconds
        server = _stats(self._url)
        return {
            "cpu_us": cpu / count * 1e6,
            "per_s": count / wall,
            "server_share": (server["cpu_s"] - self._server["cpu_s"]) / wall,
            "server_late_ms": server["late_ms"],
        }


def _stats(url: str) -> Figures:
    """Ask the server for its own figures, without loading an HTTP client for it."""
    if not url:
        return {"cpu_s": 0.0, "late_ms": 0.0}
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
        return json.loads(connection.recv(65536).partition(b"\r\n\r\n")[2])


def _conversation(length: int) -> list[Message]:
    """Return a conversation of so many messages, the last of which is a question."""
    roles = ("user", "assistant")
    history = [{"role": roles[i % 2], "content": _WORDS} for i in range(length - length % 2)]
    return [*history, {"role": "user", "content": "Hi"}]


async def _read(peer: Peer, model: str, messages: list[Message]) -> int:
    """Read one answer to its end, make sure that it is whole, and return the number of its chunks."""
    texts: list[str] = []
    cost = await peer.stream(model, messages, texts.append)
    expected = int(model.split("-")[1])
    if len(texts) != expected or cost not in (None, COST):
        raise RuntimeError(f"{len(texts)} of {expected} chunks came, and a cost of {cost}")
    return expected


async def drain(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Read whole answers, one after the other; a unit is a chunk."""
    messages, model = _conversation(scenario["messages"]), scenario["model"]
    await _read(peer, _ONCE, messages)
    await _read(peer, Model("burst", 200).name, messages)
    span, chunks = Span(scenario["stats"]), 0
    while not chunks or span.seconds < scenario["seconds"]:
        chunks += await _read(peer, model, messages)
    return span.end(chunks)


async def tools(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Read whole tool calls; a unit is a delta of the arguments."""
    messages, model = _conversation(0), scenario["model"]
    deltas, size = int(model.split("-")[1]), int(model.split("-")[3])
    await _read(peer, _ONCE, messages)
    span, count = Span(scenario["stats"]), 0
    while not count or span.seconds < scenario["seconds"]:
        arguments = await peer.tool_arguments(model, messages)
        if len(json.loads(arguments)["text"]) != (deltas - 2) * size:
            raise RuntimeError("the tool call's arguments are not whole")
        count += deltas
    return span.end(count)


async def first(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Ask for short answers on a warm connection, one after the other; a unit is a call."""
    messages, model = _conversation(scenario["messages"]), scenario["model"]
    for _ in range(5):
        await _read(peer, model, messages)
    waits: list[float] = []
    span = Span(scenario["stats"])
    while len(waits) < 10 or span.seconds < scenario["seconds"]:
        began = time.perf_counter()
        arrived: list[float] = []
        await peer.stream(model, messages, lambda _, arrived=arrived: arrived.append(time.perf_counter()))
        waits.append(arrived[0] - began)
    return {**span.end(len(waits)), "first_ms": statistics.median(waits) * 1000}


async def crowd(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Read many paced streams at once; a unit is a chunk, and each carries the time at which it was sent.

    With `connected`, only what comes after every stream's first chunk is counted; with `arrivals`, that many streams a
    second are begun, as by people who come one after the other, instead of all in the same moment.
    """
    messages, model, streams = _conversation(0), scenario["model"], scenario["streams"]
    _, chunks, rate, _ = model.split("-")
    await _read(peer, _ONCE, messages)
    delays: list[float] = []
    waiting, before = streams, 0

    def listener() -> Callable[[str], None]:
        fresh = True

        def note(text: str) -> None:
            nonlocal fresh, waiting, before, span
            delays.append(time.monotonic() - float(text[:TIMESTAMP]))
            if fresh:
                fresh, waiting = False, waiting - 1
                if not waiting and scenario.get("connected"):
                    span, before = Span(scenario["stats"]), len(delays)

        return note

    pause = 1 / scenario["arrivals"] if "arrivals" in scenario else 0.0

    async def arrive(number: int) -> None:
        await asyncio.sleep(max(0.0, began + number * pause - time.monotonic()))
        await peer.stream(model, messages, listener())

    span, began = Span(scenario["stats"]), time.monotonic()
    await asyncio.gather(*map(arrive, range(streams)))
    late = time.monotonic() - began - streams * pause - int(chunks) / int(rate)
    if len(delays) != streams * int(chunks):
        raise RuntimeError(f"{len(delays)} of {streams * int(chunks)} chunks came")
    counted = sorted(delays[before:])
    p50, p99 = counted[len(counted) // 2] * 1000, counted[int(len(counted) * 0.99)] * 1000
    return {**span.end(len(counted)), "p50_ms": p50, "p99_ms": p99, "late_s": late}


async def complete(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Ask without streaming, many at once; a unit is a request."""
    messages, model, count = _conversation(0), scenario["model"], 0

    async def ask() -> None:
        if not (await peer.complete(model, messages)).startswith("word word"):
            raise RuntimeError("the answer is not whole")

    async def keep_asking() -> None:
        nonlocal count
        while not count or span.seconds < scenario["seconds"]:
            await ask()
            count += 1

    await asyncio.gather(*(ask() for _ in range(scenario["streams"])))
    span = Span(scenario["stats"])
    await asyncio.gather(*(keep_asking() for _ in range(scenario["streams"])))
    return span.end(count)


async def hold(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Open many streams, some at once, and hold them open after their first chunk; a unit is a stream."""
    messages, streams, arrived = _conversation(0), scenario["streams"], 0
    everybody = asyncio.Event()

    def note(_: str) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == len(reading):
            everybody.set()

    for _ in range(5):
        await _read(peer, _ONCE, messages)
    before = _resident_kib()
    reading: set[asyncio.Future[Any]] = set()
    while len(reading) < streams:
        everybody.clear()
        reading |= {
            asyncio.ensure_future(peer.stream(scenario["model"], messages, note)) for _ in range(scenario["at_once"])
        }
        opened = asyncio.ensure_future(everybody.wait())
        done, _ = await asyncio.wait({*reading, opened}, return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {opened}:
            ended.result()
            raise RuntimeError("a stream that should be held open has ended")
    return {"kib": (_resident_kib() - before) / streams}


def _resident_kib() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


async def stall(peer: Peer, scenario: dict[str, Any]) -> Figures:
    """Make the process's first call while another task wants the loop every millisecond; measure its longest wait."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)

    if scenario["warm"]:
        await peer.warm_up()
    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0.01)
    longest = 0.0
    await peer.stream(_ONCE, _conversation(0), lambda _: None)
    await asyncio.sleep(0)
    ticking.cancel()
    return {"stall_ms": longest * 1000}


WORKLOADS: dict[str, Workload] = {
    "drain": drain,
    "tools": tools,
    "first": first,
    "crowd": crowd,
    "complete": complete,
    "hold": hold,
    "stall": stall,
}
