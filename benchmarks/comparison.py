"""Two runs side by side: ratios only, because microseconds depend on the machine and on what else it does."""

from __future__ import annotations

from participants import OURS, REFERENCE
from results import Results
from scenarios import SCENARIOS

__all__ = ["compared"]

_WORSE = 0.9  # of the baseline's ratio


def compared(baseline: Results, now: Results) -> str:
    """Return a table of how many times less than the plain SDK this library takes, then and now."""
    lines = [
        f"Beside the run of {baseline.date}:",
        "",
        "| scenario | then | now | change |",
        "|---|---|---|---|",
    ]
    for scenario in SCENARIOS:
        for figure in (scenario.figure, *scenario.also):
            before = baseline.ratio(OURS, scenario.name, figure, REFERENCE)
            after = now.ratio(OURS, scenario.name, figure, REFERENCE)
            if before is None or after is None or figure in ("per_s", "late_s"):
                continue
            mark = " WORSE" if after < before * _WORSE else ""
            change = f"{after / before - 1:+.0%}{mark}"
            lines.append(f"| {scenario.name}, {figure} | {before:.1f}x | {after:.1f}x | {change} |")
    return "\n".join(lines)
