"""The batch lane, over hosts that take batches in three dialects: each row is handed over once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydantic import BaseModel

from raptscallions_ai import AsyncAnthropicClient, AsyncOpenAICompatClient, ChatClient, OpenRouterClient
from raptscallions_ai.testing import ScriptedClient
from raptscallions_bulk import BulkRun, Price, Report, RunStoppedError
from raptscallions_bulk.engine import batches
from raptscallions_bulk.testing import BatchGateway

KINDS = ["openrouter", "openai", "anthropic"]
PRICE = Price(prompt="0.5", completion="1")


class Start(Protocol):
    """Makes a host that takes batches, and starts it."""

    def __call__(
        self,
        kind: Any = "openrouter",
        *,
        looks: int = 1,
        takes: Callable[[int], str] = ...,
        skips: Callable[[str], bool] = ...,
        fails: Callable[[str], bool] = ...,
        answer: Callable[[str], str] = ...,
    ) -> BatchGateway: ...


def client_of(kind: str, url: str) -> ChatClient:
    if kind == "openai":
        return AsyncOpenAICompatClient("sk-fake-billing", url, "fake/billed")
    if kind == "anthropic":
        return AsyncAnthropicClient("sk-fake-billing", "fake/billed", base_url=url)
    return OpenRouterClient("sk-fake-billing", url, "fake/billed")


@pytest.fixture
def start() -> Iterator[Start]:
    """A maker of hosts that take batches, which end with the test."""
    gateways: list[BatchGateway] = []

    def make(*given: Any, **options: Any) -> BatchGateway:
        gateways.append(BatchGateway(*given, **options))
        return gateways[-1].__enter__()

    yield make
    for gateway in gateways:
        gateway.__exit__(None, None, None)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"row {number}"} for number in range(count)]


async def run(kind: str, gateway: BatchGateway, folder: Path, count: int = 10, **options: Any) -> Report:
    client = client_of(kind, gateway.base_url)
    try:
        given: dict[str, Any] = {"options": {"max_tokens": 50}, "price": PRICE, "batch_size": 4, "key": "id", **options}
        return await BulkRun(client, rows(count), folder, batch=True, **given)
    finally:
        await client.aclose()


@pytest.mark.requirement("E06-T004.AC1")
@pytest.mark.parametrize("kind", KINDS)
async def test_every_row_is_answered_once_at_half_the_price(start: Start, kind: str, tmp_path: Path) -> None:
    gateway = start(kind, fails=lambda prompt: prompt == "row 7")
    report = await run(kind, gateway, tmp_path / "run")
    assert (report.answered, report.errors, report.in_doubt) == (9, {"BadRequestError": 1}, ())
    assert gateway.batches == 3
    assert set(gateway.billed.values()) == {1} and gateway.paid_twice == []
    assert report.spent == gateway.cost
    again = await run(kind, gateway, tmp_path / "run")
    assert (again.answered, gateway.batches) == (9, 3)


@pytest.mark.requirement("E06-T004.AC2")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_whose_acceptance_was_lost_is_found_again(start: Start, kind: str, tmp_path: Path) -> None:
    gateway = start(kind, takes=lambda number: "forget" if number == 2 else "answer")
    report = await run(kind, gateway, tmp_path / "run")
    assert (report.answered, gateway.batches) == (10, 3)
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T004.AC2")
async def test_a_batch_that_the_gateway_does_not_list_is_handed_over_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_UNLISTED", 0.3)
    gateway = start("openai", takes=lambda number: "drop" if number == 2 else "answer")
    report = await run("openai", gateway, tmp_path / "run")
    assert (report.answered, gateway.batches) == (10, 3)
    assert gateway.paid_twice == []
    assert report.retries == {"NotAsked": 4}


PROGRAM = """
import asyncio, json, sys
from raptscallions_ai import OpenRouterClient
from raptscallions_bulk import BulkRun

async def main(url, folder):
    rows = [{"id": f"r{number}", "text": f"row {number}"} for number in range(10)]
    async with OpenRouterClient("sk-fake-billing", url, "fake/billed") as client:
        options = {"max_tokens": 50}
        await BulkRun(client, rows, folder, batch=True, batch_size=4, key="id", options=options)

asyncio.run(main(*sys.argv[1:]))
"""


def process_of(gateway: BatchGateway, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, gateway.base_url, str(folder)])


@pytest.mark.requirement("E06-T004.AC2")
@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.long), 3])
async def test_after_a_kill_no_batch_is_handed_over_twice(start: Start, tmp_path: Path, at: int) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def takes(number: int) -> str:
        if number == at and processes[0].poll() is None:
            os.kill(processes[0].pid, signal.SIGKILL)
        return "answer"

    gateway = start("openrouter", takes=takes)
    processes.append(process_of(gateway, tmp_path / "run"))
    assert processes[0].wait(60) == -signal.SIGKILL
    report = await run("openrouter", gateway, tmp_path / "run", price=None)
    assert (report.answered, report.in_doubt, gateway.batches) == (10, (), 3)
    assert gateway.paid_twice == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_not_asked_in_time_is_asked_in_the_next_batch(start: Start, kind: str, tmp_path: Path) -> None:
    late = {"row 1", "row 9"}

    def skips(prompt: str) -> bool:
        if prompt in late:
            late.remove(prompt)
            return True
        return False

    gateway = start(kind, skips=skips)
    report = await run(kind, gateway, tmp_path / "run")
    assert (report.answered, report.retries) == (10, {"NotAsked": 2})
    assert gateway.paid_twice == []


async def test_a_gateway_that_takes_none_is_asked_again_later(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_LONGEST_PAUSE", 0.2)
    gateway = start("openrouter", takes=lambda number: "refuse" if number == 1 else "answer")
    report = await run("openrouter", gateway, tmp_path / "run")
    assert (report.answered, report.retries) == (10, {"ProviderError": 4})


async def test_a_cap_holds_and_batches_go_on_while_nobody_looks(start: Start, tmp_path: Path) -> None:
    gateway = start("openrouter", looks=10**6)
    client = client_of("openrouter", gateway.base_url)
    stopped = BulkRun(
        client,
        rows(10),
        tmp_path / "run",
        batch=True,
        batch_size=4,
        options={"max_tokens": 50},
        on_progress=lambda status: stopped.drain() if status.open == 10 else None,
    )
    report = await stopped
    assert (report.answered, report.in_batches, report.in_doubt, report.waiting) == (0, 10, (), 0)
    gateway._looks = 1  # pyright: ignore[reportPrivateUsage] - the test's own server
    report = await BulkRun(client, rows(10), tmp_path / "run", batch=True, options={"max_tokens": 50})
    assert (report.answered, gateway.batches) == (10, 3)
    capped = await BulkRun(
        client, rows(10), tmp_path / "capped", batch=True, batch_size=4, options={"max_tokens": 50}, max_cost="0.0003"
    )
    assert capped.answered == 10 and gateway.batches > 3 + 3, "the cap allows smaller ones only"
    assert capped.spent <= Decimal("0.0003")
    await client.aclose()


class Label(BaseModel):
    label: str


async def test_answers_have_the_type_that_was_asked_for(start: Start, tmp_path: Path) -> None:
    gateway = start("openai", answer=lambda prompt: "no" if prompt == "row 3" else json.dumps({"label": prompt}))
    client = client_of("openai", gateway.base_url)
    labelled = BulkRun(client, rows(5), tmp_path / "run", batch=True, answer_as=Label)
    seen = {row.number: row async for row in labelled}
    assert seen[2].answer == Label(label="row 2")
    assert type(seen[3].error).__name__ == "InvalidOutputError" and seen[3].cost > 0
    await client.aclose()


async def test_who_takes_no_batches_is_refused_at_once(start: Start, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="whose gateway takes batches"):
        BulkRun(ScriptedClient("Hi"), rows(1), tmp_path / "run", batch=True)
    gateway = start("openrouter")
    client = OpenRouterClient("sk-wrong", gateway.base_url, "fake/billed")
    with pytest.raises(RunStoppedError, match="took no batch"):
        await BulkRun(client, rows(1), tmp_path / "run", batch=True)
    await client.aclose()
