"""The pytest plugin, and what importing the test kit costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_raptscallions_ai as plugin
import raptscallions_ai.testing as kit
from raptscallions_ai.testing import FakeGateway, ScriptedClient

if TYPE_CHECKING:
    from raptscallions_ai.client.openrouter import OpenRouterClient


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that a new interpreter has after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stdout.split())


def test_the_kit_imports_neither_the_sdk_nor_pytest() -> None:
    modules = imported_by(f"from raptscallions_ai.testing import {', '.join(kit.__all__)}")
    assert "raptscallions_ai.testing.gateway" in modules
    assert not modules & {"openai", "aiohttp", "httpx2", "pytest"}


@pytest.mark.requirement("E04-T017.AC3")
def test_the_plugin_costs_a_run_of_pytest_one_small_module() -> None:
    [entry] = [each for each in entry_points(group="pytest11") if each.name == "raptscallions_ai"]
    assert imported_by(f"import pytest, {entry.module}") - imported_by("import pytest") == {entry.module}


@pytest.mark.requirement("E04-T017.AC3")
def test_the_plugin_claims_no_name_of_another_plugin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--fixtures", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    names = re.findall(r"^(\w+)(?: \[\w+ scope\])? -- ", done.stdout, re.MULTILINE)
    assert {name: names.count(name) for name in plugin.__all__} == dict.fromkeys(plugin.__all__, 1)


def test_every_public_name_is_there() -> None:
    assert dir(kit) == sorted(kit.__all__)
    assert [name for name in kit.__all__ if getattr(kit, name) is None] == []
    with pytest.raises(AttributeError, match="nonsense"):
        _ = kit.nonsense


def test_each_test_has_a_gateway_of_its_own(fake_gateway: FakeGateway) -> None:
    assert fake_gateway.base_url.startswith("http://127.0.0.1:")
    assert fake_gateway.requests == []


async def test_the_client_talks_to_the_gateway_of_the_same_test(
    ai_client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    fake_gateway.stream("Hello", " world")
    result = await ai_client.chat("Hi")
    assert (result.content, result.model) == ("Hello world", fake_gateway.model)
    [request] = fake_gateway.requests
    assert request.headers["authorization"] == f"Bearer {fake_gateway.api_key}"
    assert request.json["model"] == fake_gateway.model


async def test_the_scripted_client_needs_no_import(scripted_client: type[ScriptedClient]) -> None:
    assert (await scripted_client(["Hello", " world"]).chat("Hi")).content == "Hello world"


CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def ai_cassette_options():
    return {{"gateway_url": {url!r}, "api_key": {key!r}, "ignore": ["seed"]}}
"""
EXAMPLE = """
import asyncio
import itertools
import pytest
from raptscallions_ai import OpenRouterClient

SEEDS = itertools.count({seed})

class TestGreeting:
    @pytest.mark.parametrize(("who", "temperature"), [("a/b", 0), ("c", {temperature})], ids=["a/b", "c"])
    def test_it(self, ai_cassette, who, temperature):
        async def ask():
            async with OpenRouterClient(ai_cassette.api_key, ai_cassette.base_url, "m", max_retries=0) as client:
                return (await client.chat(who, seed=next(SEEDS), temperature=temperature)).content
        assert asyncio.run(ask()) == "Hello"
"""


@pytest.mark.requirement("E04-T005.AC10")
def test_each_test_has_a_cassette_of_its_own(tmp_path: Path) -> None:
    def run(*options: str, **values: int) -> str:
        (tmp_path / "test_example.py").write_text(EXAMPLE.format(**values))
        # Only ours of all the plugins that are installed here, and with what a continuous integration sets.
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "true", "AI_CASSETTES": ""}
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "pytest_raptscallions_ai"]
        done = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=60, check=False)  # fmt: skip
        return done.stdout + done.stderr

    with FakeGateway() as gateway:
        (tmp_path / "conftest.py").write_text(CONFTEST.format(url=gateway.base_url, key=gateway.api_key))
        gateway.stream("Hello", times=None)
        strict = run(seed=1, temperature=0)
        assert "2 errors" in strict
        assert "does not exist, and in mode replay nothing is recorded" in strict
        assert gateway.requests == []
        assert "2 passed" in run("--ai-cassettes=once", seed=2, temperature=0)
        assert len(gateway.requests) == 2
    folder = tmp_path / "cassettes" / "test_example"
    odd, plain = sorted(file.name for file in folder.iterdir())
    assert re.fullmatch(r"TestGreeting-test_it-a-b-[0-9a-f]{8}\.jsonl", odd)  # as it could be that of another test, too
    assert plain == "TestGreeting-test_it-c.jsonl"
    changed = run(seed=5, temperature=1)
    assert "1 failed, 1 passed, 1 error" in changed
    assert "temperature: 1 instead of 0" in changed
