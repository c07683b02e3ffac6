"""What a row of a bulk run costs: CPU of the engine alone, memory of a long run, opening one; beside a peer.

    .venv/bin/python benchmarks/bulk.py [--rows 100000] [--long 1000000] [--peer]

Each part runs in a process of its own. The client answers at once, so that the CPU is that of the engine and its
journal: what it adds to `client.chat`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from raptscallions_ai import ChatResult, Usage
from raptscallions_ai.testing import ScriptedClient

HERE = Path(__file__).resolve().parent
USAGE = Usage(prompt_tokens=20, completion_tokens=10, total_tokens=30, cost=Decimal("0.00004"), cost_source="reported")
ANSWER = ChatResult(content="a short answer", usage=USAGE, model="fake/model", finish_reason="stop")


class InstantClient(ScriptedClient):
    """A client whose answer is there at once."""

    async def chat(self, messages: Any, *, model: str | None = None, **options: Any) -> ChatResult:
        """Return the same answer each time."""
        return ANSWER


@dataclass
class Rows:
    """Rows that are made when they are read, so that they need no memory."""

    count: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({"id": number, "text": f"What is there to say of number {number}?"} for number in range(self.count))

    def __len__(self) -> int:
        return self.count


def cpu() -> float:
    """Seconds of CPU of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory() -> float:
    """The most MiB that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def run(count: int, folder: Path) -> dict[str, float]:
    """Run so many rows, and return what each took."""
    from raptscallions_bulk import BulkRun

    await BulkRun(InstantClient("unused"), Rows(200), folder / "warm", options={"max_tokens": 50})
    before, begun, idle = cpu(), time.monotonic(), memory()
    report = await BulkRun(InstantClient("unused"), Rows(count), folder / "run", key="id", options={"max_tokens": 50})
    assert report.answered == count
    return {
        "us_a_row": (cpu() - before) / count * 1e6,
        "rows_a_second": count / (time.monotonic() - begun),
        "mib": memory(),
        "mib_before": idle,
    }


def opening(folder: Path) -> dict[str, float]:
    """Open the folder of a run, and return the seconds."""
    from raptscallions_bulk.store import RunStore

    before, begun = cpu(), time.monotonic()
    store = RunStore(folder / "run")
    told = {
        "seconds": time.monotonic() - begun,
        "cpu_seconds": cpu() - before,
        "rows": float(len(store.ledger.answered)),
    }
    store.index.close()
    store.storage.close()
    return told


def part(name: str, *arguments: str, python: str = sys.executable) -> dict[str, float]:
    """Run one part in a process of its own."""
    script = HERE / "peers" / "async_batch_llm.py" if name == "peer" else Path(__file__)
    done = subprocess.run(
        [python, str(script), "--part", name, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure all parts and print them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=1_000_000)
    parser.add_argument("--peer", action="store_true", help="async-batch-llm, too, in an environment of its own")
    parser.add_argument("--part", default="")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.part == "run":
        print(json.dumps(asyncio.run(run(given.rows, given.folder))))
        return
    if given.part == "open":
        print(json.dumps(opening(given.folder)))
        return
    with tempfile.TemporaryDirectory() as place:
        ours = min((part("run", "--rows", str(given.rows), "--folder", f"{place}/{n}") for n in range(3)), key=_cost)
        print(f"ours: {ours['us_a_row']:.1f} us of CPU a row, {ours['rows_a_second']:,.0f} rows a second")
        if given.peer:
            from environments import python_environment

            python = str(python_environment(HERE / "peers" / "async-batch-llm.txt"))
            peer = min((part("peer", "--rows", str(given.rows // 10), python=python) for _ in range(3)), key=_cost)
            ratio = _cost(ours) / _cost(peer)
            print(f"async-batch-llm: {_cost(peer):.1f} us of CPU a row; ours is {ratio:.2f} x that")
        if given.long:
            long = part("run", "--rows", str(given.long), "--folder", f"{place}/long")
            print(f"{given.long:,} rows: {long['mib']:.0f} MiB at most ({long['mib_before']:.0f} before the run)")
            opened = part("open", "--folder", f"{place}/long")
            print(f"opening them: {opened['seconds']:.2f} s, {opened['cpu_seconds']:.2f} s of CPU")


def _cost(told: dict[str, float]) -> float:
    return told["us_a_row"]


if __name__ == "__main__":
    main()
