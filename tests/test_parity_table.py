"""docs/parity.md names a test for each row, and each of these tests exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/parity.md").read_text("utf-8")
HEAD_OR_RULE = re.compile(r"\|(-|\s*(TypeScript|There)\s*\|)")
ROWS = [line for line in TEXT.splitlines() if line.startswith("|") and not HEAD_OR_RULE.match(line)]
NAMED = re.compile(r"`([\w/.]+\.py)::(test_\w+)`")


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_the_row_names_tests_that_exist(row: str) -> None:
    *_, cell, _ = row.split("|")
    named = NAMED.findall(cell)
    assert named
    assert [name for path, name in named if name not in names_in(ROOT / path)] == []


def test_every_row_of_the_contract_is_there() -> None:
    assert len(ROWS) == 14
    text = TEXT.replace("\n", " ")
    sibling = ("new OpenRouterClient", "streamChat", "{type: 'content'", "ChatCompletionResult", "UsageMetadata")
    more = ("aiConfig", "openRouterClient", "ModelNotAvailableError", "abort", "include_usage")
    assert [name for name in (*sibling, *more) if name not in text] == []


def test_every_parity_test_is_in_the_table() -> None:
    path = "packages/ai/tests/client/test_parity.py"
    listed = {name for row in ROWS for file, name in NAMED.findall(row) if file == path}
    assert {name for name in names_in(ROOT / path) if name.startswith("test_")} == listed
