"""What the whole suite shares: a clean environment, clients of the fake gateway, and a watch on leaks."""

from __future__ import annotations

import asyncio
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from ai_tests import ClientFactory
from filelock import FileLock
from hypothesis import HealthCheck, settings

from raptscallions_ai import OpenRouterClient, reset_settings
from raptscallions_ai.local import LocalGateway, LocalGatewayError
from raptscallions_ai.local.weights import ensure_weights, require_extra
from raptscallions_ai.testing import FakeGateway, FakeOllama, Hang, chunk, sse

pytest.register_assert_rewrite("fault_checks")
settings.register_profile(
    "quick",
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=bool(os.environ.get("CI")),
    # The fixture that every test gets cleans the environment; once a test is enough.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("quick")

REPOSITORY = Path(__file__).parents[3]

T = TypeVar("T")
NodeModules = Callable[[Path], Path]
PythonEnvironment = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no variable and no `.env` of the machine reach a test."""
    for name in list(os.environ):
        if name.startswith(("AI_", "OPENAI_", "OPENROUTER_")) and name != "AI_LOCAL_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    reset_settings()


@pytest_asyncio.fixture
async def new_client(fake_gateway: FakeGateway) -> AsyncIterator[ClientFactory]:
    """A maker of clients of the fake gateway, without retries; it closes them and checks that nothing leaked."""
    clients: list[OpenRouterClient] = []

    def make(**options: object) -> OpenRouterClient:
        arguments: dict[str, object] = {
            "api_key": fake_gateway.api_key,
            "base_url": fake_gateway.base_url,
            "default_model": fake_gateway.model,
            "max_retries": 0,
            "timeout": 20.0,
        }
        client = OpenRouterClient(**{**arguments, **options})  # pyright: ignore[reportArgumentType] - keywords of one call
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
    await fake_gateway.until(lambda: fake_gateway.open_connections == 0)
    here = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not here and not task.done()] == []


@pytest_asyncio.fixture
async def client(new_client: ClientFactory) -> OpenRouterClient:
    """A client of the fake gateway that does not retry."""
    return new_client()


@pytest.fixture
def endless(fake_gateway: FakeGateway) -> FakeGateway:
    """A gateway that sends one word and then nothing more, for as long as the client listens."""
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    return fake_gateway


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


@pytest.fixture
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries wait for a moment only."""
    monkeypatch.setattr("raptscallions_ai._call.retry._FIRST_DELAY", 0.001)


@pytest.fixture
def calls_of() -> Callable[[Callable[[], object]], Counter[str]]:
    """Counts the calls that something takes, in Python and in C, by name: work that is the same on every machine."""

    def count(work: Callable[[], object]) -> Counter[str]:
        calls: Counter[str] = Counter()

        def note(frame: FrameType, event: str, argument: Any) -> None:
            if event == "call":
                calls[frame.f_code.co_qualname] += 1
            elif event == "c_call":
                calls[argument.__qualname__] += 1

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(before)
        return calls

    return count


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own, away from the loops that pytest-asyncio keeps."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def local_weights() -> Path:
    """The real model file; the first run of all downloads 93 MB into the user's cache folder."""
    try:
        require_extra()
        return run_apart(ensure_weights())
    except LocalGatewayError as error:
        if os.environ.get("CI") == "true" or error.details["reason"] not in {"extra", "unreachable", "interrupted"}:
            raise
        pytest.skip(f"the local model cannot be had here: {error.message}")


@pytest.fixture(scope="session")
def local_gateway(local_weights: Path) -> Iterator[LocalGateway]:
    """One running gateway with the real model, for all tests of the session."""
    gateway = run_apart(LocalGateway(model_path=None, progress=False).start())
    yield gateway
    run_apart(gateway.aclose())


def missing(what: str) -> None:
    """Skip where something is not there; in CI it must be."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Returns the path of a program of the system, which no test can install."""

    def find(name: str) -> str:
        if (found := shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")) is None:
            missing(f"this needs {name}, which is not installed here")
            raise AssertionError  # for the type checker: `missing` never returns
        return found

    return find


@pytest.fixture(scope="session")
def node_modules() -> NodeModules:
    """Returns the installed packages of a folder's package.json; they are kept in the repository's cache folder."""

    def installed(folder: Path) -> Path:
        wanted, place = folder / "package.json", REPOSITORY / ".cache" / folder.name
        if shutil.which("node") is None or (npm := shutil.which("npm")) is None:
            missing("this needs Node.js with npm, which is not installed here")
            raise AssertionError  # for the type checker: `missing` never returns
        stamp = place / "installed.json"  # written last, so that an installation that was interrupted is begun anew
        place.parent.mkdir(exist_ok=True)
        with FileLock(place.with_suffix(".lock")):  # tests run in several processes
            if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                for name in ("package.json", "package-lock.json"):  # the second has the hash of each package
                    shutil.copy(folder / name, place)
                command = [npm, "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
                done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240, check=False)
                if done.returncode != 0:
                    missing(f"{folder.name} could not be installed: {done.stderr.strip()[-300:]}")
                shutil.copy(wanted, stamp)
        return place / "node_modules"

    return installed


@pytest.fixture(scope="session")
def python_environment() -> PythonEnvironment:
    """Returns the folder of programs of an environment with a folder's requirements.txt; kept in the cache folder."""

    def installed(folder: Path) -> Path:
        wanted, place = folder / "requirements.txt", REPOSITORY / ".cache" / folder.name
        stamp = place / "installed.txt"  # written last, so that an installation that was interrupted is begun anew
        asked = f"{sys.version}\n{wanted.read_text('utf-8')}"
        place.parent.mkdir(exist_ok=True)
        with FileLock(place.with_suffix(".lock")):  # tests run in several processes
            if not stamp.exists() or stamp.read_text("utf-8") != asked:
                uv = runpy.run_path(str(REPOSITORY / "dev.py"))["find_uv"]()
                for command in (
                    [uv, "venv", "--clear", "--python", sys.executable, place],
                    [uv, "pip", "install", "--python", place, "--requirement", wanted],
                ):
                    # Anywhere in the repository, uv would force our own pins on it.
                    where = tempfile.gettempdir()
                    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, check=False)
                    if done.returncode != 0:
                        missing(f"{folder.name} could not be installed: {done.stderr.strip()[-300:]}")
                stamp.write_text(asked, "utf-8")
        return place / ("Scripts" if os.name == "nt" else "bin")

    return installed
