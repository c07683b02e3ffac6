"""Processes that are killed at any moment: no row is paid twice, and what was under way is found again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raptscallions_bulk import BulkRun, Report
from raptscallions_bulk.testing import BillingGateway

if TYPE_CHECKING:
    from .conftest import NewClient, NewGateway

TIMEOUT = 1.2
PROGRAM = """
import asyncio, sys
from raptscallions_ai import OpenRouterClient
from raptscallions_bulk import BulkRun

async def main(url, source, folder):
    async with OpenRouterClient("sk-fake-billing", url, "fake/billed") as client:
        run = BulkRun(client, source, folder, key="id", timeout={timeout}, options={{"max_tokens": 50}}, max_cost="100")
        print("begun", flush=True)
        await run

asyncio.run(main(*sys.argv[1:]))
"""


def write_rows(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"id": f"r{n}", "text": f"row {n}"}) + "\n" for n in range(count)))
    return path


def run_and_kill(gateway: BillingGateway, source: Path, folder: Path, after: float) -> bool:
    """Start a run and kill it after a while; return whether it had ended by itself."""
    command = [sys.executable, "-c", PROGRAM.format(timeout=TIMEOUT), gateway.base_url, str(source), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        return process.wait() == 0


async def finish(client: Any, source: Path, folder: Path) -> Report:
    options = {"max_tokens": 50}
    return await BulkRun(client, source, folder, key="id", timeout=TIMEOUT, options=options, max_cost="100")


async def check_kills(
    gateway: BillingGateway, client: Any, tmp_path: Path, *, rows: int, kills: int, seconds: float, seed: int
) -> Report:
    source, folder, chance = write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "run", random.Random(seed)
    killed = 0
    for _ in range(kills):
        killed += not run_and_kill(gateway, source, folder, chance.uniform(0.0, seconds))
    assert killed >= kills // 2, "most of the runs are to be killed before their end"
    report = await finish(client, source, folder)
    assert gateway.paid_twice == []
    return report


@pytest.mark.requirement("E06-T002.AC3")
async def test_with_a_cache_at_the_gateway_no_answer_is_lost(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(caches=True, latency=(0.03, 0.25))
    report = await check_kills(gateway, new_client(gateway), tmp_path, rows=400, kills=2, seconds=0.5, seed=1)
    assert (report.answered, report.in_doubt) == (400, ())
    assert report.spent >= gateway.cost, "what is uncertain counts with the most that it can be"


@pytest.mark.requirement("E06-T002.AC3")
async def test_without_a_cache_what_was_open_is_in_doubt_and_listed(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(latency=(0.03, 0.25))
    report = await check_kills(gateway, new_client(gateway), tmp_path, rows=250, kills=1, seconds=0.5, seed=2)
    assert report.answered + len(report.in_doubt) == 250
    assert report.spent + report.reserved >= gateway.cost
    answered_elsewhere = [row for row in report.in_doubt if gateway.sent[f"row {row}"] > 1]
    assert answered_elsewhere == [], "a row in doubt is not asked again"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("caches", [True, False])
async def test_a_hundred_kills(new_gateway: NewGateway, new_client: NewClient, tmp_path: Path, caches: bool) -> None:
    gateway = new_gateway(caches=caches, latency=(0.5, 1.0))
    report = await check_kills(gateway, new_client(gateway), tmp_path, rows=10_000, kills=100, seconds=1.0, seed=3)
    assert report.answered + len(report.in_doubt) == 10_000
    if caches:
        assert report.in_doubt == ()
