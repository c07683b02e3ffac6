"""docs/guides/security.md names a test for each promise, each of these tests exists, and none of them is excused."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.requirement("E04-T017.AC1")

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/guides/security.md").read_text("utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("|") and not re.match(r"\|(-| Promise )", line)]
NAMED = re.compile(r"`([\w/.]+\.py)::(test_\w+)`")
EXCUSES = re.compile(r"\b(xfail|skip|skipif)\b")


def decorators_in(path: Path) -> dict[str, str]:
    """Return the decorators of each test of a file, as text."""
    functions = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if hasattr(node, "decorator_list"))
    return {
        node.name: " ".join(map(ast.unparse, node.decorator_list))
        for node in functions
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.requirement("E04-T003.AC8")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:50])
def test_the_promise_names_tests_that_hold_it(row: str) -> None:
    _, promise, cell, _ = row.split("|")
    named = NAMED.findall(cell)
    assert promise.strip().endswith(".")
    assert named
    for path, name in named:
        tests = decorators_in(ROOT / path)
        assert name in tests
        assert not EXCUSES.search(tests[name])


def test_every_promise_that_was_asked_for_is_there() -> None:
    topics = (
        "log",
        "repr",
        "error",
        "traceback",
        "pickle",
        "redirect",
        "plain http",
        "header",
        "event",
        "decompressed",
    )
    more = ("openai_", "escape sequences", ".env", "proxy", "cookie", ".netrc", "known vulnerability")
    promises = " ".join(ROWS).lower()
    assert [topic for topic in (*topics, *more) if topic not in promises] == []


def test_every_test_of_secrets_is_named() -> None:
    path = "packages/ai/tests/client/test_secrets.py"
    listed = {name for row in ROWS for where, name in NAMED.findall(row) if where == path}
    tests = {name: marks for name, marks in decorators_in(ROOT / path).items() if name.startswith("test_")}
    assert {name for name, marks in tests.items() if not EXCUSES.search(marks)} == listed
