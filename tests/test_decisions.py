"""Each decision record has a status and its four sections, and what its Confirmation names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Drawbacks", "Confirmation"]
NAMED = re.compile(r"`([\w.-]*/[\w./-]+)(?:::(\w+))?`")


def section(record: Path, name: str) -> str:
    return record.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_records_are_numbered_without_gaps_and_all_listed() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]
    index = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    assert re.findall(r"^\| \[\d{4}\]\(([^)]+)\)", index, re.MULTILINE) == [record.name for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_the_form_of_a_record(record: Path) -> None:
    text = record.read_text("utf-8")
    assert text.startswith(f"# {record.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert [name for name in SECTIONS if len(section(record, name)) < 60] == []
    assert len(text.splitlines()) <= 64


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_what_confirms_it_exists(record: Path) -> None:
    named = NAMED.findall(section(record, "Confirmation"))
    assert named
    missing: list[str] = []
    for path, test in named:
        file = ROOT / path
        if not file.exists():
            missing.append(path)
        elif test and test not in functions_in(file):
            missing.append(f"{path}::{test}")
    assert missing == []
