"""The soak: a short one finds nothing, and each kind of leak would be told."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.requirement("E04-T003.AC7")
@pytest.mark.requirement("E04-T013.AC1")
def test_a_short_soak_leaves_nothing() -> None:
    command = [sys.executable, "benchmarks/soak.py", "--streams", "310", "--seconds", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "endings: 31, each 10 to 10 times\nno leaks" in done.stdout


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    soak = importlib.import_module("soak")
    rest = soak.Sample(0, 0, 7, 10, 2, 0, 0, 0, 300_000, 70.0)
    samples = [
        replace(rest, streams=number * 400, descriptors=30, sockets=22, connections=20) for number in range(1, 26)
    ]
    return soak.Report(samples, rest, rest, Counter(), Counter(), Counter(), 50)


def test_a_good_report_has_no_leaks(good: Any) -> None:
    assert good.leaks() == []


@pytest.mark.parametrize("figure", ["tasks", "responses", "calls", "threads", "descriptors", "connections", "rss"])
def test_what_is_left_at_the_end_is_reported(good: Any, figure: str) -> None:
    good.samples[-1] = replace(good.samples[-1], **{figure: getattr(good.samples[-1], figure) + 100})
    assert len(good.leaks()) == 1


@pytest.mark.parametrize("figure", ["descriptors", "sockets", "connections"])
def test_what_the_closed_client_leaves_is_reported(good: Any, figure: str) -> None:
    good.after = replace(good.after, **{figure: getattr(good.after, figure) + 1})
    assert figure in "".join(good.leaks())


def test_memory_that_grows_is_reported(good: Any) -> None:
    good.samples = [replace(sample, traced=300_000 + 12 * sample.streams) for sample in good.samples]
    assert good.leaks() == ["traced memory grew by 89.1 KiB"]


@pytest.mark.parametrize("where", ["wrong", "said"])
def test_what_went_wrong_on_the_side_is_reported(good: Any, where: str) -> None:
    getattr(good, where)["something"] += 2
    assert "something" in "".join(good.leaks())
    assert len(good.leaks()) == 1


@pytest.mark.requirement("E04-T015.AC2")
@pytest.mark.parametrize(
    ("seconds", "workers"), [(0, 2), pytest.param(120, 8, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_processes_that_fork_and_are_killed_leave_nothing(seconds: int, workers: int) -> None:
    """The command without options goes on for twenty minutes."""
    command = [sys.executable, "benchmarks/soak_processes.py", "--seconds", str(seconds), "--workers", str(workers)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no problems\n")
