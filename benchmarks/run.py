"""Measure this library beside its peers; see docs/benchmarks.md for what the figures are worth.

    python3 dev.py run python benchmarks/run.py             everything, 25 minutes at most, into docs/benchmarks.md
    python3 dev.py run python benchmarks/run.py --quick     the daily form, under two minutes, to the terminal
    ... --only live,first --peers openai,litellm            a choice, to the terminal
    ... --quick --compare BASELINE.json                     beside an earlier run
    ... --from RESULTS.json                                 the documents again, from an earlier run

Every measurement is a fresh process; within a round they run in random order; a ratio is taken within its round, and
what is told is the median over the rounds. CPU time comes first, because the clock depends on the machine's load.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from awake import processors_awake
from comparison import compared
from environments import HOME, EnvironmentUnavailableError, python_environment
from participants import OURS, PARTICIPANTS, REFERENCE, Participant, Prepared, prepare
from report import summary, write_documents
from results import Results, Sample
from scenarios import GROWTH, SCENARIOS, Scenario

HERE = Path(__file__).resolve().parent
TOOLS = HERE / "tools.txt"
_TIMEOUT = 60  # seconds for one measurement, its process's start included

Job = tuple[Prepared, Scenario]


@contextmanager
def gateway(certificates: Path | None) -> Generator[dict[str, str]]:
    """Run the server; what it yields are its addresses."""
    files = [] if certificates is None else [str(certificates / name) for name in ("server.pem", "server.key")]
    command = [sys.executable, str(HERE / "server.py"), *files]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.stdin.close()


def make_certificates() -> Path:
    """Return a folder with a certificate for the loopback interface, its key, and the authority to trust.

    Raises:
        EnvironmentUnavailableError: They cannot be made.
    """
    folder = HOME / "certificates"
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(python_environment(TOOLS)), "-m", "trustme", "--quiet", "-d", str(folder), "-i", "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentUnavailableError(done.stderr.strip().rpartition("\n")[2])
    return folder


def measure(job: Job, number: int, seconds: float, addresses: dict[str, str], certificates: Path | None) -> Sample:
    """Run one measurement in a process of its own, which does not outlive this call."""
    prepared, scenario = job
    who = prepared.participant
    sample = (number, who.name, scenario.name)
    adapter = who.adapter if who.on_node else str(HERE / who.adapter)
    task: dict[str, Any] = {
        "adapter": adapter,
        "imports": who.imports,
        "loop": who.loop,
        "timeout": _TIMEOUT,
        "seconds": seconds,
        "url": addresses["https" if scenario.tls else "http"],
        "stats": addresses["http"].removesuffix("/api/v1") + "/stats",
        **who.options,
        **scenario.task(),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AI_"))}
    if scenario.tls and certificates is not None:
        environment["SSL_CERT_FILE"] = str(certificates / "client.pem")
    with subprocess.Popen(
        [*prepared.command, json.dumps(task)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            return Sample(*sample, error=f"not done after {_TIMEOUT} seconds")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        said = [line for line in err.splitlines() if line.strip()] or [f"exit code {process.returncode}"]
        return Sample(*sample, error=said[-1][:300])
    return Sample(*sample, figures=json.loads(out.splitlines()[-1]))


def prepare_all(chosen: list[Participant], results: Results) -> list[Prepared]:
    """Make the environments; who has none is noted in the results."""
    ready: list[Prepared] = []
    for participant in chosen:
        try:
            ready.append(prepare(participant))
        except EnvironmentUnavailableError as error:
            results.missing[participant.name] = str(error)
            tell(f"{participant.name} cannot take part: {error}")
        else:
            results.versions[participant.name] = ready[-1].versions
    return ready


def run_rounds(
    jobs: list[Job], results: Results, path: Path, *, seconds: float, until: float, certificates: Path | None
) -> None:
    """Run all measurements, round by round, until the time is up; what there is, is saved as it comes."""
    began = time.monotonic()
    with processors_awake(), gateway(certificates) as addresses:
        for number in range(results.rounds):
            # What takes long to load and what is only to show a curve, takes part in every second round.
            turn = jobs if number % 2 == 0 else [job for job in jobs if not _seldom(job)]
            order = random.sample(turn, len(turn))
            for done, job in enumerate(order):
                if time.monotonic() > until:
                    results.notes.append(f"The time was up in round {number + 1}, after {done} of {len(order)}.")
                    tell(results.notes[-1])
                    return
                sample = measure(job, number, seconds, addresses, certificates)
                results.samples.append(sample)
                minutes = (time.monotonic() - began) / 60
                what = sample.error or f"{sample.figures.get(job[1].figure, 0):.1f} {job[1].figure}"
                where = f"round {number + 1}/{results.rounds}, {done + 1}/{len(order)}, {minutes:.1f} min"
                tell(f"[{where}] {sample.scenario}, {sample.participant}: {what}")
                if done % 10 == 9 or done + 1 == len(order):
                    results.save(path)


def _seldom(job: Job) -> bool:
    return job[0].participant.environment is not None or job[1].group == "growth"


def tell(line: str) -> None:
    """Say how far it is."""
    print(line, file=sys.stderr, flush=True)


def choose(arguments: argparse.Namespace) -> tuple[list[Participant], list[Scenario]]:
    """Return who is put through what.

    Raises:
        SystemExit: A name is unknown.
    """
    growth = [point for points in GROWTH.values() for point in points]
    scenarios = [s for s in SCENARIOS if s.quick or not arguments.quick] + ([] if arguments.quick else growth)
    participants = [p for p in PARTICIPANTS if p.quick or not arguments.quick]
    if arguments.only:
        wanted = _known(arguments.only, [*(s.name for s in SCENARIOS), *GROWTH])
        scenarios = [
            s for s in (*SCENARIOS, *growth) if s.name in wanted or s.name.partition("-")[0] in wanted & GROWTH.keys()
        ]
    if arguments.peers:
        wanted = _known(arguments.peers.replace("openai, ", "openai+"), [_spelt(p) for p in PARTICIPANTS])
        participants = [p for p in PARTICIPANTS if _spelt(p) in wanted or p.name in (OURS, REFERENCE)]
    return participants, scenarios


def _spelt(participant: Participant) -> str:
    """Return a name as it is written on the command line, where commas part names."""
    return participant.name.replace(", ", "+").replace(" ", "-")


def _known(given: str, names: list[str]) -> set[str]:
    wanted = {name.strip() for name in given.split(",")}
    if unknown := wanted - set(names):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return wanted


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the short form, under two minutes")
    parser.add_argument("--only", metavar="SCENARIO,...", help="only these scenarios or series")
    parser.add_argument("--peers", metavar="PEER,...", help="only these beside this library and the plain SDK")
    parser.add_argument(
        "--rounds", type=int, help="how many: 4, or 2 with --quick; peers and series take part in every second"
    )
    parser.add_argument("--seconds", type=float, help="how long one measurement goes on: 0.5, or 0.3 with --quick")
    parser.add_argument("--minutes", type=float, help="when no measurement begins any more: 25, or 2 with --quick")
    parser.add_argument("--output", type=Path, help="where the figures are saved as JSON")
    parser.add_argument("--compare", type=Path, metavar="BASELINE.json", help="an earlier run to compare with")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="RESULTS.json",
        help="measure nothing: write the documents from this run",
    )
    return parser.parse_args()


def measured(arguments: argparse.Namespace) -> Results:
    """Measure, and return the results, which are saved as well."""
    until = time.monotonic() + 60 * (arguments.minutes or (2 if arguments.quick else 25))
    participants, scenarios = choose(arguments)
    command = " ".join(["python3 dev.py run python benchmarks/run.py", *sys.argv[1:]])
    results = Results(command, rounds=arguments.rounds or (2 if arguments.quick else 4))
    path: Path = arguments.output or HOME / "results" / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    certificates = None
    if any(scenario.tls for scenario in scenarios):
        try:
            certificates = make_certificates()
        except EnvironmentUnavailableError as error:
            results.notes.append(f"Nothing was measured over TLS: {error}")
            scenarios = [scenario for scenario in scenarios if not scenario.tls]
    ready = prepare_all(participants, results)
    jobs = [(prepared, s) for prepared in ready for s in scenarios if prepared.participant.takes(s)]
    seconds = arguments.seconds or (0.3 if arguments.quick else 0.5)
    try:
        run_rounds(jobs, results, path, seconds=seconds, until=until, certificates=certificates)
    except KeyboardInterrupt:
        results.notes.append("The run was interrupted.")
    results.save(path)
    tell(f"saved {path}")
    return results


def main() -> None:
    """Measure, save, and tell."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = options()
    results = Results.load(arguments.source) if arguments.source else measured(arguments)
    print(summary(results))
    if arguments.compare:
        print(compared(Results.load(arguments.compare), results))
    if arguments.source or not (arguments.quick or arguments.only or arguments.peers):
        write_documents(results, plotter=TOOLS)


if __name__ == "__main__":
    main()
