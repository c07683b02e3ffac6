"""The benchmarks run, and notice an answer that is not whole; what they measure is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN = [sys.executable, str(ROOT / "benchmarks/run.py"), "--rounds", "1", "--seconds", "0.01"]

if os.name == "nt":
    pytest.skip("the benchmarks need process groups and limits of a POSIX system", allow_module_level=True)


def run(output: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Return what is printed and what is saved."""
    command = [*RUN, "--output", str(output), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=output.parent)
    return done.stdout, json.loads(output.read_text("utf-8"))


@pytest.mark.requirement("E04-T004.AC1")
def test_a_choice_of_scenarios_gives_figures_and_a_comparison(tmp_path: Path) -> None:
    arguments = ["--only", "first,complete,memory-live", "--peers", "raw-aiohttp,raw-socket"]
    _, baseline = run(tmp_path / "before.json", *arguments)
    assert [sample["error"] for sample in baseline["samples"] if sample["error"]] == []
    measured = {(sample["participant"], sample["scenario"]) for sample in baseline["samples"]}
    both = {
        (name, scenario) for name in ("raptscallions-ai", "openai") for scenario in ("first", "complete", "memory-live")
    }
    raw = {(name, scenario) for name in ("raw aiohttp", "raw socket") for scenario in ("first", "complete")}
    assert measured == both | raw
    assert all(sample["figures"]["cpu_us"] > 0 for sample in baseline["samples"])

    printed, _ = run(
        tmp_path / "after.json", "--only", "first", "--peers", "raw-socket", "--compare", str(tmp_path / "before.json")
    )
    assert "| client | first: CPU, us | first: first chunk, ms |" in printed
    assert "| scenario | then | now | change |" in printed
    assert "first, first_ms" in printed


def test_an_unknown_scenario_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, "--only", "nonsense"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "unknown: nonsense" in done.stderr
