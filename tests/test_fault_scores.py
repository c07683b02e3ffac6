"""What is told of the peers: the way in which they are asked, tried with a client in this folder, and the page."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai.testing.faults import FAULTS, Category, Verdict, observe

ROOT = Path(__file__).resolve().parents[1]
SCORING = ROOT / "benchmarks" / "fault_scores"
PAGE = ROOT / "docs" / "fault-scores.md"
NAIVE = Path(__file__).with_name("naive_client.py")
BY_ID = {fault.id: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def child() -> dict[str, Any]:
    return runpy.run_path(str(SCORING / "child.py"))


@pytest.fixture(scope="module")
def left_out() -> dict[str, str]:
    scored = runpy.run_path(str(SCORING / "scored.py"))
    reasons = {fault.id: scored["left_out"](fault) for fault in FAULTS}
    return {name: why for name, why in reasons.items() if why is not None}


async def test_a_client_in_a_process_of_its_own_is_judged_as_any_other(child: dict[str, Any]) -> None:
    verdicts = {
        "sse-comments": "ok",
        "cut-clean-end": "silent",
        "connect-refused": "ok",
        "garbled-json": "foreign",
        "chunk-choices-null": "failed",
        "silent-after-text": "hung",
        "leave-break-silent": "leaked",
        "leave-cancel": "leaked",
        "sse-megabyte-event": "ok",
    }
    found: dict[str, str] = {}
    async with child["Child"](sys.executable, NAIVE) as naive:
        for name in verdicts:
            started = await naive.ready()
            assert started == (not found), "a client that lets itself be cancelled is not started again"
            outcome = await observe(BY_ID[name], naive.ask, errors=(child["OwnError"],), patience=1.0)
            found[name] = BY_ID[name].judge(outcome)
    assert found == verdicts


async def test_a_client_that_does_not_let_itself_be_cancelled_is_started_again(
    child: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raptscallions_ai.testing.faults.trial._LOADING", 0.1)
    stubborn = tmp_path / "stubborn.py"
    stubborn.write_text(
        "import time\nERRORS = ()\nconnect = id\nasync def ask(client, trial, reader):\n    time.sleep(60)\n"
    )
    async with child["Child"](sys.executable, stubborn) as client:
        assert await client.ready()
        outcome = await observe(BY_ID["sse-lf"], client.ask, patience=0.2)
        assert outcome.hung
        assert await client.ready()
        assert client.restarts == 1


async def test_a_client_that_dies_has_failed(child: dict[str, Any], tmp_path: Path) -> None:
    mortal = tmp_path / "mortal.py"
    mortal.write_text("import os\nERRORS = ()\nconnect = id\nasync def ask(client, trial, reader):\n    os._exit(1)\n")
    async with child["Child"](sys.executable, mortal) as client:
        await client.ready()
        outcome = await observe(BY_ID["status-500"], client.ask, errors=(child["OwnError"],), patience=5.0)
        assert BY_ID["status-500"].judge(outcome) == "foreign"
        assert str(outcome.error) == "the process died"


def test_the_page_is_about_this_catalogue(left_out: dict[str, str]) -> None:
    page = PAGE.read_text("utf-8")
    stale = "run: python3 dev.py run python benchmarks/score_faults.py"
    assert f"[catalogue of {len(FAULTS)} faults]" in page, stale
    assert f"\n{len(FAULTS) - len(left_out)} of them are scored; {len(left_out)} rest on" in page, stale
    for category in Category:
        scored = [fault for fault in FAULTS if fault.category is category and fault.id not in left_out]
        assert f"\n| {category} | {len(scored)} |" in page, stale
    assert [verdict for verdict in Verdict if f"\n| `{verdict}` |" not in page] == []
    told = page.partition("## Left out")[2]
    assert set(re.findall(r"`([a-z0-9-]+)`", told)) == left_out.keys(), stale


def test_every_row_of_the_page_adds_up(left_out: dict[str, str]) -> None:
    page = PAGE.read_text("utf-8")
    table = page.partition(f"| client, of {len(FAULTS) - len(left_out)} |")[2].partition("\n\n")[0]
    counts = [[int(cell) for cell in re.findall(r"\| (\d+)(?= \|)", line)] for line in table.splitlines()[2:]]
    assert len(counts) >= 4
    assert [sum(row) for row in counts] == [len(FAULTS) - len(left_out)] * len(counts)
