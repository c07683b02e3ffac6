"""What is measured: each scenario is a workload, the model that it asks, and the figure that counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from wire import Model

__all__ = ["GROWTH", "SCENARIOS", "Goal", "Scenario", "growth", "scenario_named"]

_ONCE = Model("burst", 1)
Group = Literal["chunk", "crowd", "call", "process", "socket-free", "growth"]


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times less than the plain SDK it is to be.

    Attributes:
        at_least: What must be reached.
        aim: What is hoped for.
    """

    at_least: float
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured.

    Attributes:
        name: Its name on the command line.
        meaning: What it is, for the table.
        group: The table that it stands in.
        workload: The function of `workloads` that does it, or `import`.
        model: What the server answers.
        figure: The figure that counts; the others are kept beside it.
        also: Further figures that are shown.
        goals: What this library wants to reach, by figure.
        options: Further arguments of the workload and of the adapter.
        tls: Whether over TLS.
        rough: Whether only the clients that run in our own environment are put through it.
        quick: Whether it belongs to the short form.
        x: In a series, the value that grows.
    """

    name: str
    meaning: str
    group: Group
    workload: str
    model: Model = _ONCE
    figure: str = "cpu_us"
    also: tuple[str, ...] = ()
    goals: dict[str, Goal] = field(default_factory=dict[str, Goal])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    tls: bool = False
    rough: bool = False
    quick: bool = False
    x: int = 0

    def task(self) -> dict[str, Any]:
        """Return what the measuring process has to know."""
        basics = {"workload": self.workload, "model": self.model.name, "messages": 1, "streams": 1}
        return {**basics, **self.options}


_COALESCED = Model("burst", 5000)
_LIVE = Model("paced", 1000, rate=2000)
_HUNDRED = {"messages": 100}
_MEMORY = {"transport": "memory", "coalesced": True}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "coalesced",
        "5,000 chunks in writes of 64 KiB",
        "chunk",
        "drain",
        _COALESCED,
        goals={"cpu_us": Goal(40, 55)},
        quick=True,
    ),
    Scenario(
        "packets",
        "5,000 chunks, one write each, as fast as they go",
        "chunk",
        "drain",
        Model("packet", 5000),
        rough=True,
    ),
    Scenario(
        "live",
        "one stream of 2,000 chunks a second",
        "chunk",
        "drain",
        _LIVE,
        goals={"cpu_us": Goal(6, 7)},
        quick=True,
    ),
    Scenario(
        "tools",
        "a tool call of 16,000 deltas",
        "chunk",
        "tools",
        Model("tools", 16000, size=8),
        goals={"cpu_us": Goal(20)},
        rough=True,
    ),
    Scenario("coalesced-tls", "the same as coalesced, over TLS", "chunk", "drain", _COALESCED, tls=True, rough=True),
    Scenario("live-tls", "the same as live, over TLS", "chunk", "drain", _LIVE, tls=True, rough=True),
    Scenario(
        "200-streams",
        "200 streams of 50 chunks a second",
        "crowd",
        "crowd",
        Model("paced", 100, rate=50),
        also=("p50_ms", "p99_ms", "late_s"),
        options={"streams": 200},
        goals={"cpu_us": Goal(4, 4.5)},
        quick=True,
    ),
    Scenario(
        "1000-streams",
        "1,000 streams of 10 chunks a second, begun within four seconds, counted once all are there",
        "crowd",
        "crowd",
        Model("paced", 60, rate=10),
        also=("p50_ms", "p99_ms", "late_s"),
        options={"streams": 1000, "arrivals": 250, "connected": True},
        rough=True,
    ),
    Scenario(
        "first",
        "a short answer on a warm connection",
        "call",
        "first",
        also=("first_ms",),
        goals={"first_ms": Goal(3.5, 4)},
        quick=True,
    ),
    Scenario(
        "history",
        "the same, after a conversation of 100 messages",
        "call",
        "first",
        also=("first_ms",),
        options=_HUNDRED,
        goals={"first_ms": Goal(30)},
        quick=True,
    ),
    Scenario(
        "complete",
        "requests that do not stream, 50 at once",
        "call",
        "complete",
        also=("per_s",),
        options={"streams": 50},
        goals={"cpu_us": Goal(3.5, 4)},
        quick=True,
    ),
    Scenario(
        "memory",
        "KiB a stream, 1,000 held open, opened 20 at a time",
        "process",
        "hold",
        Model("hold", 1),
        "kib",
        options={"streams": 1000, "at_once": 20},
        goals={"kib": Goal(1 / 0.8, 2)},
        rough=True,
    ),
    Scenario(
        "memory-burst",
        "the same, opened all at once, so that what 1,000 requests in flight take is in it",
        "process",
        "hold",
        Model("hold", 1),
        "kib",
        options={"streams": 1000, "at_once": 1000},
        rough=True,
    ),
    Scenario("import", "CPU of the import", "process", "import", figure="import_ms"),
    Scenario(
        "first-call",
        "the loop's longest wait in the first call",
        "process",
        "stall",
        figure="stall_ms",
        options={"warm": False},
        rough=True,
    ),
    Scenario(
        "first-call-warm",
        "the same after `warm_up()`",
        "process",
        "stall",
        figure="stall_ms",
        options={"warm": True},
        rough=True,
    ),
    Scenario(
        "memory-coalesced",
        "5,000 chunks in reads of 64 KiB",
        "socket-free",
        "drain",
        _COALESCED,
        options=_MEMORY,
        goals={"cpu_us": Goal(30, 50)},
        rough=True,
        quick=True,
    ),
    Scenario(
        "memory-live",
        "5,000 chunks, one a read",
        "socket-free",
        "drain",
        _COALESCED,
        options={**_MEMORY, "coalesced": False},
        goals={"cpu_us": Goal(9, 15)},
        rough=True,
        quick=True,
    ),
)

_SERIES: dict[str, tuple[str, tuple[int, ...]]] = {
    "length": ("chunks in the answer (coalesced): us a chunk", (200, 1000, 5000, 20000)),
    "conversation": ("messages in the conversation: us a call", (1, 10, 100, 400)),
    "streams": ("streams at once, 2,000 chunks a second together: us a chunk", (2, 20, 200, 1000)),
    "size": ("bytes of text in a chunk (coalesced): us a chunk", (5, 50, 500, 5000)),
}


def growth(series: str, x: int) -> Scenario:
    """Return one point of a series."""
    meaning = _SERIES[series][0]
    workload, model, options = "drain", Model("burst", 2000), dict[str, Any]()
    if series == "length":
        model = Model("burst", x)
    elif series == "size":
        model = Model("burst", 2000, size=x)
    elif series == "conversation":
        workload, model, options = "first", _ONCE, {"messages": x}
    else:
        rate = 2000 // x
        workload, model, options = "crowd", Model("paced", 3 * rate, rate=rate), {"streams": x, "connected": True}
    return Scenario(f"{series}-{x}", meaning, "growth", workload, model, options=options, rough=True, x=x)


GROWTH: dict[str, tuple[Scenario, ...]] = {
    series: tuple(growth(series, x) for x in values) for series, (_, values) in _SERIES.items()
}
"""The series that show how costs grow, by name."""


def scenario_named(name: str) -> Scenario:
    """Return a scenario or a point of a series."""
    everything = (*SCENARIOS, *(point for points in GROWTH.values() for point in points))
    return next(scenario for scenario in everything if scenario.name == name)
