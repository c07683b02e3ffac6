"""`raptscallions-ai bulk`: a file is labelled, a run is looked at, gone on with, corrected and checked."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from raptscallions_bulk.testing import BillingGateway

if TYPE_CHECKING:
    from .conftest import Bulk

ASK = ["--ask", "What is this? {text}", "--labels", "question,praise,bug"]


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_text("id,text\n1,It works.\n2,How does it work?\n3,It works.\n4,Why?\n")
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.requirement("E06-T003.AC1")
def test_a_file_is_labelled_in_one_command(bulk: Bulk, gateway: BillingGateway, tickets: Path) -> None:
    done = bulk("run", "tickets.csv", "run", *ASK, "--key", "id", "--out", "labelled.csv")
    assert done.exit_code == 0, done.output
    assert "4 of 4 rows answered" in done.stderr
    rows = table(Path("labelled.csv"))
    assert [row["label"] for row in rows] == ["praise", "question", "praise", "question"]
    assert list(rows[0]) == ["id", "text", "label", "status", "error", "cost"]
    assert [row["cost"] == "0" for row in rows] == [False, False, True, False], "the third asks what the first asks"
    assert gateway.sent.total() == 3


@pytest.mark.requirement("E06-T003.AC1")
def test_a_plan_costs_nothing_and_a_sample_only_itself(bulk: Bulk, gateway: BillingGateway, tickets: Path) -> None:
    done = bulk("run", "tickets.csv", "run", *ASK, "--max-tokens", "20", "--plan")
    assert "3 rows to ask" in done.stdout and "at most 0.0" in done.stdout
    assert gateway.sent.total() == 0
    done = bulk("run", "tickets.csv", "run", *ASK, "--max-tokens", "20", "--plan", "--sample", "1")
    assert "1 rows asked so far" in done.stdout
    assert gateway.sent.total() == 1


@pytest.mark.requirement("E06-T003.AC1")
def test_a_run_goes_on_with_what_it_was_told_at_first(bulk: Bulk, gateway: BillingGateway, tickets: Path) -> None:
    done = bulk("run", "tickets.csv", "run", *ASK, "--max-tokens", "20", "--max-cost", "0.000001")
    assert done.exit_code == 1
    assert "stopped: max_cost is reached" in done.stderr
    assert bulk("resume", "run").exit_code == 1
    done = bulk("run", "tickets.csv", "run", *ASK, "--max-tokens", "20", "--max-cost", "1")
    assert done.exit_code == 0, done.output
    assert bulk("resume", "run").exit_code == 0
    assert gateway.sent.total() == 3


@pytest.mark.requirement("E06-T003.AC1")
def test_failures_are_grouped_shown_and_asked_again_by_their_class(
    bulk: Bulk, gateway: BillingGateway, tickets: Path, tmp_path: Path
) -> None:
    broken = {"Why?"}
    gateway.refuse_when(lambda prompt, times: 400 if any(prompt.endswith(text) for text in broken) else None)
    assert bulk("run", "tickets.csv", "run", *ASK, "--key", "id").exit_code == 0
    shown = bulk("errors", "run").stdout
    assert "1 x BadRequestError" in shown and "row 4: " in shown
    broken.clear()
    assert "0 rows are asked again" in bulk("retry", "run", "--only", "ProviderError").stderr
    done = bulk("retry", "run", "--only", "BadRequestError")
    assert "1 rows are asked again" in done.stderr and "4 of 4 rows answered" in done.stderr
    assert bulk("errors", "run").stdout == "no row has failed\n"
    assert gateway.paid_twice == []


@pytest.mark.requirement("E06-T003.AC1")
def test_status_tells_rows_and_money(bulk: Bulk, gateway: BillingGateway, tickets: Path) -> None:
    assert bulk("run", "tickets.csv", "run", *ASK).exit_code == 0
    shown = bulk("status", "run").stdout
    assert "answered  4 of 4" in shown and "not running" in shown and f"spent     {gateway.cost:f}"[:14] in shown
    told = json.loads(bulk("status", "run", "--json").stdout)
    assert (told["answered"], told["rows"], told["running"]) == (4, 4, False)


@pytest.mark.requirement("E06-T003.AC1")
@pytest.mark.requirement("E06-T002.AC9")
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
def test_rows_are_exported_in_every_form_in_the_order_of_the_source(bulk: Bulk, tickets: Path, name: str) -> None:
    assert bulk("run", "tickets.csv", "run", *ASK).exit_code == 0
    assert bulk("export", "run", name).stdout == f"4 rows written to {name}\n"
    if name.endswith(".parquet"):
        from pyarrow.parquet import read_table  # pyright: ignore[reportUnknownVariableType] - it has no types

        labels: list[str] = cast("Any", read_table)(name).column("label").to_pylist()
    elif name.endswith(".jsonl"):
        labels = [json.loads(line)["label"] for line in Path(name).read_text().splitlines()]
    else:
        with Path(name).open(newline="") as file:
            delimiter = "\t" if name.endswith(".tsv") else ","
            labels = [row["label"] for row in csv.DictReader(file, delimiter=delimiter)]
    assert labels == ["praise", "question", "praise", "question"]


@pytest.mark.requirement("E06-T003.AC3")
def test_verify_compares_with_the_books_and_finds_damage(bulk: Bulk, gateway: BillingGateway, tickets: Path) -> None:
    assert bulk("run", "tickets.csv", "run", *ASK).exit_code == 0
    done = bulk("verify", "run", "--books", "10")
    assert done.exit_code == 0 and done.stdout.endswith("sound\n"), done.output
    for generation in gateway.books:
        gateway.books[generation] *= 2
    assert "and the gateway's books say" in bulk("verify", "run", "--books", "10").stdout
    (answers,) = Path("run/answers").glob("*.jsonl")
    answers.write_bytes(answers.read_bytes().replace(b'"row":1', b'"row";1'))
    done = bulk("verify", "run")
    assert done.exit_code == 1
    assert "has a line that cannot be read" in done.stdout and "have no line of answers" in done.stdout


def test_limits_are_set_from_outside(bulk: Bulk, tickets: Path) -> None:
    assert bulk("run", "tickets.csv", "run", *ASK).exit_code == 0
    assert "at most 5 requests at a time" in bulk("limits", "run", "--max-open", "5").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "missing.csv", "run"], 2, "there is no file missing.csv"),
        (["run", "tickets.csv", "run", "--ask", "{text"], 2, "the template cannot be read"),
        (["run", "tickets.csv", "run", "--labels", "one"], 2, "at least two labels"),
        (["run", "tickets.csv", "run", "--schema", "none.json"], 2, "none.json cannot be read"),
        (["run", "tickets.csv", "run", "--price", "1"], 2, "--price needs two amounts"),
        (["run", "tickets.csv", "run", "--max-cost", "1"], 2, "max_tokens"),
        (["status", "nowhere"], 1, "there is no run in nowhere"),
        (["resume", "nowhere"], 1, "there is no run in nowhere"),
        (["export", "nowhere", "out.csv"], 1, "there is no run in nowhere"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(bulk: Bulk, tickets: Path, arguments: list[str], code: int, said: str) -> None:
    done = bulk(*arguments)
    assert (done.exit_code, said in done.stderr) == (code, True), done.output
    assert "Traceback" not in done.output


def test_a_wrong_key_has_its_exit_code(bulk: Bulk, tickets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KEY", "sk-fake-wrong")
    done = bulk("run", "tickets.csv", "run", *ASK)
    assert done.exit_code == 4
    assert "check API key" in done.stderr


def test_answers_fit_a_json_schema_or_a_class(bulk: Bulk, tickets: Path, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"label": {"enum": ["question", "praise"]}, "why": {"type": "string"}}}
    Path("ticket.json").write_text(json.dumps({**schema, "required": ["label"]}))
    done = bulk("run", "tickets.csv", "run", "--ask", "What? {text}", "--schema", "ticket.json", "--out", "out.csv")
    # The answers lack `why`, which may be missing here, but which strict schemas always ask for.
    assert done.exit_code == 0, done.output
    assert [row["label"] for row in table(Path("out.csv"))] == ["praise", "question", "praise", "question"]
    Path("my_types.py").write_text("from pydantic import BaseModel\nclass Ticket(BaseModel):\n    label: str\n")
    done = bulk("run", "tickets.csv", "run2", "--ask", "What? {text}", "--schema", "my_types:Ticket")
    sys.modules.pop("my_types", None)
    assert done.exit_code == 0, done.output
