"""Runs on a real Ray cluster of three simulated nodes, in an environment of its own (620 MB, made on first use)."""

from __future__ import annotations

import json
import os
import runpy
import site
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
HERE = Path(__file__).resolve().parent / "ray"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.requirement("E06-T006.AC1", "E06-T006.AC2")
@pytest.mark.parametrize("way", ["run", "dataset"])
def test_no_row_is_paid_twice_or_lost_when_a_node_and_the_journal_die(tmp_path: Path, way: str) -> None:
    python = runpy.run_path(str(ROOT / "benchmarks/environments.py"))["python_environment"](HERE / "requirements.txt")
    ours = [ROOT / "packages/ai/src", ROOT / "packages/bulk/src", *site.getsitepackages()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ours)), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [str(python), str(HERE / "nodes.py"), str(tmp_path / "run"), way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    # What becomes of the cluster at the end, after a node was killed, is Ray's own affair.
    assert done.stdout, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"answered": 1000, "doubtful": 0, "paid_twice": []}
