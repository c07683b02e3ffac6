"""A journal and the workers that ask it, without Ray: no row is asked twice, whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from raptscallions_ai import AuthenticationError, OpenRouterClient
from raptscallions_bulk.cluster import journal as journal_module
from raptscallions_bulk.cluster.journal import Claim, Journal
from raptscallions_bulk.cluster.worker import Worker
from raptscallions_bulk.engine.settings import Settings
from raptscallions_bulk.rows.request import RequestMaker
from raptscallions_bulk.testing import BillingGateway

OPTIONS = {"max_tokens": 50}
TARIFF = (1_000_000, 2_000_000, 0)


def maker() -> RequestMaker:
    return RequestMaker("{text}", instructions=None, model=None, options=OPTIONS, schema=None)


def journal_of(folder: Path, **options: Any) -> Journal:
    return Journal(str(folder), {"name": "rows"}, maker().fingerprint, quiet_after=0.4, **options)


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"row {number}"} for number in range(start, start + count)]


@pytest.fixture
def gateway() -> Iterator[BillingGateway]:
    with BillingGateway(caches=True, latency=(0.0, 0.01)) as gateway:
        yield gateway


@pytest_asyncio.fixture
async def client(gateway: BillingGateway) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
        yield client


def worker_of(client: OpenRouterClient, journal: Journal, **options: Any) -> Worker:
    settings = Settings(options=OPTIONS, timeout=5.0, caches=True, tariff=TARIFF, max_tokens=50, **options)
    return Worker(client, journal, maker(), settings, key="id")


@pytest.mark.requirement("E06-T006.AC2")
async def test_workers_that_get_the_same_rows_ask_each_once(
    gateway: BillingGateway, client: OpenRouterClient, tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "run")
    workers = [worker_of(client, journal) for _ in range(3)]
    answers = await asyncio.gather(
        *[worker.ask(rows(40, start)) for worker, start in zip(workers, (0, 10, 20), strict=True)]
    )
    for start, block in zip((0, 10, 20), answers, strict=True):
        assert [row.answer for row in block] == [f"answer to row {start + place}" for place in range(40)]
    assert set(gateway.billed.values()) == {1} and len(gateway.billed) == 60
    await journal.aclose()
    again = journal_of(tmp_path / "run")
    assert {row.status for row in await worker_of(client, again).ask(rows(60))} == {"answered"}
    assert gateway.sent.total() == 60
    await again.aclose()


@pytest.mark.requirement("E06-T006.AC2")
async def test_what_a_dead_worker_had_sent_comes_from_the_gateways_cache(
    gateway: BillingGateway, client: OpenRouterClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_ALIVE", 0.2)
    journal = journal_of(tmp_path / "run")
    await worker_of(client, journal).ask(rows(1))  # by which the journal learns that the gateway keeps answers
    made = [maker().make(row) for row in rows(5, 1)]
    claims = [Claim(number, f"r{number}", one.digest, 100) for number, one in enumerate(made, 1)]
    assert {one.verdict for one in await journal.claim("dead", claims)} == {"ask"}
    options: Any = {**Settings(options=OPTIONS, timeout=5.0, caches=True).call_options()}
    for row in rows(3, 1):  # three of them reached the gateway
        await client.chat(row["text"], stream=False, **options)
    told = await worker_of(client, journal).ask(rows(6), list(range(6)))
    assert [row.status for row in told] == ["answered"] * 6
    assert gateway.paid_twice == []
    await journal.aclose()


@pytest.mark.requirement("E06-T006.AC2")
async def test_without_a_cache_what_was_sent_stays_in_doubt_also_after_the_journal_died(
    client: OpenRouterClient, tmp_path: Path
) -> None:
    journal = journal_of(tmp_path / "run")
    request = maker().make(rows(1)[0])
    assert (await journal.claim("one", [Claim(0, "r0", request.digest, 100)]))[0].verdict == "ask"
    assert (await journal.claim("two", [Claim(0, "r0", request.digest, 100)]))[0].verdict == "elsewhere"
    assert (await journal.claim("one", [Claim(0, "r0", request.digest, 100)]))[0].verdict == "ask", "it was never sent"
    await journal.aclose()
    again = journal_of(tmp_path / "run")
    assert (await again.claim("two", [Claim(0, "r0", request.digest, 100)]))[0].verdict == "in doubt"
    assert [row.status for row in await worker_of(client, again).ask(rows(2), [0, 1])] == ["in doubt", "answered"]
    await again.aclose()


async def test_a_cap_holds_over_all_workers(gateway: BillingGateway, client: OpenRouterClient, tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "run", max_cost=1_000_000_000)
    workers = [worker_of(client, journal) for _ in range(3)]
    blocks = await asyncio.gather(*[worker.ask(rows(20, 20 * place)) for place, worker in enumerate(workers)])
    statuses = [row.status for block in blocks for row in block]
    assert 0 < statuses.count("answered") < 60 and set(statuses) == {"answered", "waiting"}
    assert gateway.cost <= 1
    await journal.aclose()


async def test_failures_are_kept_and_limits_are_waited_for(client: OpenRouterClient, tmp_path: Path) -> None:
    def fail(prompt: str, times: int) -> int | None:
        if prompt == "row 3":
            return 400
        return 429 if prompt == "row 5" and times < 3 else None

    with BillingGateway(fail=fail) as gateway:
        async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as own:
            journal = journal_of(tmp_path / "run")
            told = await worker_of(own, journal).ask([*rows(8), {"id": "x"}], list(range(9)))
            assert [row.status for row in told] == ["answered"] * 3 + ["failed"] + ["answered"] * 4 + ["failed"]
            assert gateway.sent["row 5"] == 3
            gateway.api_key = "sk-another"
            with pytest.raises(AuthenticationError):
                await worker_of(own, journal).ask(rows(3, 10), [10, 11, 12])
            assert (await journal.claim("w", [Claim(10, "r10", b"1" * 16, 1)]))[0].verdict == "ask", "it came back"
            await journal.aclose()
