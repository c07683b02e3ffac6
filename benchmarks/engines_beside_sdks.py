"""Measure the engines beside the vendors' own SDKs: decoding, a live stream, and the way to the first failure.

    python3 dev.py run python benchmarks/engines_beside_sdks.py [ROUNDS]

Every measurement is a fresh process, the SDKs in an environment of their own (`peers/vendor-sdks.txt`). Within a round
each client is measured once, in random order, and a ratio is taken within its round; the median counts over the rounds.
CPU time is of the measuring process alone.
"""

from __future__ import annotations

import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import python_environment

from raptscallions_ai.testing import FakeAnthropic, FakeGateway, FakeOllama
from raptscallions_ai.testing.wire import Answer

HERE = Path(__file__).resolve().parent

OURS = "raptscallions-ai"
CHUNKS = 1000
TEXTS = tuple(letter * 5 + " " for letter in "abcdefghij") * (CHUNKS // 10)
READ = 65536  # bytes
BETWEEN = 0.0005  # seconds; the server's clock makes about a thousandth of it
_TIMEOUT = 120


@dataclass(frozen=True)
class Scenario:
    """One thing that is measured.

    Attributes:
        title: What it is, for the table.
        dialect: Whose wire.
        workload: The function of `peers/vendor_sdks.py`.
        peers: The SDKs beside us.
        figure: The figure that counts.
        options: Further parts of the task.
    """

    title: str
    dialect: str
    workload: str
    peers: tuple[str, ...]
    figure: str
    options: tuple[tuple[str, Any], ...] = ()


CLAUDE, OLLAMA = ("anthropic", "anthropic, stream()"), ("ollama",)
SCENARIOS = (
    Scenario("Anthropic: decode, reads of 64 KiB", "anthropic", "decode", CLAUDE, "cpu_us", (("read", READ),)),
    Scenario("Anthropic: live stream", "anthropic", "live", CLAUDE, "cpu_us"),
    Scenario("Anthropic: import to first failure", "anthropic", "failing", CLAUDE[:1], "cpu_ms"),
    Scenario("Ollama: decode, reads of 64 KiB", "ollama", "decode", OLLAMA, "cpu_us", (("read", READ),)),
    Scenario("Ollama: live stream", "ollama", "live", OLLAMA, "cpu_us"),
    Scenario("Ollama: import to first failure", "ollama", "failing", OLLAMA, "cpu_ms"),
)


def closed_port() -> str:
    """Return the address of a port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def measured(python: str, task: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one measurement."""
    command = [python, str(HERE / "peers/vendor_sdks.py"), json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{task['client']}, {task['workload']}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def one_round(scenario: Scenario, server: FakeGateway, file: Path, sdks: str) -> dict[str, dict[str, Any]]:
    """Return the figures of each client."""
    url = closed_port() if scenario.workload == "failing" else server.base_url
    basics = {"workload": scenario.workload, "dialect": scenario.dialect, "url": url, "chunks": CHUNKS}
    task = {**basics, "bytes": str(file), **dict(scenario.options)}
    clients = [OURS, *scenario.peers]
    random.shuffle(clients)
    return {name: measured(sys.executable if name == OURS else sdks, {**task, "client": name}) for name in clients}


def main() -> None:
    """Measure, and print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sdks = str(python_environment(HERE / "peers/vendor-sdks.txt"))
    print("| scenario | client | median | times ours |\n|---|---|---|---|")
    with FakeAnthropic() as claude, FakeOllama() as ollama, tempfile.TemporaryDirectory() as folder:
        servers: dict[str, FakeGateway] = {"anthropic": claude, "ollama": ollama}
        files: dict[str, Path] = {}
        for dialect, server in servers.items():
            server.add(Answer(TEXTS, interval_s=BETWEEN).stream(), times=None)
            said = server.translated(Answer(TEXTS).stream())
            files[dialect] = Path(folder, dialect)
            files[dialect].write_bytes(b"".join(step for step in said.steps if isinstance(step, bytes)))
        for scenario in SCENARIOS:
            dialect = scenario.dialect
            taken = [one_round(scenario, servers[dialect], files[dialect], sdks) for _ in range(rounds)]
            for name in (OURS, *scenario.peers):
                figures = [each[name][scenario.figure] for each in taken]
                ratios = [each[name][scenario.figure] / each[OURS][scenario.figure] for each in taken]
                unit = scenario.figure.rpartition("_")[2]
                median, ratio = statistics.median(figures), statistics.median(ratios)
                print(f"| {scenario.title} | {name} | {median:.1f} {unit} | {ratio:.1f} |", flush=True)
            if any(each[OURS].get("openai") for each in taken):
                raise RuntimeError("our client has loaded openai")


if __name__ == "__main__":
    main()
