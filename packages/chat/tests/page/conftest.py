"""A person in front of a real browser, for the tests of the page."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway
from raptscallions_chat.testing import ServedChat

HERE = Path(__file__).parent / "browser"
CACHE = Path(__file__).parents[4] / ".cache" / "chat-page-browser"
PICTURES = Path(__file__).parents[4] / ".cache" / "screenshots"

Serve = Callable[..., Awaitable[ServedChat]]
Arrive = Callable[..., Awaitable["Person"]]


def missing(what: str) -> None:
    """Skip where something cannot be had; fail in CI, which has everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class Browser:
    """One Chromium, driven by playwright-core in a process of its own.

    Args:
        packages: The folder with the packages.
        program: Chromium.
    """

    def __init__(self, packages: Path, program: str) -> None:
        command = ["node", str(HERE / "drive.mjs"), str(packages), program]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ids = itertools.count()

    def ask(self, action: str, **what: Any) -> Any:
        """Do something and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"id": next(self._ids), "action": action, **what}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has gone"
        reply = json.loads(line)
        if "error" in reply:
            raise AssertionError(reply["error"])
        return reply["value"]

    def close(self) -> None:
        """End the browser."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


class Person:
    """Somebody with the page open, in a browser profile of their own.

    Args:
        browser: The browser.
        name: Which of the people.
        url: The address of the page.
    """

    def __init__(self, browser: Browser, name: str, url: str) -> None:
        self._browser = browser
        self.name = name
        self.url = url

    async def does(self, code: str, **given: Any) -> Any:
        """Run steps of playwright, such as `await say("Hi")`, and return what they return."""
        told = textwrap.dedent(code)
        return await asyncio.to_thread(self._browser.ask, "does", person=self.name, code=told, given=given)

    async def problems(self) -> list[str]:
        """Return what the browser's console has against the page."""
        found: list[str] = await self.does("return problems")
        return found


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with playwright-core and axe-core, installed into the repository's cache on first use (20 MB)."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        missing("this needs Node.js with npm, which is not installed here")
    wanted, stamp = HERE / "package.json", CACHE / "installed.json"
    CACHE.parent.mkdir(exist_ok=True)
    with FileLock(CACHE.with_suffix(".lock")):
        if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
            shutil.rmtree(CACHE, ignore_errors=True)
            CACHE.mkdir()
            for name in ("package.json", "package-lock.json"):  # the second has the hash of each package
                shutil.copy(HERE / name, CACHE)
            command = [str(npm), "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
            done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode != 0:
                missing(f"playwright-core could not be installed: {done.stderr.strip()[-300:]}")
            shutil.copy(wanted, stamp)
    return CACHE / "node_modules"


@pytest.fixture(scope="session")
def browser(packages: Path) -> Iterator[Browser]:
    """A running Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("this needs Chromium: apt-get install chromium")
        return
    started = Browser(packages, program)
    yield started
    started.close()


@pytest.fixture
async def arrive(browser: Browser) -> AsyncIterator[Arrive]:
    """Opens the page as somebody new: `await arrive(chat.url)`; options are those of a browser context."""
    there: list[str] = []

    async def come(url: str, **options: Any) -> Person:
        name = f"person {len(there)}"
        there.append(name)
        await asyncio.to_thread(browser.ask, "arrive", person=name, url=url, options=options)
        return Person(browser, name, url)

    yield come
    for name in there:
        await asyncio.to_thread(browser.ask, "leave", person=name)


@pytest.fixture
async def upstream(fake_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    """A client of the fake gateway."""
    gateway = fake_gateway
    async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model, max_retries=0) as client:
        yield client


@pytest.fixture
async def chat(served: Serve, upstream: OpenRouterClient) -> ServedChat:
    """A service with a page, which the fake gateway answers for."""
    return await served(upstream)
