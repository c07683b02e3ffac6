"""A run from its first row to its last, again, and differently."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from raptscallions_ai.wrappers import RateLimitedClient, SharedRateLimiter
from raptscallions_bulk import (
    BulkRun,
    Price,
    PriceError,
    Row,
    RunChangedError,
    RunFolderError,
    RunStoppedError,
    SourceError,
)

if TYPE_CHECKING:
    from .conftest import NewClient, NewGateway

LIMITED = {"max_tokens": 50}


def refuses_all(prompt: str, times: int) -> int:
    return 400


def refuses_sevens(prompt: str, times: int) -> int | None:
    return 400 if prompt.endswith("7") else None


def ends_with_seven(prompt: str) -> bool:
    return prompt.endswith("7")


def fails_twice_at_five(prompt: str, times: int) -> int | None:
    return 503 if prompt == "row 5" and times < 3 else None


def says_yes(prompt: str) -> str:
    return "yes"


def rows(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"row {number}"} for number in range(start, start + count)]


async def test_every_row_is_answered_once_and_kept(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    run = BulkRun(new_client(gateway), rows(200), tmp_path / "run", key="id")
    seen = [row async for row in run]
    assert sorted(row.key for row in seen) == sorted(row["id"] for row in rows(200))
    assert all(row.answer == f"answer to {row.input['text']}" for row in seen)
    assert gateway.billed.total() == len(gateway.billed) == 200
    report = run.report
    assert report is not None and report.complete
    assert (report.answered, report.failed, report.spent) == (200, 0, gateway.cost)


async def test_a_run_that_is_over_asks_nothing_more(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client = new_client(gateway)
    first = await BulkRun(client, rows(50), tmp_path / "run")
    again = await BulkRun(client, rows(50), tmp_path / "run")
    assert gateway.sent.total() == 50
    assert (again.answered, again.spent) == (first.answered, first.spent)


@pytest.mark.requirement("E06-T002.AC5")
async def test_rows_that_ask_the_same_are_asked_once(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client = new_client(gateway)
    run = BulkRun(client, [{"text": f"row {number % 10}"} for number in range(100)], tmp_path / "run")
    seen = [row async for row in run]
    assert gateway.sent.total() == 10
    assert sorted(row.number for row in seen) == list(range(100))
    assert all(row.answer == f"answer to row {row.number % 10}" for row in seen)
    assert all(row.same_as == row.number % 10 for row in seen if row.number >= 10)
    report = run.report
    assert report is not None
    assert (report.answered, report.duplicates) == (100, 90)


async def test_rows_that_ask_the_same_can_be_asked_each(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    await BulkRun(new_client(gateway), ["same"] * 7, tmp_path / "run", dedupe=False)
    assert gateway.billed["same"] == 7


class Label(BaseModel):
    label: str
    score: int


@pytest.mark.requirement("E06-T002.AC9")
async def test_answers_have_the_type_that_was_asked_for(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    def answer(prompt: str) -> str:
        return "no idea" if prompt == "row 3" else json.dumps({"label": prompt, "score": 1})

    gateway = new_gateway(answer=answer)
    run = BulkRun(new_client(gateway), rows(5), tmp_path / "run", answer_as=Label)
    seen = {row.number: row async for row in run}
    assert seen[2].answer == Label(label="row 2", score=1)
    assert type(seen[3].error).__name__ == "InvalidOutputError"
    assert seen[3].cost > 0, "it was an answer, and it was paid"
    report = run.report
    assert report is not None
    assert (report.errors, report.spent) == ({"InvalidOutputError": 1}, gateway.cost)
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T002.AC4")
async def test_a_changed_template_is_refused_or_asks_changed_rows_only(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client, folder = new_client(gateway), tmp_path / "run"
    await BulkRun(client, rows(10), folder, ask="{text}")
    with pytest.raises(RunChangedError, match="the template changed since this run began"):
        await BulkRun(client, rows(10), folder, ask="Classify: {text}")
    with pytest.raises(RunChangedError, match="the model, an option"):
        await BulkRun(client, rows(10), folder, options={"temperature": 0.5})
    assert gateway.sent.total() == 10
    report = await BulkRun(client, rows(10), folder, ask="Classify: {text}", changed=True)
    assert gateway.sent.total() == 20
    assert (report.rows, report.answered) == (10, 10)


@pytest.mark.requirement("E06-T002.AC4")
async def test_a_changed_file_asks_what_is_new_in_it_only(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client, folder, file = new_client(gateway), tmp_path / "run", tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(10)))
    await BulkRun(client, file, folder, key="id")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(10, start=5)))
    with pytest.raises(RunChangedError, match="the source changed"):
        await BulkRun(client, file, folder, key="id")
    run = BulkRun(client, file, folder, key="id", changed=True)
    seen = {row.key: row.answer async for row in run}
    assert gateway.sent.total() == 15
    assert gateway.paid_twice == []
    assert seen["r7"] == "answer to row 7", "it was answered in the run before"
    assert len(seen) == 10


@pytest.mark.requirement("E06-T001.AC5")
async def test_a_cap_is_never_exceeded_and_can_be_raised(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client, folder = new_client(gateway), tmp_path / "run"
    report = await BulkRun(client, rows(100), folder, options=LIMITED, max_cost="0.0005")
    assert gateway.cost <= Decimal("0.0005")
    assert report.spent == gateway.cost
    assert report.stopped == "max_cost is reached"
    assert 0 < report.answered < 100 and report.waiting == 100 - report.answered
    report = await BulkRun(client, rows(100), folder, options=LIMITED, max_cost="1")
    assert report.complete and gateway.paid_twice == []
    assert report.spent == gateway.cost


@pytest.mark.requirement("E06-T002.AC5")
async def test_a_cap_needs_prices_and_a_limit_of_tokens(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client = new_client(gateway)
    with pytest.raises(PriceError, match="max_tokens"):
        await BulkRun(client, rows(3), tmp_path / "run", max_cost=1)
    with pytest.raises(PriceError, match=r"price=Price\("):
        await BulkRun(client, rows(3), tmp_path / "run", max_cost=1, options=LIMITED, model="unknown/model")
    assert gateway.sent.total() == 0


@pytest.mark.requirement("E06-T002.AC7")
async def test_a_wrong_key_stops_the_run_at_once(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client = new_client(gateway)
    gateway.api_key = "sk-fake-another"
    with pytest.raises(RunStoppedError, match="check API key") as caught:
        await BulkRun(client, rows(500), tmp_path / "run")
    assert caught.value.report.requests <= 8
    assert caught.value.report.waiting == 500


@pytest.mark.requirement("E06-T002.AC7")
async def test_twenty_failures_alike_at_the_start_stop_the_run(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(fail=refuses_all)
    with pytest.raises(RunStoppedError, match="the first 20 rows all failed with BadRequestError"):
        await BulkRun(new_client(gateway), rows(500), tmp_path / "run")
    assert gateway.sent.total() == 20


async def test_poison_fails_alone(new_gateway: NewGateway, new_client: NewClient, tmp_path: Path) -> None:
    gateway = new_gateway(fail=refuses_sevens)
    source = [*rows(100), {"id": "x"}, 5, {"id": "y", "text": None}]
    run = BulkRun(new_client(gateway), source, tmp_path / "run")
    failed = {row.number async for row in run if row.status == "failed"}
    assert failed == {*range(7, 100, 10), 100, 101, 102}
    report = run.report
    assert report is not None
    assert report.errors == {"BadRequestError": 10, "SourceError": 2, "ValueError": 1}  # a message without a text
    assert max(gateway.sent.values()) == 1


async def test_what_the_gateway_fails_at_is_asked_again_a_few_times(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(fail=fails_twice_at_five)
    report = await BulkRun(new_client(gateway), rows(20), tmp_path / "run")
    assert report.answered == 20
    assert gateway.sent["row 5"] == 3
    assert dict(report.retries) == {"ProviderError": 2}
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T002.AC6")
async def test_a_limit_that_is_not_told_is_found_and_costs_no_row(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(requests_per_second=60, latency=(0.2, 0.4))
    report = await BulkRun(new_client(gateway), rows(300), tmp_path / "run")
    assert (report.answered, report.failed) == (300, 0)
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T002.AC3")
async def test_a_request_that_was_lost_on_a_kept_connection_is_not_sent_again(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(drops=ends_with_seven)
    report = await BulkRun(new_client(gateway), rows(30), tmp_path / "run", timeout=0.5)
    assert (report.answered, report.in_doubt) == (27, (7, 17, 27))
    assert gateway.paid_twice == [] and max(gateway.sent.values()) == 1


async def test_a_run_keeps_a_limit_that_processes_share(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    limiter = SharedRateLimiter("redis://127.0.0.1:1/0", "no-redis-here", requests_per_minute=60_000)
    client = RateLimitedClient(new_client(gateway), limiter)
    price = Price(prompt=1, completion=2)
    report = await BulkRun(client, rows(30), tmp_path / "run", options=LIMITED, max_cost=1, price=price)
    assert (report.answered, report.spent, limiter.trips > 0) == (30, gateway.cost, True)
    limiter.close()


@pytest.mark.requirement("E06-T002.AC8")
async def test_leaving_the_loop_lets_what_is_open_end(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    client, folder = new_client(gateway), tmp_path / "run"
    run = BulkRun(client, rows(300), folder)
    iterator = run.__aiter__()
    first = await anext(iterator)
    assert isinstance(first, Row)
    await iterator.aclose()  # type: ignore[attr-defined] - an async generator
    report = run.report
    assert report is not None
    assert report.in_doubt == ()
    assert report.answered == gateway.billed.total() < 300
    assert (await BulkRun(client, rows(300), folder)).answered == 300
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T002.AC2")
async def test_a_plan_tells_what_the_run_will_take_and_spends_the_sample_only(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway()
    source = [*rows(100), *rows(10), {"nothing": 1}]
    run = BulkRun(new_client(gateway), source, tmp_path / "run", options=LIMITED)
    plan = await run.plan()
    assert gateway.sent.total() == 0
    assert (plan.rows, plan.duplicates, plan.invalid) == (100, 10, 1)
    assert plan.cost_low is None and plan.cost_high is not None
    plan = await run.plan(sample=20)
    assert gateway.sent.total() == 20
    assert (plan.rows, plan.sampled, plan.spent) == (80, 20, gateway.cost)
    assert plan.cost_low is not None and plan.cost_high is not None
    report = await run
    assert report.spent - plan.spent == pytest.approx(plan.cost_low, rel=Decimal("0.1"))
    assert report.spent <= plan.spent + plan.cost_high
    assert gateway.paid_twice == []


async def test_a_folder_of_something_else_is_left_alone(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    (tmp_path / "thesis.docx").write_text("important")
    with pytest.raises(RunFolderError, match="something else than a run"):
        await BulkRun(new_client(new_gateway()), rows(1), tmp_path)
    with pytest.raises(SourceError, match="there is no file"):
        BulkRun(new_client(new_gateway()), tmp_path / "missing.csv", tmp_path / "run")


async def test_the_folder_holds_no_key_and_no_prompt(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path
) -> None:
    gateway = new_gateway(answer=says_yes)
    await BulkRun(new_client(gateway), [{"text": "a secret of mine"}], tmp_path / "run")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"secret" not in kept
    assert gateway.api_key.encode() not in kept
