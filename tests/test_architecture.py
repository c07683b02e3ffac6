"""What ARCHITECTURE.md and the decisions name exists, the layers are those that are checked, the picture is current."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import runpy
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "packages/ai/src/raptscallions_ai"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
STATUS = re.compile(r"^Status: (accepted|accepted, .*superseded by (\d{4}).*|superseded by (\d{4}))$", re.MULTILINE)
PATH = re.compile(r"(?<![\w./-])((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md|toml|svg))(?![\w])")
OF_OTHERS = {"circuitbreaker", "httpx", "pybreaker", "purgatory", "vcrpy"}  # libraries that were looked at
PLACES = (ROOT, SOURCE, ROOT / "packages/ai", ROOT / "docs", ROOT / "docs/decisions")
# What changes most, and the word that a row of the table has for it.
CHANGES = [
    "an option of a call",
    "a gateway's quirk",
    "a class of error",
    "a wrapper",
    "a kind of chunk",
    "an engine",
    "a rule of retries",
    "a bridge to browsers",
    "a command",
    "a fault",
    "a setting of the pool",
    "an endpoint that is looked up",
]


class Vocabulary(ast.NodeVisitor):
    """The names that the repository's Python files define or use, and the members of its classes."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.texts: set[str] = set()
        self.defined: dict[str, set[str]] = {}
        self.members: dict[str, set[str]] = {}
        self.bases: dict[str, set[str]] = {}

    def read(self, path: Path) -> None:
        self._file = path.as_posix()
        self.names.update(path.relative_to(ROOT).with_suffix("").parts)
        self.defined[self._file] = set()
        self._classes: list[str] = []
        self.visit(ast.parse(path.read_text("utf-8")))

    def _define(self, name: str) -> None:
        self.names.add(name)
        self.defined[self._file].add(name)
        if self._classes:
            self.members[self._classes[-1]].add(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node.name)
        self.members.setdefault(node.name, set())
        self.bases.setdefault(node.name, set()).update(ast.unparse(base).split("[")[0] for base in node.bases)
        self._classes.append(node.name)
        self.generic_visit(node)
        self._classes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._define(node.name)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Name(self, node: ast.Name) -> None:
        self.names.add(node.id)
        if isinstance(node.ctx, ast.Store):
            self._define(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.names.add(node.attr)
        if isinstance(node.value, ast.Name) and node.value.id == "self" and isinstance(node.ctx, ast.Store):
            self._define(node.attr)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self.names.add(node.arg)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        self.names.add(node.arg or "")
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        self.names.update(node.name.split("."))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def has_member(self, cls: str, name: str) -> bool:
        """Return whether a class, or one that it is made from, has a member."""
        if name in self.members.get(cls, ()):
            return True
        return any(self.has_member(base.rpartition(".")[2], name) for base in self.bases.get(cls, ()))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    known = Vocabulary()
    folders = ("packages", "tests", "benchmarks", "fuzz", "docs", "examples")
    for path in [*(path for folder in folders for path in (ROOT / folder).rglob("*.py")), ROOT / "dev.py"]:
        if "node_modules" not in path.parts:
            known.read(path)
    return known


def exists(path: str) -> bool:
    return any((place / path).exists() for place in PLACES) or any(SOURCE.glob(f"*/{path}"))


def words(text: str) -> Iterator[str]:
    """Yield what stands in backticks, and the words of the blocks that look like code."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def problem_with(word: str, known: Vocabulary) -> str | None:
    """Return what is not true about a word of code, if it claims that something of ours exists."""
    is_name = re.fullmatch(r"@?[A-Za-z_][\w.]*(?:\(\))?", word) and not re.search(r"\.(?:py|md|toml|svg|ts)$", word)
    if not is_name or keyword.iskeyword(word) or word in OF_OTHERS:
        return None
    name = word.strip("@()").rstrip(".")
    first, _, rest = name.partition(".")
    if variable := re.fullmatch(r"(?:AI|CHAT)_([A-Z0-9_]+)", name):
        return None if name in known.texts or variable[1].lower() in known.names else f"there is no variable {name}"
    if name in known.texts or hasattr(builtins, first):
        return None
    if first in known.members and rest:
        return None if known.has_member(first, rest.partition(".")[0]) else f"{first} has no {rest}"
    if first in sys.stdlib_module_names or first in known.names:
        missing = [part for part in rest.split(".") if part and part not in known.names]
        return f"nothing is called {missing[0]}" if missing and first not in sys.stdlib_module_names else None
    return f"nothing is called {name}"


def untruths(text: str, known: Vocabulary) -> list[str]:
    paths = {path.rstrip(".") for path in PATH.findall(text) if not path.startswith(("http", "//"))}
    wrong = [f"there is no {path}" for path in sorted(paths) if path_is_ours(path) and not exists(path)]
    return wrong + sorted({problem for word in words(text) if (problem := problem_with(word, known))})


def path_is_ours(path: str) -> bool:
    """Return whether a path means a file of the repository, and not a URL, a package or a header."""
    top = path.split("/")[0]
    return path.endswith((".py", ".md", ".toml", ".svg")) or exists(top)


@pytest.mark.requirement("E04-T010.AC1")
def test_what_the_architecture_names_exists(vocabulary: Vocabulary) -> None:
    assert untruths(ARCHITECTURE.read_text("utf-8"), vocabulary) == []


def test_what_stands_beside_a_file_is_defined_in_it(vocabulary: Vocabulary) -> None:
    blocks = re.findall(r"^```\n(.*?)^```", ARCHITECTURE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^ *([\w/]+\.py)  +((?:\w+, )*\w+)(?: \.\.\.)?  +\S", "\n".join(blocks), re.MULTILINE)
    assert len(rows) > 40
    wrong = [
        f"{name} is not in {file}"
        for file, names in rows
        for name in names.split(", ")
        if re.search(r"[A-Z_]|^\w+$", name)
        and (" " not in name)
        and name not in vocabulary.defined[(SOURCE / file).as_posix()]
    ]
    assert wrong == []


@pytest.mark.requirement("E04-T010.AC1")
@pytest.mark.requirement("E04-T010.AC2")
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_what_a_decision_names_exists(record: Path, vocabulary: Vocabulary) -> None:
    text = record.read_text("utf-8")
    (status,) = STATUS.finditer(text)
    later = status[2] or status[3]
    if later:
        assert later > record.name[:4]
        assert any(other.name.startswith(later) for other in RECORDS)
    # What is superseded may name what is gone.
    current = re.split(r"^Superseded: ", text, maxsplit=1, flags=re.MULTILINE)[0]
    assert status[3] or untruths(current, vocabulary) == []


@pytest.mark.requirement("E04-T010.AC3")
def test_the_layers_of_the_page_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (checked,) = [one for one in contracts if one["type"] == "layers" and one.get("containers") == ["raptscallions_ai"]]
    assert checked["exhaustive"]
    assert "ignore_imports" not in checked
    assert len(checked["layers"]) <= 11
    _, _, section = ARCHITECTURE.read_text("utf-8").partition("\n## Layers\n")
    block = section.partition("```\n")[2].partition("```")[0]
    shown = [sorted(re.findall(r"[\w/]+(?=/|\b)", row.split("  ")[0].replace("/", ""))) for row in block.splitlines()]
    assert shown == [sorted(re.split(r" [|:] ", layer)) for layer in checked["layers"]]


@pytest.mark.requirement("E04-T010.AC5")
@pytest.mark.parametrize("change", CHANGES)
def test_the_page_says_where_to_change(change: str) -> None:
    _, _, section = ARCHITECTURE.read_text("utf-8").partition("\n## Where to change what\n")
    rows = [row for row in section.partition("\n## ")[0].splitlines() if row.startswith(f"| {change} |")]
    assert len(rows) == 1
    assert PATH.search(rows[0])


@pytest.mark.requirement("E04-T010.AC4")
def test_the_picture_of_the_house_is_current() -> None:
    drawing = runpy.run_path(str(ROOT / "docs/draw_house.py"))
    current = (ROOT / "docs/house.svg").read_text("utf-8")
    assert current == drawing["picture"](), "the imports have changed: run `.venv/bin/python docs/draw_house.py`"


def test_the_way_of_a_chunk_in_the_picture_exists(vocabulary: Vocabulary) -> None:
    way = runpy.run_path(str(ROOT / "docs/draw_house.py"))["WAY"]
    assert [step for step in way if step[1] not in vocabulary.defined[(SOURCE / step[0]).as_posix()]] == []


@pytest.mark.requirement("E04-T010.AC3")
def test_imports_run_down_but_for_one_arrow_of_types() -> None:
    drawing = runpy.run_path(str(ROOT / "docs/draw_house.py"))
    floor = {name: number for number, layer in enumerate(drawing["layers"]()) for name in layer}
    down, up = drawing["arrows"]()
    assert [arrow for arrow in down if floor[arrow[0]] > floor[arrow[1]]] == []
    assert up == {("errors", "answer")}  # an error holds what had arrived
