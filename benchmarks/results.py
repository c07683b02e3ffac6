"""What was measured: samples, kept as JSON, and the medians and ratios made of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Results", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: its figures, or the error that it ended in."""

    round: int
    participant: str
    scenario: str
    figures: dict[str, float] = field(default_factory=dict[str, float])
    error: str | None = None


@dataclass(slots=True)
class Results:
    """All measurements of one run.

    Attributes:
        command: What was called.
        rounds: How many rounds were asked for.
        versions: The versions of every participant's packages.
        missing: Why a participant could not take part, by its name.
        samples: The measurements.
        notes: What else a reader of the figures has to know.
    """

    command: str
    rounds: int
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    machine: dict[str, str] = field(default_factory=lambda: machine())
    versions: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    missing: dict[str, str] = field(default_factory=dict[str, str])
    samples: list[Sample] = field(default_factory=list[Sample])
    notes: list[str] = field(default_factory=list[str])

    def save(self, path: Path) -> None:
        """Write the file at once, so that an interruption leaves the last whole one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Return what `save` wrote."""
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        samples = [Sample(**sample) for sample in data.pop("samples")]
        return cls(samples=samples, **data)

    def by_round(self, participant: str, scenario: str, figure: str) -> dict[int, float]:
        """Return a figure of each round that has it."""
        return {
            sample.round: sample.figures[figure]
            for sample in self.samples
            if (sample.participant, sample.scenario) == (participant, scenario) and figure in sample.figures
        }

    def median(self, participant: str, scenario: str, figure: str) -> float | None:
        """Return the median over the rounds, or None where nothing was measured."""
        values = self.by_round(participant, scenario, figure).values()
        return statistics.median(values) if values else None

    def ratio(self, participant: str, scenario: str, figure: str, reference: str) -> float | None:
        """Return how many times less than the reference: the median of the quotients within each round."""
        own, other = self.by_round(participant, scenario, figure), self.by_round(reference, scenario, figure)
        quotients = [other[number] / own[number] for number in own.keys() & other.keys() if own[number] > 0]
        return statistics.median(quotients) if quotients else None

    def error(self, participant: str, scenario: str) -> str | None:
        """Return why there is no figure, if an attempt at it failed."""
        named = (participant, scenario)
        return next((s.error for s in self.samples if (s.participant, s.scenario) == named and s.error), None)

    def participants(self, among: Iterable[str]) -> list[str]:
        """Return those who were measured or meant to be, in the given order."""
        seen = {sample.participant for sample in self.samples} | self.missing.keys()
        return [name for name in among if name in seen]


def machine() -> dict[str, str]:
    """Return what the figures depend on of this machine; not its name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }
