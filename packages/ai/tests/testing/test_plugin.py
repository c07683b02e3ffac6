"""The pytest plugin, and what importing the test kit costs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import raptscallions_ai.testing as kit
from raptscallions_ai.testing import FakeGateway, ScriptedClient

if TYPE_CHECKING:
    from raptscallions_ai.client import OpenRouterClient


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that a new interpreter has after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stdout.split())


def test_the_kit_imports_neither_the_sdk_nor_pytest() -> None:
    modules = imported_by(f"from raptscallions_ai.testing import {', '.join(kit.__all__)}")
    assert "raptscallions_ai.testing.gateway" in modules
    assert not modules & {"openai", "aiohttp", "httpx2", "pytest"}


def test_the_plugin_imports_nothing_of_weight() -> None:
    modules = imported_by("import raptscallions_ai.testing.pytest_plugin")
    assert not modules & {"openai", "aiohttp", "httpx2", "raptscallions_ai.testing.gateway"}


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
