"""Random runs with caps: spent plus reserved is never above the cap, at any record, and the books are the journal's."""

from __future__ import annotations

import asyncio
import contextlib
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import ChatResult, ConnectionError, ProviderError, RateLimitError, TimeoutError, Usage
from raptscallions_ai.testing import ScriptedClient
from raptscallions_bulk import BulkRun, Price, RunStoppedError
from raptscallions_bulk.engine import engine
from raptscallions_bulk.journal.records import Record
from raptscallions_bulk.ledger.ledger import Ledger
from raptscallions_bulk.viewing import RunView

PRICE = Price(prompt="1", completion="2")


class Gateway(ScriptedClient):
    """A gateway that fails now and then, asks what it likes up to the list price, and keeps books."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__("unused")
        self.chance, self.books, self.unknown = chance, Decimal(0), Decimal(0)

    async def chat(self, messages: Any, *, model: str | None = None, **options: Any) -> ChatResult:
        await asyncio.sleep(0)
        trouble = self.chance.random()
        if trouble < 0.1:
            raise RateLimitError(0.001)
        if trouble < 0.15:
            raise ProviderError(status_code=503)
        tokens = self.chance.randrange(1, 50)
        cost = Decimal(len(str(messages)) // 4 + 2 * tokens) / 10**6
        self.books += cost
        if trouble < 0.2:
            self.unknown += cost
            raise self.chance.choice([TimeoutError(1, phase="total"), ConnectionError(details={"reason": "reset"})])
        usage = Usage(prompt_tokens=10, completion_tokens=tokens, total_tokens=10 + tokens, cost=cost)
        return ChatResult(content="an answer", usage=usage, model="fake", finish_reason="stop")


async def check(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run with a cap, and once more with a higher one; return whether the first one was reached."""
    chance = random.Random(seed)
    gateway = Gateway(chance)
    rows = [{"text": "word " * chance.randrange(1, 40)} for _ in range(chance.randrange(5, 40))]
    caps = sorted(Decimal(chance.randrange(1, 4000)) / 10**6 for _ in range(2))
    applied: list[Record] = []
    real = Ledger.apply

    def apply(ledger: Ledger, record: Record) -> None:
        real(ledger, record)
        applied.append(record)
        assert ledger.committed <= int(cap * 10**12), record

    was_reached = False
    monkeypatch.setattr(Ledger, "apply", apply)
    monkeypatch.setattr(engine, "_LONGEST_PAUSE", 0.001)
    for cap in caps:
        run = BulkRun(
            gateway,
            rows,
            folder,
            options={"max_tokens": 50},
            max_cost=cap,
            price=PRICE,
            in_doubt="keep",
            dedupe=False,
            requests_per_minute=10**6,  # or refusals would teach a rate that takes seconds
            tokens_per_minute=10**9,
        )
        with contextlib.suppress(RunStoppedError):  # the first rows all failed alike
            was_reached = (await run).stopped == "max_cost is reached" or was_reached
        assert gateway.books <= cap
    monkeypatch.undo()
    ledger = RunView(folder).ledger
    certain = gateway.books - gateway.unknown
    assert ledger.spent == int(certain * 10**12)
    assert ledger.spent + ledger.reserved >= int(gateway.books * 10**12)
    assert applied
    return was_reached


@pytest.mark.requirement("E06-T001.AC5")
async def test_a_cap_holds_at_every_record_of_random_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = [await check(seed, tmp_path / str(seed), monkeypatch) for seed in range(6)]
    assert any(reached)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.requirement("E06-T001.AC5")
async def test_a_cap_holds_at_every_record_of_a_thousand_random_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(500):  # two runs each
        await check(seed, tmp_path / str(seed), monkeypatch)
