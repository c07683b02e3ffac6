"""Every code block of the README files, guides, cookbook and the seeds' pages does what the text around it says.

A block's language decides how it is tested, and an unknown one fails. HTML comments before a block tell what its
test needs: `gateway:` a script of the `FakeGateway` behind the environment's settings, and behind the hosts that
examples name; `claude:` or `ollama:` one of these fakes'; `file:` the name under which later blocks of a document find
it, `needs: local model`, `exit:` the exit code of a command, `input:` what is typed (lines separated by bars), `in:
notebook` that it may await as a cell may. A `text` block is the output of the block before it; three dots in it stand
for anything.
"""

from __future__ import annotations

import ast
import asyncio
import csv
import gc
import inspect
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from raptscallions_ai import PRESETS, AiSettings, reset_settings, testing
from raptscallions_ai._transport.http_connections import HttpConnections
from raptscallions_ai.cli.commands import HELP
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.local import LocalGatewayError
from raptscallions_ai.local.weights import ensure_weights
from raptscallions_ai.proxy.settings import ProxySettings
from raptscallions_ai.testing import FakeAnthropic, FakeGateway, FakeOllama
from raptscallions_ai.tools.tool_call import ToolCall
from raptscallions_chat import ChatSettings
from raptscallions_chat.testing import serve_chat

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs/guides", "docs/cookbook", "docs/seeds")
PAGES = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md"))
MEMBERS = ("ai", "bulk", "chat")
DOCUMENTS = ["README.md", *(f"packages/{member}/README.md" for member in MEMBERS), "docs/seeds.md", *PAGES]
ASYNC_TESTS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
PRINTED: dict[tuple[object, ...], str] = {}
SCRIPTS = Path(sys.executable).parent
HOSTS = ("https://api.openai.com/v1", "https://api.groq.com/openai/v1")
DIRECTIVE = re.compile(r"<!--\s*(gateway|claude|chat|ollama|file|needs|exit|input|in):\s*(.*?)\s*-->", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


@dataclass
class Block:
    """A fenced code block, what its document says about it, and the output that is shown for it."""

    document: str
    line: int
    language: str
    code: str
    directives: dict[str, str]
    files: dict[str, str]
    output: str | None = None

    def __repr__(self) -> str:
        return f"{self.document}:{self.line}:{self.language}"


def blocks_of(document: str) -> list[Block]:
    blocks: list[Block] = []
    files: dict[str, str] = {}
    directives: dict[str, str] = {}
    for token in MarkdownIt().parse((ROOT / document).read_text("utf-8")):
        if token.type == "html_block":
            directives |= dict(DIRECTIVE.findall(token.content))
        elif token.type == "fence":
            assert token.map is not None
            block = Block(document, token.map[0] + 1, token.info.strip(), token.content, directives, dict(files))
            if block.language == "text":
                assert blocks, f"{block} is the output of nothing"
                assert blocks[-1].output is None, f"{block}: {blocks[-1]} has an output already"
                blocks[-1].output = block.code
            else:
                blocks.append(block)
            if name := directives.get("file"):
                files[name] = block.code
            directives = {}
    return blocks


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def is_test(block: Block) -> bool:
    return re.search(r"^(async )?def test_", block.code, re.MULTILINE) is not None


@pytest.fixture(scope="module")
def claude() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as server:
        yield server


def lead_hosts_to(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the addresses that examples name lead to the gateway, as if these hosts were there."""
    connect = HttpConnections.__init__

    def connect_here(self: HttpConnections, *, base_url: str, **options: Any) -> None:
        connect(self, base_url=gateway.base_url if base_url in HOSTS else base_url, **options)

    monkeypatch.setattr(HttpConnections, "__init__", connect_here)


@pytest.fixture
def surroundings(
    fake_gateway: FakeGateway, claude: FakeAnthropic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """An empty working directory, and an environment whose settings lead to the fakes of the gateway and of Claude."""
    lead_hosts_to(fake_gateway, monkeypatch)
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_")) and name != "AI_LOCAL_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AI_GATEWAY_URL", fake_gateway.base_url)
    monkeypatch.setenv("AI_API_KEY", fake_gateway.api_key)
    monkeypatch.setenv("AI_DEFAULT_MODEL", fake_gateway.model)
    monkeypatch.setenv("ANTHROPIC_API_KEY", claude.api_key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.base_url)
    monkeypatch.setenv("PATH", os.pathsep.join([str(SCRIPTS), os.environ["PATH"]]))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    reset_settings()
    log = logging.getLogger("raptscallions_ai")
    level, handlers = log.level, log.handlers[:]
    yield dict(os.environ)
    log.setLevel(level)
    log.handlers[:] = handlers
    reset_settings()


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """A fake Ollama server, to which the environment leads."""
    with FakeOllama() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.base_url)
        yield server


@pytest.fixture(scope="session")
def local_model() -> Path:
    from concurrent.futures import ThreadPoolExecutor

    try:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, ensure_weights()).result()
    except LocalGatewayError as error:
        if os.environ.get("CI") == "true" or error.details["reason"] not in {"unreachable", "interrupted"}:
            raise
        pytest.skip(f"the local model cannot be had here: {error.message}")


def prepare(block: Block, gateway: FakeGateway, request: pytest.FixtureRequest) -> None:
    assert block.directives.get("needs", "local model") == "local model", block.directives
    if "needs" in block.directives or "--local" in block.code:
        request.getfixturevalue("local_model")
    if script := block.directives.get("gateway"):
        names = {name: getattr(testing, name) for name in testing.__all__}
        eval(f"gateway.{script}", {**names, "ToolCall": ToolCall, "gateway": gateway})
    if script := block.directives.get("claude"):
        claude: FakeAnthropic = request.getfixturevalue("claude")
        eval(f"claude.{script}", {"claude": claude, "ToolCall": ToolCall})
    if script := block.directives.get("ollama"):
        ollama: FakeOllama = request.getfixturevalue("ollama")
        eval(f"ollama.{script}", {"ollama": ollama, "ToolCall": ToolCall})
    for name, content in block.files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, "utf-8")


def typed(text: str) -> Callable[[str], str]:
    """Stand in for a person at a terminal, where what is typed is seen and ends with Ctrl-D."""
    lines = iter(line.strip() for line in text.split("|"))

    def answer(prompt: str = "") -> str:
        print(prompt, end="")
        if (line := next(lines, None)) is None:
            print()
            raise EOFError
        print(line)
        return line

    return answer


def assert_printed(block: Block, printed: str) -> None:
    if block.output is None:
        return
    expected, seen = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).rstrip() for text in (block.output, printed))
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    assert re.fullmatch(pattern, seen) is not None, f"{block} shows:\n{expected}\nbut it printed:\n{seen}"


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in BLOCKS} <= {"python", "sh", "env", "toml", "jsonl", "csv"}
    assert len([block for block in of("python") if is_test(block)]) >= 3
    assert len(of("python")) >= 15
    assert len(of("sh")) >= 8


@pytest.mark.parametrize("block", [block for block in of("python") if not is_test(block)], ids=repr)
@pytest.mark.usefixtures("surroundings")
def test_script(
    block: Block,
    fake_gateway: FakeGateway,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(block, fake_gateway, request)
    if lines := block.directives.get("input"):
        monkeypatch.setattr("builtins.input", typed(lines))
    gc.freeze()  # the collection below is for the example's objects; all that there are would take far longer
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if block.directives.get("in") == "notebook" else 0
    cell = eval(compile(block.code, repr(block), "exec", flags, dont_inherit=True), {"__name__": "__main__"})
    if inspect.iscoroutine(cell):
        asyncio.run(cell)
    gc.collect()  # a client that the example forgot to close warns now, and a warning is a failure
    assert_printed(block, capsys.readouterr().out)
    assert ("gateway" in block.directives) <= bool(fake_gateway.requests), f"{block} never asked the scripted gateway"


@pytest.mark.requirement("E04-T002.AC9")
@pytest.mark.parametrize("block", [block for block in of("python") if is_test(block)], ids=repr)
def test_example_tests(
    block: Block, surroundings: dict[str, str], fake_gateway: FakeGateway, request: pytest.FixtureRequest
) -> None:
    prepare(block, fake_gateway, request)
    Path("test_example.py").write_text(block.code, "utf-8")
    if "pyproject.toml" not in block.files:
        Path("pytest.ini").write_text(ASYNC_TESTS)
    unneeded = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # the latter takes a second to load
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *unneeded, "test_example.py"]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(re.findall(r'^(?:async )?def test_', block.code, re.MULTILINE))} passed" in done.stdout


@pytest.mark.parametrize("block", [block for block in of("sh") if "chat" in block.directives], ids=repr)
async def test_commands_of_clients_of_the_chat_service(block: Block, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    client = testing.ScriptedClient(block.directives["chat"], repeat=True)
    async with serve_chat(client, database_url=f"sqlite:///{tmp_path / 'chat.db'}") as service:
        environment = {**os.environ, "CHAT_URL": service.url}
        command = ["sh", "-ec", block.code]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=50, check=False
        )
    assert done.returncode == 0, done.stderr
    assert_printed(block, done.stdout)


@pytest.mark.requirement("E06-T003.AC2")
@pytest.mark.parametrize("block", [block for block in of("sh") if "chat" not in block.directives], ids=repr)
def test_commands(
    block: Block, surroundings: dict[str, str], fake_gateway: FakeGateway, request: pytest.FixtureRequest
) -> None:
    prepare(block, fake_gateway, request)
    assert_printed(block, "".join(run(line, block, surroundings) for line in block.code.splitlines() if line.strip()))


def run(line: str, block: Block, environment: dict[str, str]) -> str:
    """Execute a command line, or check it where executing it would change this machine; return what it prints."""
    words = shlex.split(line)
    if words[:3] == ["python3", "dev.py", "chat"]:  # dev.py sets up and then runs exactly this
        return execute(shlex.join(["raptscallions-ai", *words[2:]]), block, environment)
    if words[:3] == ["python3", "dev.py", "serve"]:
        begins_to_serve(["raptscallions-chat", *words[2:]], environment)
    elif words[:2] == ["python3", "dev.py"]:
        assert line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines(), f"CI does not run {line!r}"
    elif words[:2] == ["pip", "install"]:
        check_installable(words[2:])
    elif words[0] == "export":
        name, _, value = words[1].partition("=")
        assert name in variables()
        assert value
    elif words[:2] == ["raptscallions-chat", "serve"]:
        begins_to_serve(words, environment)
    elif words[0] == "raptscallions-chat":
        # On this machine's file instead of a PostgreSQL that is only an example.
        done = subprocess.run(words, env={**environment, "CHAT_DATABASE_URL": "sqlite:///chat.db"}, check=False)
        assert done.returncode == 0
    elif any(word == "raptscallions-ai" for word in words):
        return execute(line, block, environment)
    else:
        pytest.fail(f"{block}: this test does not know how to check {line!r}")
    return ""


def begins_to_serve(words: list[str], environment: dict[str, str]) -> None:
    """Start a service on any free port, and end it as soon as it listens."""
    environment = {**environment, "CHAT_PORT": "0", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "listens on http://127.0.0.1:" in process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0


def execute(line: str, block: Block, environment: dict[str, str]) -> str:
    """Run a command line and return what it prints; the same line under the same conditions is run once only."""
    conditions = (line, *sorted(block.directives.items()))
    if conditions not in PRINTED:
        PRINTED[conditions] = outcome(line, int(block.directives.get("exit", "0")), environment)
    return PRINTED[conditions]


def outcome(line: str, exit_code: int, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", line],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == exit_code, f"{line}\n{done.stdout}"
    assert done.stdout.strip(), f"{line} printed nothing"
    return done.stdout


def check_installable(requirements: list[str]) -> None:
    members = [tomllib.loads(path.read_text("utf-8"))["project"] for path in ROOT.glob("packages/*/pyproject.toml")]
    extras = {project["name"]: project["optional-dependencies"].keys() for project in members}
    for requirement in map(Requirement, requirements):
        assert requirement.extras <= extras[requirement.name]


def variables() -> set[str]:
    ours = {"AI_" + name.upper() for name in AiSettings.model_fields} | {"OPENROUTER_API_KEY", "AI_LOCAL_CACHE_DIR"}
    return ours | {"CHAT_" + name.upper() for name in ChatSettings.model_fields}


@pytest.mark.parametrize("block", of("jsonl"), ids=repr)
def test_cassettes(block: Block, tmp_path: Path) -> None:
    assert block.directives["file"].endswith(".jsonl"), "a later block replays it"
    (tmp_path / "a.jsonl").write_text(block.code, "utf-8")
    with testing.Cassette(tmp_path / "a.jsonl", mode="replay") as cassette:
        assert not cassette.is_recording


@pytest.mark.parametrize("block", of("csv"), ids=repr)
def test_tables_are_files_with_as_many_cells_in_each_line(block: Block) -> None:
    assert block.directives["file"].endswith(".csv"), "a later block reads it"
    assert len({len(cells) for cells in csv.reader(block.code.splitlines())}) == 1


@pytest.mark.parametrize("block", of("env"), ids=repr)
def test_environment_files(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    given = dict(line.split("=", 1) for line in block.code.splitlines() if line and not line.startswith("#"))
    assert given.keys() <= variables()
    (tmp_path / ".env").write_text(block.code, "utf-8")
    monkeypatch.chdir(tmp_path)
    settings = AiSettings()
    assert settings.api_key.get_secret_value() == given["AI_API_KEY"]
    assert settings.default_model == given["AI_DEFAULT_MODEL"]


@pytest.mark.parametrize("block", of("toml"), ids=repr)
def test_toml_is_a_file_that_the_documents_tests_use(block: Block, tmp_path: Path) -> None:
    if block.directives["file"] == "callers.toml":
        (tmp_path / "callers.toml").write_text(block.code, "utf-8")
        assert len(ProxySettings(callers_file=str(tmp_path / "callers.toml")).all_callers()) == 2
        return
    assert tomllib.loads(block.code)["tool"]["pytest"]["ini_options"]
    assert block.directives["file"] == "pyproject.toml"
    assert any("pyproject.toml" in other.files for other in BLOCKS if other.document == block.document)


def test_the_guide_lists_every_exit_code_and_every_command_of_the_chat() -> None:
    guide = (ROOT / "docs/guides/command-line.md").read_text("utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", guide, re.MULTILINE)] == [int(code) for code in ExitCode]
    assert re.findall(r"^\| `(/\w+)", guide, re.MULTILINE) == re.findall(r"^(/\w+)", HELP, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    trees = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("backlog/**/*.md")]
    documents = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "examples/README.md", *trees]
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents
        for target in LINK.findall(path.read_text("utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_the_guide_to_engines_lists_every_preset() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| `(\S+)` \|", (ROOT / "docs/guides/engines.md").read_text("utf-8"), re.MULTILINE
    )
    assert dict(rows) == {preset.name: preset.base_url for preset in PRESETS.values()}


def test_the_packages_pages_have_no_relative_links() -> None:
    pages = [(ROOT / "packages" / member / "README.md").read_text("utf-8") for member in MEMBERS]
    assert [link for page in pages for link in LINK.findall(page) if "://" not in link] == []
