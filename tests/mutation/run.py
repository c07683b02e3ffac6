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
DIALECTS = "raptscallions_ai._dialects"
BOUNDARIES = (
    "dialects/test_sse_boundaries.py",
    "dialects/test_answer_boundaries.py",
    "dialects/test_error_boundaries.py",
)
BODY = ("dialects/test_body.py", *BOUNDARIES)
HOSTILE = ("dialects/test_hostile_input.py", *BOUNDARIES)
# The tests that are about a module; those of the others pass through it as well, but take too long forevery mutant.
TESTS: dict[str, tuple[str, ...]] = {
    f"{DIALECTS}.sse": ("dialects/test_sse.py", "dialects/test_sse_properties.py", *HOSTILE),
    f"{DIALECTS}.fold": (
        "dialects/test_fold.py",
        "dialects/test_fold_content.py",
        "dialects/test_fold_errors.py",
        *BODY,
    ),
    f"{DIALECTS}.openai.reader": ("dialects/test_fold_errors.py", *BODY, *HOSTILE),
    f"{DIALECTS}.failures": ("dialects/test_error_mapping.py", "dialects/test_error_shapes.py", *HOSTILE),
    f"{DIALECTS}.openai.chunk": (
        "dialects/test_chunk.py",
        "dialects/test_chunk_odd_json.py",
        "dialects/test_usage.py",
        *BODY,
    ),
    f"{DIALECTS}.json": (
        "dialects/test_chunk.py",
        "dialects/test_chunk_odd_json.py",
        "dialects/test_usage.py",
        *HOSTILE,
    ),
    f"{DIALECTS}.openai.blocks": ("dialects/test_blocks.py", "dialects/test_reasoning_blocks.py", *HOSTILE),
    f"{DIALECTS}.usage": ("dialects/test_usage.py",),
    f"{DIALECTS}.retry_after": ("dialects/test_retry_after.py", *HOSTILE),
    f"{DIALECTS}.redact": ("dialects/test_redact.py", *HOSTILE),
    "raptscallions_ai._call.retry": ("call/test_retry.py",),
}
PROPERTY = re.compile(
    r"^    @property\n(    def (\w+)\(.*?)(?=^    (?:@|def |async )|^\S|\Z)", re.DOTALL | re.MULTILINE
)
CAST = re.compile(r"""\bcast\((['"])[^'"]*\1, """)
CONFIGURATION = """\
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider"]
pythonpath = ["tests/support"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
timeout = 60
filterwarnings = ["error"]
markers = ["requirement(id): the acceptance criterion of the backlog that this test holds"]
"""


def breakable(source: str) -> str:
    """Write properties as plain methods and an assignment, because mutmut leaves decorated functions alone.

    Casts are left out: nothing reads the type that they name, so breaking it says nothing.
    """
    source = PROPERTY.sub(lambda found: f"{found[1].rstrip()}\n\n    {found[2]} = property({found[2]})\n\n", source)
    return CAST.sub("(", source)


def prepare(module: str) -> None:
    """Make a fresh copy of the package's sources and of the tests, for the mutants of one module."""
    shutil.rmtree(WORK, ignore_errors=True)
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE / "src", WORK / "src", ignore=leave_out)
    shutil.copytree(PACKAGE / "tests", WORK / "tests", ignore=leave_out)
    file = f"src/{module.replace('.', '/')}.py"
    path = WORK / file
    path.write_text(breakable(path.read_text("utf-8")), "utf-8")
    tests = list(dict.fromkeys(f"tests/{name}" for name in TESTS[module]))
    (WORK / "pyproject.toml").write_text(CONFIGURATION.format(files=[file], tests=tests), "utf-8")


def mutmut(*arguments: str) -> str:
    """Run mutmut in the copy and return what it prints; hypothesis draws the same examples forevery mutant."""
    command = ["mutmut", *arguments]
    return subprocess.run(
        command, cwd=WORK, env={**os.environ, "CI": "true"}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def examine(module: str) -> None:
    """Test the mutants of one module; print how many there are, and the diff of each that survives."""
    prepare(module)
    mutmut("run", f"{module}.*")
    outcomes = dict(re.findall(rf"({re.escape(module)}\.\S+): ([\w ]+)", mutmut("results", "--all", "true")))
    print(f"{module}: {len(outcomes)} mutants, {dict(Counter(outcomes.values()).most_common())}", flush=True)
    for name, outcome in outcomes.items():
        if outcome != "killed":
            diff = mutmut("show", name).splitlines()
            changed = [line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            print(f"\n{name}: {outcome}\n" + "\n".join(changed), flush=True)


def main(*names: str) -> int:
    """Examine some or all modules; return 2 for an unknown one."""
    known = {module.rpartition(".")[2]: module for module in TESTS}
    if unknown := [name for name in names if name not in known]:
        print(f"no such modules: {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    for name in names or known:
        examine(known[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
