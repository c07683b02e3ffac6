"""Results as Markdown tables, and into docs/benchmarks.md together with the plots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from environments import HOME, EnvironmentUnavailableError, python_environment
from participants import OURS, PARTICIPANTS, REFERENCE
from results import Results
from scenarios import GROWTH, SCENARIOS, Group, Scenario

__all__ = ["summary", "write_documents"]

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
PLOTS = DOCUMENT.parent / "benchmarks"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_GROUPS: dict[Group, str] = {
    "chunk": "CPU a chunk, in microseconds",
    "crowd": "Many streams at once",
    "call": "A call",
    "process": "A process",
    "socket-free": "CPU a chunk without sockets, in microseconds: bytes in, chunks out",
}
_FIGURES = {
    "cpu_us": "CPU, us",
    "p50_ms": "added latency, median ms",
    "p99_ms": "added latency, p99 ms",
    "late_s": "seconds late",
    "first_ms": "first chunk, ms",
    "per_s": "requests a second",
    "kib": "KiB",
    "import_ms": "CPU, ms",
    "stall_ms": "ms",
}
_MORE_IS_BETTER = ("per_s",)
_NO_RATIO = ("late_s", "per_s", "stall_ms")


def summary(results: Results) -> str:
    """Return everything but the plots as Markdown."""
    parts = [_circumstances(results), _goals(results)]
    parts += [table for group in _GROUPS if (table := _table(results, group))]
    parts += [_growth(results), _server(results), _failures(results)]
    return "\n\n".join(part for part in parts if part)


def write_documents(results: Results, *, plotter: Path) -> None:
    """Put the figures between the document's marks, and draw the plots; without plots if they cannot be drawn."""
    source = HOME / "results" / "plotted.json"
    results.save(source)
    text = summary(results)
    try:
        python = str(python_environment(plotter))
        command = [python, str(HERE / "plots.py"), str(source), str(PLOTS)]
        drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()
        text += "\n\n" + "\n\n".join(f"![{Path(name).stem}](benchmarks/{name})" for name in drawn)
    except (EnvironmentUnavailableError, subprocess.SubprocessError) as error:
        detail = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        print(f"no plots: {detail}", file=sys.stderr)
    document = DOCUMENT.read_text("utf-8")
    before, _, rest = document.partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    print(f"written: {DOCUMENT.name}", file=sys.stderr)


def _circumstances(results: Results) -> str:
    machine = results.machine
    versions = dict[str, None]()
    for name in results.participants(p.name for p in PARTICIPANTS):
        for package, version in results.versions.get(name, {}).items():
            versions[f"{package} {version}"] = None
    lines = [
        f"{results.date}; {machine['cores']} cores of {machine['processor']}, {machine['system']}, Python "
        f"{machine['python']}; load average {machine['load']} when it began; rounds: {results.rounds}.",
        f"Command: `{results.command}`.",
        f"Versions: {', '.join(versions)}.",
        *results.notes,
    ]
    return "\n\n".join(lines)


def _goals(results: Results) -> str:
    lines = ["| goal | at least | aim | measured |", "|---|---|---|---|"]
    for scenario in SCENARIOS:
        for figure, goal in scenario.goals.items():
            ratio = results.ratio(OURS, scenario.name, figure, REFERENCE)
            if ratio is not None:
                aim = "" if goal.aim is None else f"{goal.aim:.3g}x less"
                met = "" if ratio >= goal.at_least else " (not met)"
                what = f"{scenario.meaning}: {_FIGURES[figure]}"
                lines.append(f"| {what} | {goal.at_least:.3g}x less | {aim} | {ratio:.1f}x less{met} |")
    return "" if len(lines) == 2 else "### Goals, beside the plain SDK\n\n" + "\n".join(lines)


def _table(results: Results, group: Group) -> str:
    scenarios = [
        s for s in SCENARIOS if s.group == group and any(sample.scenario == s.name for sample in results.samples)
    ]
    columns = [(s, figure) for s in scenarios for figure in (s.figure, *s.also)]
    if not columns:
        return ""
    one_figure = len({figure for _, figure in columns}) == 1
    heads = [s.name if one_figure else f"{s.name}: {_FIGURES[figure]}" for s, figure in columns]
    lines = [f"| client | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in results.participants(p.name for p in PARTICIPANTS):
        cells = [_cell(results, name, s, figure) for s, figure in columns]
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cells)} |")
    told = "\n".join(f"- **{s.name}**: {s.meaning}" for s in scenarios)
    return f"### {_GROUPS[group]}\n\n{told}\n\n" + "\n".join(lines)


def _cell(results: Results, name: str, scenario: Scenario, figure: str) -> str:
    if name in results.missing:
        return "not installed"
    value = results.median(name, scenario.name, figure)
    if value is None:
        return "failed" if results.error(name, scenario.name) else ""
    ratio = None if figure in _NO_RATIO else results.ratio(name, scenario.name, figure, REFERENCE)
    if ratio is None or name == REFERENCE:
        return _rounded(value)
    compared = f"{_rounded(ratio)}x less" if ratio >= 1 else f"{_rounded(1 / ratio)}x more"
    return f"{_rounded(value)} ({compared})"


def _rounded(value: float) -> str:
    """Return three digits of a large number, two of a small one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"


def _growth(results: Results) -> str:
    parts: list[str] = []
    for points in GROWTH.values():
        names = results.participants(p.name for p in PARTICIPANTS if p.grows)
        values = {name: [results.median(name, point.name, point.figure) for point in points] for name in names}
        rows = [
            f"| {name} | {' | '.join('' if value is None else _rounded(value) for value in row)} |"
            for name, row in values.items()
            if any(value is not None for value in row)
        ]
        if rows:
            heads = " | ".join(f"{point.x:,}" for point in points)
            parts += [f"| {points[0].meaning} | {heads} |", "|---" * (len(points) + 1) + "|", *rows, ""]
    return "### How it grows: CPU\n\n" + "\n".join(parts).strip() if parts else ""


def _server(results: Results) -> str:
    """Show that the server was not what limited anybody."""
    rates = [(s.figures["per_s"], s.participant) for s in results.samples if s.scenario == "coalesced" and s.figures]
    shares = [
        (sample.figures["server_share"], sample)
        for sample in results.samples
        if "server_share" in sample.figures and sample.scenario != "memory"
    ]
    if not shares:
        return ""
    share, sample = max(shares, key=lambda pair: pair[0])
    told = (
        "### The server\n\nIt is a process of its own, with answers that were rendered before. It was busiest with "
        f"*{sample.scenario}* for {sample.participant}: {share:.0%} of a core."
    )
    ours = max((share for share, sample in shares if sample.participant == OURS), default=None)
    if ours is not None:
        told += f" For {OURS} it was never busier than {ours:.0%}."
    if rates:
        rate, who = max(rates)
        told += f" The most that a client took from it was {rate:,.0f} chunks a second ({who}, coalesced)."
    return told


def _failures(results: Results) -> str:
    lines = [f"- {name} cannot be installed here: {reason}" for name, reason in results.missing.items()]
    failed = {(s.participant, s.scenario): s.error for s in results.samples if s.error}
    lines += [f"- {name}, {scenario}: `{error}`" for (name, scenario), error in failed.items()]
    return "### What failed\n\n" + "\n".join(lines) if lines else ""
