"""Measure this library beside the plain OpenAI SDK; see docs/benchmarks.md for what the figures are worth.

    python3 dev.py run python benchmarks/run.py [--rounds 5]

Every measurement is a fresh process; within a round they run in random order; a ratio is taken within its round, and
what is printed is the median over the rounds. CPU time is the figure, because the clock depends on the machine's load.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = ("raptscallions-ai", "openai", "openai, aiohttp")
SCENARIOS = {
    "coalesced": "CPU a chunk: 5,000 chunks in writes of 64 KiB",
    "live": "CPU a chunk: 1,000 chunks, each in a write of its own, half a millisecond apart",
    "first": "CPU a call: one short answer on a warm connection",
    "first, 100 messages": "CPU a call: the same after a conversation of 100 messages",
}
REFERENCE = "openai"

Figures = dict[tuple[str, str], list[float]]
"""Microseconds of CPU by client and scenario, one a round."""


def measure(client: str, scenario: str, url: str) -> float:
    """Return the microseconds of CPU of one measurement."""
    command = [sys.executable, str(HERE / "client.py"), client, scenario, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)["cpu_us"]


def run(rounds: int) -> Figures:
    """Run all measurements, round by round."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        figures: Figures = {(client, scenario): [] for client in CLIENTS for scenario in SCENARIOS}
        for number in range(rounds):
            for client, scenario in random.sample(list(figures), len(figures)):
                figures[client, scenario].append(measure(client, scenario, url))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        server.stdin.close()
    return figures


def table(figures: Figures) -> str:
    """Return the medians as a Markdown table, with how many times less than the reference each client takes."""
    lines = ["| scenario | " + " | ".join(CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
    for scenario, meaning in SCENARIOS.items():
        cells = [meaning]
        for client in CLIENTS:
            own, reference = figures[client, scenario], figures[REFERENCE, scenario]
            ratio = statistics.median(theirs / mine for mine, theirs in zip(own, reference, strict=True))
            less = "" if client == REFERENCE else f" ({ratio:.1f}x less)"
            cells.append(f"{statistics.median(own):.1f} us{less}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table with what it was measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    rounds: int = parser.parse_args().rounds
    figures = run(rounds)
    libraries = ("raptscallions-ai", "openai", "aiohttp", "msgspec")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {where}, {versions}, {rounds} rounds")
    print()
    print(table(figures))


if __name__ == "__main__":
    main()
