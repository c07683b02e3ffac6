"""What holds for the whole repository: sizes, hygiene, the public surface, what an import costs, import rules."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import raptscallions_ai

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "packages/ai/src/raptscallions_ai"
# Where those names stand that few programs need.
FACES = (
    "account",
    "answer",
    "client",
    "errors",
    "events",
    "messages",
    "models",
    "options",
    "prices",
    "structured",
    "sync",
    "tool_runs",
)
MODULES = sorted(ROOT.glob("packages/*/src/**/*.py"))
# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "npm" + "js.com"]
MACHINE_PATHS = re.compile(r"(?<![\w.$}/<-])/(?:ro{2}t|hom[e]|wor[k]|Use[r]s|tm[p])/\w|[A-Z]:\\\\?Users")


def tracked() -> list[Path]:
    """Return the files that belong to the repository, those not yet committed included."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("not a git checkout, so there is no list of the repository's files")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def readable(path: Path) -> str:
    # Recordings hold what real servers said, byte by byte.
    return "" if "fixtures" in path.parts else path.read_bytes().decode("utf-8", "replace")


def test_no_file_of_a_package_is_too_long() -> None:
    assert len(MODULES) > 20
    sizes = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in sizes.items() if lines > 400} == {}


@pytest.mark.requirement("E04-T009.AC2")
def test_the_files_of_wrappers_are_named_after_their_client() -> None:
    for name in ("budgeted", "cached", "hooked", "limited", "logged", "traced", "tracked"):
        clients = re.findall(r"^class (\w+Client)\(", (SOURCE / f"wrappers/{name}.py").read_text("utf-8"), re.MULTILINE)
        assert [client for client in clients if name in client.lower()] != []


# Names that once had several meanings or read like a translation, and what stands for them now:
# fields, text, report; _decode, _claim, _accept; _retry_delay, _next_step, _track_content; CallerQueue, run_command,
# run_repl, ChatArguments, Quit; EventBuilder; without_traceback, snapshot, has_partial, is_empty; Amount, AttemptUsage.
REPLACED_NAMES = re.compile(
    r"_*(?:told|said|tells?|asking|again|go_on|noted|errands?|obey|converse|brackets|bare|anything|says_nothing"
    r"|shed_headers|spendings?|owed?|debts?|fruitless|anew|begun|shake|admitted)",
    re.IGNORECASE,
)
REPLACED_PHRASES = re.compile(
    r"somebody else's|\bas ever\b|such as are|\bare such\b|what else pydantic|leaves no place|has no word for"
)


def names_of(path: Path) -> Iterator[str]:
    """Yield what a module names: functions, classes, parameters, variables and attributes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case _:
                pass


@pytest.mark.requirement("E04-T009.AC4")
def test_the_names_that_were_replaced_stay_away() -> None:
    used = {name for path in SOURCE.rglob("*.py") for name in names_of(path)}
    assert sorted(name for name in used if REPLACED_NAMES.fullmatch(name)) == []


@pytest.mark.requirement("E04-T009.AC4")
def test_the_phrases_that_were_replaced_stay_away() -> None:
    guides = [path for path in (ROOT / "docs/guides").glob("*.md") if not path.name.startswith(("bulk", "chat"))]
    files = [*SOURCE.rglob("*.py"), *guides, ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    found = {path.name: REPLACED_PHRASES.findall(path.read_text("utf-8")) for path in files}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_each_decision_has_a_status() -> None:
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [record.name for record in records if "\n\nStatus: " not in record.read_text("utf-8")] == []


def test_no_registry_and_no_path_of_a_machine_is_written_down() -> None:
    found: list[str] = []
    for path in tracked():
        for number, line in enumerate(readable(path).splitlines(), 1):
            if any(host in line for host in REGISTRIES) or MACHINE_PATHS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_nothing_that_is_made_or_secret_is_in_the_repository() -> None:
    names = {str(path.relative_to(ROOT)) for path in tracked()}
    assert {
        "README.md",
        ".env.example",
        "ARCHITECTURE.md",
        "LICENSE",
        "packages/ai/src/raptscallions_ai/py.typed",
    } <= names
    unwanted = re.compile(r"(^|/)(\.env|uv\.lock|__pycache__|\.venv|dist|node_modules|[^/]+\.gguf|[^/]+\.whl)(/|$)")
    assert [name for name in names if unwanted.search(name)] == []


def test_all_licences_are_the_same() -> None:
    members = sorted(ROOT.glob("packages/*/pyproject.toml"))
    assert {(path.parent / "LICENSE").read_bytes() for path in members} == {(ROOT / "LICENSE").read_bytes()}


@pytest.mark.requirement("E04-T002.AC1")
def test_every_public_name_can_be_imported_and_none_is_forgotten() -> None:
    public = raptscallions_ai.__all__
    assert len(set(public)) == len(public)
    assert [name for name in public if getattr(raptscallions_ai, name, None) is None] == []
    tree = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("raptscallions_ai.")
        for alias in node.names
        if alias.name != "lazy_names" and not alias.name.startswith("LLM")  # another library's names of our errors
    }
    assert imported - set(public) == set()
    assert set(public) - imported == set()


@pytest.mark.requirement("E04-T009.AC1")
def test_every_name_has_one_public_place() -> None:
    assert len(raptscallions_ai.__all__) < 95
    offered: dict[str, list[str]] = {name: ["raptscallions_ai"] for name in raptscallions_ai.__all__}
    for face in FACES:
        for name in importlib.import_module(f"raptscallions_ai.{face}").__all__:
            offered.setdefault(name, []).append(face)
    twice = {name: places for name, places in offered.items() if len(places) > 1}
    assert set(twice) <= set(raptscallions_ai.errors.__all__)  # the tree of errors is whole in its own module, too


def test_what_the_modules_of_answers_and_calls_offer_has_a_public_place() -> None:
    offered: set[str] = set()
    answer = ("answer/chunks", "answer/codec", "answer/events", "answer/result", "answer/run_events", "answer/stream")
    asking = ("client/openrouter", "messages/message", "messages/parts", "options/call_options", "options/timeouts")
    runs = ("structured/partial_json", "tool_runs/stop_conditions")
    for module in (*answer, *asking, *runs, "errors/tree", "gateway_api/models"):
        for node in ast.parse((SOURCE / f"{module}.py").read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                offered |= set(ast.literal_eval(node.value))
    internal = {"Phase", "Serializable", "StreamIterator", "VERSION", "VisibleText", "from_object", "to_object"}
    public = set(raptscallions_ai.__all__)
    public.update(*(importlib.import_module(f"raptscallions_ai.{face}").__all__ for face in FACES))
    assert offered - public == internal


@pytest.mark.requirement("E04-T002.AC10")
def test_the_package_ships_its_types_and_has_no_untyped_function() -> None:
    assert (SOURCE / "py.typed").is_file()
    untyped = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is None and node.name != "__init__"
    ]
    assert untyped == []


def test_importing_the_package_is_light() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import raptscallions_ai"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "raptscallions_ai.client.openrouter" in loaded
    assert (
        loaded & {"openai", "aiohttp", "httpx2", "pydantic", "pydantic_settings", "starlette", "typer", "rich"} == set()
    )


def test_importing_the_package_reads_no_environment() -> None:
    script = (
        "import os, asyncio, logging, json\n"  # what these read for themselves is not ours
        "import msgspec\n"
        "seen = []\n"
        "class Watched(type(os.environ)):\n"
        "    def __getitem__(self, name): seen.append(name); return super().__getitem__(name)\n"
        "os.environ.__class__ = Watched\n"
        "import raptscallions_ai\n"
        "os.environ.get('PATH')\n"
        "print(seen)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert ast.literal_eval(done.stdout) == ["PATH"]


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports at run time, wherever in it."""
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        else:
            pending += ast.iter_child_nodes(node)


def importers_of(*packages: str) -> set[str]:
    """Return the modules of the library, as paths in it, that import one of these packages at run time."""
    return {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if any(name == package or name.startswith(package + ".") for name in imports_of(path) for package in packages)
    }


@pytest.mark.requirement("E04-T002.AC2")
def test_only_the_transport_imports_the_sdk() -> None:
    assert importers_of("openai") == {"_transport/sdk.py", "_transport/sdk_exceptions.py"}
    assert importers_of("aiohttp", "anyio", "yarl") == {"_transport/aiohttp_transport.py"}
    assert importers_of("httpx2") == {
        "_transport/sdk.py",
        "_transport/response.py",
        "_transport/http_client.py",
        "_transport/aiohttp_transport.py",
        "_transport/body_limit.py",
        "_transport/httpx_transport.py",
        "local/download.py",
        "cli/network.py",
        "testing/_upstream.py",
    }


@pytest.mark.requirement("E04-T006.AC1")
def test_the_top_level_is_packages_and_modules_that_only_gather_names() -> None:
    flat = {path.stem: ast.parse(path.read_text("utf-8")) for path in SOURCE.glob("*.py")}
    holding = {
        name
        for name, tree in flat.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert holding == {"settings"}
    assert {"__init__", "_version", "settings"} <= flat.keys()


@pytest.mark.requirement("E04-T006.AC3")
def test_a_dialect_does_no_io() -> None:
    """It translates: no sockets, files, clocks, processes or randomness, and nothing of this package that has them."""
    pure = {"base64", "collections", "dataclasses", "decimal", "functools", "itertools", "math", "re", "typing"}
    pure |= {"__future__", "binascii", "datetime", "email", "hashlib", "json", "types", "urllib", "jiter", "msgspec"}
    ours = {"_dialects", "answer", "errors", "messages", "options", "tools"}
    foreign: set[str] = set()
    for path in (SOURCE / "_dialects").rglob("*.py"):
        for name in imports_of(path):
            top, _, rest = name.partition(".")
            allowed = (rest.partition(".")[0] in ours or not rest) if top == "raptscallions_ai" else top in pure
            if not allowed or name == "urllib.request":
                foreign.add(f"{path.relative_to(SOURCE).as_posix()}: {name}")
    # A `Retry-After` that is a date means nothing without the present one.
    assert foreign == {"_dialects/retry_after.py: time"}


@pytest.mark.requirement("E04-T006.AC3")
def test_what_stands_above_the_dialects_knows_none_by_name() -> None:
    names = {path.name for path in (SOURCE / "_dialects").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert "openai" in names
    places = [*(SOURCE / "_call").glob("*.py"), *(SOURCE / "wrappers").glob("*.py"), SOURCE / "answer/stream.py"]
    places += [SOURCE / "_dialects" / name for name in ("fold.py", "decoder.py", "dialect.py")]
    # That a gateway speaks OpenAI's API is what telemetry's conventions want to be told of it.
    places.remove(SOURCE / "wrappers/telemetry.py")
    imported = {f"{path.relative_to(SOURCE)}: {name}" for path in places for name in imports_of(path)}
    assert [one for one in imported if any(f"_dialects.{name}" in one for name in names)] == []
    code = {path: re.sub(r'"""(?s:.)*?"""', "", path.read_text("utf-8")).lower() for path in places}
    spoken = re.compile("|".join(sorted(names)))
    assert {str(path.relative_to(SOURCE)) for path, text in code.items() if spoken.search(text)} == set()


def test_whether_it_is_openrouter_is_asked_in_one_place() -> None:
    hosts = {"openrouter.ai", ".openrouter.ai"}
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in hosts
    }
    assert found == {"options/routing.py"}


def test_the_libraries_of_the_extras_stay_in_their_parts() -> None:
    assert [name for name in importers_of("raptscallions_ai.testing") if not name.startswith("testing/")] == []
    local = importers_of("raptscallions_ai.local")
    assert [name for name in local if not name.startswith(("local/", "cli/"))] == []
    assert importers_of("starlette") == {"web/responses.py", "proxy/app.py"}
    assert [n for n in importers_of("raptscallions_ai.web") if not n.startswith(("web/", "proxy/"))] == []
    assert [name for name in importers_of("typer") if not name.startswith("cli/")] == []
    assert [name for name in importers_of("rich") if not name.startswith("cli/")] == ["local/progress.py"]


@pytest.mark.requirement("E04-T010.AC6")
def test_the_folders_of_tests_are_named_after_those_of_the_source() -> None:
    tests = ROOT / "packages/ai/tests"
    folders = {path.parent.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")}
    source = {path.parent.name.strip("_") for path in SOURCE.glob("*/__init__.py")} | {"settings"}
    across = {"attacks", "engines", "faults", "peers"}  # these are about all of it
    assert folders - source == across


@pytest.mark.requirement("E04-T010.AC6")
def test_what_tests_share_is_written_once() -> None:
    places: dict[str, set[str]] = {}
    for path in (ROOT / "packages/ai/tests").rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            is_alias = isinstance(node, ast.Assign | ast.AnnAssign) and "Callable" in ast.unparse(node)
            is_fixture = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "fixture" in ast.unparse(node)
            if is_alias or is_fixture:
                places.setdefault(ast.dump(node), set()).add(path.relative_to(ROOT).as_posix())
    assert [sorted(files) for files in places.values() if len(files) > 1] == []


def test_every_dependency_is_constrained_to_one_version() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    members = [tomllib.loads(path.read_text("utf-8"))["project"] for path in ROOT.glob("packages/*/pyproject.toml")]
    ours = {project["name"] for project in members}
    constraints = [Requirement(text) for text in root["tool"]["uv"]["constraint-dependencies"]]
    assert [str(one) for one in constraints if not re.fullmatch(r"==[\w.]+", str(one.specifier))] == []
    always = [text for project in members for text in project["dependencies"]]
    extras = [text for one in members for texts in one.get("optional-dependencies", {}).values() for text in texts]
    groups = [text for texts in root["dependency-groups"].values() for text in texts]
    needed = {Requirement(text).name for text in (*always, *extras, *groups)}
    assert needed - ours - {one.name for one in constraints} == set()


def test_continuous_integration_runs_the_second_command_of_the_readme() -> None:
    commands = re.findall(r"^python3 dev\.py (?!chat)\w+$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert commands == ["python3 dev.py test"]
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert [command for command in commands if command not in lines] == []


def test_the_entry_point_knows_the_commands_that_the_readme_shows() -> None:
    text = (ROOT / "dev.py").read_text("utf-8")
    shown = re.findall(r"^python3 dev\.py .+$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(shown) == 3
    assert [command for command in shown if command not in text] == []
