"""The backlog is true: files that are named exist, done criteria are ticked and tested, marks name criteria."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "backlog/config.yml").read_text("utf-8"))
FIELDS = ["id", "title", "status", "priority", "labels", "depends_on", "spec_file", "test_files", "code_files"]
CRITERION = re.compile(r"^- \[([ x])\] AC(\d+): \S", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """One task file."""

    path: Path
    front: dict[str, Any]
    body: str

    @property
    def criteria(self) -> dict[str, bool]:
        """Whether each criterion is ticked, by its full id."""
        return {f"{self.front['id']}.AC{number}": mark == "x" for mark, number in CRITERION.findall(self.body)}

    def __repr__(self) -> str:
        return self.path.stem


def read(path: Path) -> Task:
    _, front, body = path.read_text("utf-8").split("---\n", 2)
    return Task(path, yaml.safe_load(front), body)


FOLDERS = [ROOT / CONFIG["folders"][name] for name in ("tasks", "completed")]
TASKS = [read(path) for folder in FOLDERS for path in sorted(folder.glob("*.md"))]


def requirements_in(path: Path) -> list[str]:
    """Return the ids that the tests of a file are marked with; only a literal text counts."""
    marked: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != "pytest.mark.requirement":
            continue
        for argument in node.args:
            assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: the id must be written out"
            marked.append(str(argument.value))
    return marked


def marks() -> dict[str, list[str]]:
    """Return the test files that reference each criterion."""
    files = [*ROOT.glob("packages/*/tests/**/test_*.py"), *ROOT.glob("tests/**/test_*.py")]
    found: dict[str, list[str]] = {}
    for path in files:
        for requirement in requirements_in(path):
            found.setdefault(requirement, []).append(str(path.relative_to(ROOT)))
    return found


def test_there_are_tasks() -> None:
    assert {task.front["id"] for task in TASKS} >= {"E04-T002", "E04-T003", "E04-T004", "E04-T005"}
    assert len({task.front["id"] for task in TASKS}) == len(TASKS)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_the_form_of_a_task(task: Task) -> None:
    front = task.front
    assert list(front) == FIELDS
    assert re.fullmatch(CONFIG["id_pattern"], front["id"])
    assert task.path.name.startswith(front["id"] + "-")
    assert f"# {front['id']}: {front['title']}\n" in task.body
    assert front["status"] in CONFIG["statuses"]
    assert front["priority"] in CONFIG["priorities"]
    assert set(front["labels"]) <= set(CONFIG["labels"])
    assert set(front["depends_on"]) <= {other.front["id"] for other in TASKS}
    assert [int(id_.rpartition("AC")[2]) for id_ in task.criteria] == list(range(1, len(task.criteria) + 1))
    assert len(task.criteria) == len(re.findall(r"^- \[", task.body, re.MULTILINE)) > 0


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_every_file_that_a_task_names_exists(task: Task) -> None:
    front = task.front
    named = [*front["test_files"], *front["code_files"], *([front["spec_file"]] if front["spec_file"] else [])]
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_done_is_done(task: Task) -> None:
    done = task.front["status"] == "done"
    assert done == (task.path.parent == ROOT / CONFIG["folders"]["completed"])
    if not done:
        assert not any(task.criteria.values())
        return
    assert [criterion for criterion, ticked in task.criteria.items() if not ticked] == []
    assert task.front["spec_file"] and task.front["test_files"] and task.front["code_files"]
    by_criterion = marks()
    assert [criterion for criterion in task.criteria if criterion not in by_criterion] == []
    listed = set(task.front["test_files"])
    assert [criterion for criterion in task.criteria if not listed & set(by_criterion[criterion])] == []


def test_every_mark_names_a_criterion() -> None:
    known = {criterion for task in TASKS for criterion in task.criteria}
    assert {name: files for name, files in marks().items() if name not in known} == {}


def test_the_index_lists_every_task() -> None:
    index = (ROOT / "backlog/README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[([\w-]+)\]\(([^)]+)\) \| (.+?) \| (\w+) \|$", index, re.MULTILINE)
    expected = [
        (task.front["id"], str(task.path.relative_to(ROOT / "backlog")), task.front["title"], task.front["status"])
        for task in TASKS
    ]
    assert sorted(rows) == sorted(expected)
