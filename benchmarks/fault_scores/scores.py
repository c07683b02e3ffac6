"""`Scores`: every verdict on every client, and where and when they were found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from raptscallions_ai.testing.faults import Verdict

__all__ = ["Score", "Scores"]


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one fault.

    Attributes:
        fault: Its id.
        verdict: How the client did.
        said: The error's class and the beginning of its message; empty if there was none.
        text: The beginning of the text that the caller got.
        requests: How many requests arrived.
        seconds: How long it took.
    """

    fault: str
    verdict: Verdict
    said: str
    text: str
    requests: int
    seconds: float


@dataclass(slots=True)
class Scores:
    """One run.

    Attributes:
        command: What was called.
        machine: What it ran on.
        versions: The versions of every client's packages, in the order of the table.
        missing: Why a client could not take part, by its name.
        by_client: Its scores.
    """

    command: str
    machine: dict[str, str]
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    versions: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    missing: dict[str, str] = field(default_factory=dict[str, str])
    by_client: dict[str, list[Score]] = field(default_factory=dict[str, list[Score]])

    def add(self, client: str, score: Score) -> None:
        """Add a score."""
        self.by_client.setdefault(client, []).append(score)

    def counted(self, client: str, among: Container[str] | None = None) -> Counter[str]:
        """Return how often each verdict was found, of all faults or of those that are named."""
        scores = self.by_client.get(client, [])
        return Counter(score.verdict for score in scores if among is None or score.fault in among)

    def verdict(self, client: str, fault: str) -> Verdict | None:
        """Return how a client did on a fault, or None if it was not played to it."""
        return next((score.verdict for score in self.by_client.get(client, []) if score.fault == fault), None)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
