"""The pages of docs/reference have every public name, and the site's navigation is complete."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import raptscallions_ai

pytestmark = pytest.mark.requirement("E04-T005.AC13")

DOCS = Path(__file__).resolve().parents[1] / "docs"
PUBLIC = [
    "",
    *("account", "answer", "batches", "client", "errors", "events", "messages", "models", "options", "prices"),
    *("structured", "sync", "tool_runs"),
    *("agents", "local", "mcp", "proxy", "testing", "testing.faults", "web", "wrappers"),
]
OTHERS = ("raptscallions_bulk", "raptscallions_bulk.ray", "raptscallions_bulk.testing")
PAGES = {path.stem: path.read_text("utf-8") for path in sorted(DOCS.glob("reference/*.md"))}


def shown_before(package: ModuleType, name: str) -> bool:
    return package is raptscallions_ai.errors and name in raptscallions_ai.__all__


def test_every_public_name_is_on_exactly_one_page() -> None:
    ours = [f"raptscallions_ai.{name}".rstrip(".") for name in PUBLIC]
    packages = [importlib.import_module(name) for name in (*ours, *OTHERS)]
    # The tree of errors is whole in its own module, too.
    names = [(package, name) for package in packages for name in package.__all__ if not shown_before(package, name)]
    public = [f"{package.__name__}.{name}" for package, name in names]
    directive = re.compile(r"^\.\. auto(?:class|data|exception|function):: ([\w.]+)", re.MULTILINE)
    assert len(public) > 200
    assert Counter(name for page in PAGES.values() for name in directive.findall(page)) == Counter(public)


def test_every_page_of_the_reference_leads_to_a_guide() -> None:
    assert [name for name, page in PAGES.items() if "](../guides/" not in page] == []


@pytest.mark.parametrize("folder", ["guides", "cookbook", "reference"])
def test_the_list_of_documents_is_complete(folder: str) -> None:
    pages = {f"{folder}/{path.name}" for path in DOCS.glob(f"{folder}/*.md")}
    assert pages
    listed = re.findall(rf"\]\(({folder}/[^)#]+)", (DOCS / "README.md").read_text("utf-8"))
    assert Counter(listed) == Counter(pages)
