"""Draw a run's figures: `plots.py RESULTS.json FOLDER` writes SVG files and prints their names.

It runs in an environment of its own, because nothing else here needs matplotlib.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot
from participants import OURS, PARTICIPANTS
from results import Results
from scenarios import GROWTH, scenario_named

_BARS = {
    "cpu-per-chunk": (("coalesced", "cpu_us"), ("live", "cpu_us")),
    "calls": (("first", "first_ms"), ("history", "first_ms"), ("complete", "cpu_us")),
    "many-streams": (("200-streams", "cpu_us"), ("200-streams", "p99_ms")),
    "process": (("import", "import_ms"), ("memory", "kib")),
}
_UNITS = {
    "cpu_us": "CPU, µs",
    "first_ms": "first chunk, ms",
    "p99_ms": "p99 added latency, ms",
    "import_ms": "CPU, ms",
    "kib": "KiB",
}
_HIGHLIGHT, _PLAIN = "#c2410c", "#94a3b8"


def bars(results: Results, figures: tuple[tuple[str, str], ...]) -> pyplot.Figure | None:
    """Draw one panel of bars for each figure, the least first, on a logarithmic scale."""
    panels = []
    for scenario, figure in figures:
        values = {p.name: results.median(p.name, scenario, figure) for p in PARTICIPANTS}
        measured = sorted(((v, name) for name, v in values.items() if v), reverse=True)
        if measured:
            panels.append((f"{scenario_named(scenario).meaning}\n{_UNITS[figure]}", measured))
    if not panels:
        return None
    height = 1.2 + 0.28 * max(len(measured) for _, measured in panels)
    drawing, axes = pyplot.subplots(1, len(panels), figsize=(5.2 * len(panels), height), squeeze=False)
    for axis, (title, measured) in zip(axes[0], panels, strict=True):
        names = [name for _, name in measured]
        colours = [_HIGHLIGHT if name.startswith(OURS) else _PLAIN for name in names]
        drawn = axis.barh(names, [value for value, _ in measured], color=colours)
        axis.bar_label(drawn, [f" {value:.3g}" for value, _ in measured], fontsize=8)
        axis.set_xscale("log")
        axis.margins(x=0.15)
        axis.set_title(title, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing


def lines(results: Results) -> pyplot.Figure | None:
    """Draw how costs grow, one panel a series."""
    if not any(results.median(OURS, point.name, point.figure) for points in GROWTH.values() for point in points):
        return None
    drawing, axes = pyplot.subplots(2, 2, figsize=(10, 7))
    for axis, points in zip(axes.flat, GROWTH.values(), strict=True):
        for participant in PARTICIPANTS:
            measured = [(point.x, results.median(participant.name, point.name, point.figure)) for point in points]
            measured = [(x, value) for x, value in measured if value]
            if participant.grows and measured:
                colour = _HIGHLIGHT if participant.name == OURS else None
                axis.plot(*zip(*measured, strict=True), marker="o", label=participant.name, color=colour)
        axis.set(xscale="log", yscale="log")
        axis.set_title(points[0].meaning, fontsize=9)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=8)
    return drawing


def main() -> None:
    """Draw everything that there are figures of."""
    results, folder = Results.load(Path(sys.argv[1])), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    # The same figures give the same file, and its text stays text.
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif"})
    drawings = {name: bars(results, figures) for name, figures in _BARS.items()}
    drawings["growth"] = lines(results)
    for name, drawing in drawings.items():
        if drawing is not None:
            drawing.tight_layout()
            drawing.savefig(folder / f"{name}.svg", metadata={"Date": None})
            print(f"{name}.svg")


if __name__ == "__main__":
    main()
