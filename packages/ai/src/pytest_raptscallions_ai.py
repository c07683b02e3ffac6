"""Fixtures for pytest, registered as an entry point: `fake_gateway`, `ai_client`, `ai_cassette`, `scripted_client`.

pytest imports this module in every run of everyone who has the package installed. So it stands beside the package,
whose import takes a while, and imports nothing of it before a fixture is used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raptscallions_ai.client.openrouter import OpenRouterClient
    from raptscallions_ai.testing.cassette import Cassette, CassetteOptions
    from raptscallions_ai.testing.gateway import FakeGateway
    from raptscallions_ai.testing.scripted import ScriptedClient

__all__ = ["ai_cassette", "ai_cassette_options", "ai_client", "fake_gateway", "scripted_client"]

_NOT_IN_A_FILE_NAME = re.compile(r"[^\w.=+-]+")
# Parameters in small letters: some disks do not tell them from capitals.
_PLAIN = re.compile(r"(?:\w+::)*\w+(?:\[(?:[a-z0-9_.=+]|[a-z0-9_.=+][a-z0-9_.=+-]*[a-z0-9_.=+])\])?")
_LONGEST_NAME = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for what becomes of cassettes."""
    parser.getgroup("raptscallions-ai").addoption(
        "--ai-cassettes",
        choices=("once", "replay", "record"),
        help="replay cassettes that are there and record the others (once), never record (replay), or always (record); "
        "by default AI_CASSETTES, else replay where CI is set, else once",
    )


@pytest.fixture
def fake_gateway() -> Iterator[FakeGateway]:
    """A running `FakeGateway`, one for each test; for sync and async tests."""
    from raptscallions_ai.testing.gateway import FakeGateway

    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
def ai_client(fake_gateway: FakeGateway) -> Iterator[OpenRouterClient]:
    """An `OpenRouterClient` that talks to `fake_gateway` and does not retry; closed after the test."""
    from raptscallions_ai.client.openrouter import OpenRouterClient

    client = OpenRouterClient(
        api_key=fake_gateway.api_key,
        base_url=fake_gateway.base_url,
        default_model=fake_gateway.model,
        max_retries=0,
    )
    yield client
    _close(client)


@pytest.fixture(scope="session")
def ai_cassette_options() -> CassetteOptions:
    """The options of every `ai_cassette`; a fixture of this name in a conftest or a test file changes them."""
    return {}


@pytest.fixture
def ai_cassette(request: pytest.FixtureRequest, ai_cassette_options: CassetteOptions) -> Iterator[Cassette]:
    """The `Cassette` of a test: the file `cassettes/TEST_FILE/TEST.jsonl` beside the test's own file."""
    from raptscallions_ai.testing.cassette import Cassette

    file = _file_of(request.node.nodeid.partition("::")[2])
    options = ai_cassette_options.copy()
    if mode := request.config.getoption("--ai-cassettes"):
        options["mode"] = mode
    with Cassette(request.path.parent / "cassettes" / request.path.stem / file, **options) as cassette:
        yield cassette


@pytest.fixture
def scripted_client() -> type[ScriptedClient]:
    """The class `ScriptedClient`, to be called with scripts: `scripted_client(["Hello", " world"])`."""
    from raptscallions_ai.testing.scripted import ScriptedClient

    return ScriptedClient


def _file_of(test: str) -> str:
    """Return the name of a test's cassette; where the plain name could be another test's, it ends with a digest."""
    name = _NOT_IN_A_FILE_NAME.sub("-", test).strip("-")
    if not _PLAIN.fullmatch(test) or len(name) > _LONGEST_NAME:
        import hashlib

        digest = hashlib.sha256(test.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        name = f"{name[:_LONGEST_NAME]}-{digest}"
    return name + ".jsonl"


def _close(client: OpenRouterClient) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # In a thread of its own: whichever async plugin the user has, its loop and its policy stay as they are.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, client.aclose()).result()
