"""What is told of mutation testing: a row for each module that is broken, sums that are right, survivors explained."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "mutation.md").read_text("utf-8")
RUN: dict[str, Any] = runpy.run_path(str(ROOT / "tests" / "mutation" / "run.py"))
MODULES = [module.rpartition(".")[2] for module in RUN["TESTS"]]
COUNTS = {
    name: tuple(map(int, cells)) for name, *cells in re.findall(r"(?m)^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|$", PAGE)
}

pytestmark = pytest.mark.requirement("E04-T003.AC9")


def test_every_module_that_is_broken_has_a_row() -> None:
    assert sorted(COUNTS) == sorted(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_of_a_module_was_killed_or_is_explained(module: str) -> None:
    mutants, killed, survived = COUNTS[module]
    assert mutants == killed + survived
    assert killed > survived
    section = PAGE.partition(f"\n### `{module}`\n")[2].partition("\n#")[0]
    assert sum(map(int, re.findall(r"(?m)^\| (\d+) \| .+ \| .+ \|$", section))) == survived
