"""Break the wire on purpose, one small change at a time, and see whether its tests notice: ``python3 dev.py mutate``.

Takes names of modules such as ``sse``; without any, all are broken. Works on a copy in ``.cache/mutation``, with
those tests that open no socket. What survives is printed as a diff; docs/mutation.md explains the known survivors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packages" / "ai"
WORK = ROOT / ".cache" / "mutation" / "work"
WIRE = ("sse", "body", "chunk", "json", "fold", "blocks", "usage", "errors", "retry_after", "redact")
MODULES = {**{name: f"raptscallions_ai._wire.{name}" for name in WIRE}, "retry": "raptscallions_ai.retry"}
TESTS = ("wire", "unit")
PROPERTY = re.compile(
    r"^    @property\n(    def (\w+)\(.*?)(?=^    (?:@|def |async )|^\S|\Z)", re.DOTALL | re.MULTILINE
)
CONFIGURATION = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
timeout = 60
filterwarnings = ["error"]
markers = ["requirement(id): the acceptance criterion of the backlog that this test holds"]
"""


def undecorated(source: str) -> str:
    """Write properties as plain methods and an assignment, because mutmut leaves decorated functions alone."""
    return PROPERTY.sub(lambda found: f"{found[1].rstrip()}\n\n    {found[2]} = property({found[2]})\n\n", source)


def prepare() -> None:
    """Make a fresh copy of the package's sources and of the tests that are run against the mutants."""
    shutil.rmtree(WORK, ignore_errors=True)
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE / "src", WORK / "src", ignore=leave_out)
    for name in (*TESTS, "fixtures"):
        shutil.copytree(PACKAGE / "tests" / name, WORK / "tests" / name, ignore=leave_out)
    shutil.copy(PACKAGE / "tests" / "conftest.py", WORK / "tests")
    files = [f"src/{module.replace('.', '/')}.py" for module in MODULES.values()]
    for file in files:
        path = WORK / file
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")
    tests = [f"tests/{name}" for name in TESTS]
    (WORK / "pyproject.toml").write_text(CONFIGURATION.format(files=files, tests=tests), "utf-8")


def mutmut(*arguments: str) -> str:
    """Run mutmut in the copy and return what it prints; hypothesis draws the same examples for every mutant."""
    command = ["mutmut", *arguments]
    return subprocess.run(
        command, cwd=WORK, env={**os.environ, "CI": "true"}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def main(*names: str) -> int:
    """Test the mutants of some or all modules, print a table and the survivors; return 2 for an unknown module."""
    if unknown := [name for name in names if name not in MODULES]:
        print(f"no such modules: {', '.join(unknown)}; there are {', '.join(MODULES)}")
        return 2
    chosen = [MODULES[name] for name in names or MODULES]
    prepare()
    mutmut("run", *(f"{module}.*" for module in chosen))
    outcomes = dict(re.findall(r"(\S+): ([\w ]+)", mutmut("results", "--all", "true")))
    survivors: list[str] = []
    for module in chosen:
        mine = {name: outcome for name, outcome in outcomes.items() if name.startswith(f"{module}.")}
        counted = Counter(mine.values())
        print(f"{module}: {len(mine)} mutants, {dict(counted.most_common())}", flush=True)
        survivors += [name for name, outcome in mine.items() if outcome not in ("killed", "timeout", "not checked")]
    for name in survivors:
        diff = mutmut("show", name).splitlines()
        changed = [line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        print(f"\n{name}\n" + "\n".join(changed), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
