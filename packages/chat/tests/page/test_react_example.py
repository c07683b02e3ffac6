"""The example with React, the AI SDK and assistant-ui: built as its README says, and used as a person would."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from filelock import FileLock

from raptscallions_ai.testing import FakeGateway, Gate, Hang, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

from .conftest import Arrive, missing

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[4] / "examples" / "react-chat"
CACHE = Path(__file__).parents[4] / ".cache" / "react-chat"
END = (sse(chunk(finish_reason="stop", usage=usage())), sse("[DONE]"))


@pytest.fixture(scope="session")
def built() -> Path:
    """The example's folder, copied, with its packages installed (110 MB) and built."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        missing("this needs Node.js with npm, which is not installed here")
    CACHE.parent.mkdir(exist_ok=True)
    with FileLock(CACHE.with_suffix(".lock")):
        shutil.copytree(EXAMPLE, CACHE, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist"))
        for command in ("install --no-fund --no-audit --no-package-lock --ignore-scripts", "run build"):
            done = subprocess.run(
                [str(npm), *command.split()], cwd=CACHE, capture_output=True, text=True, timeout=400, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
    return CACHE


@pytest.fixture
async def example(built: Path, chat: ServedChat) -> AsyncIterator[str]:
    """The address of the built page, in front of the service."""
    command = ["node", "node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1", "--port", "0"]
    environment = {**os.environ, "CHAT_URL": chat.url, "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(*command, cwd=built, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line.decode()):
            yield found[0]
            break
    process.terminate()
    await process.communicate()


@pytest.mark.requirement("E07-T005.AC1")
async def test_it_streams_resumes_stops_and_writes_another_answer(
    example: str, fake_gateway: FakeGateway, arrive: Arrive
) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("Half of ")), gate, sse(chunk("it.")), *END)
    fake_gateway.reply(sse(chunk("Never")), Hang())
    fake_gateway.reply(sse(chunk("Another one.")), *END)
    person = await arrive(example)
    await person.does("""
        await say("Tell me");
        await page.getByText("Half of").waitFor();
        await page.reload();
        await page.getByText("Half of").waitFor();
    """)
    gate.open()
    await person.does("""
        await page.getByText("Half of it.").waitFor();
        await page.getByRole("button", { name: "Send" }).waitFor();
        await say("Go on");
        await page.getByText("Never").waitFor();
        await page.getByRole("button", { name: "Stop" }).click();
        await page.getByRole("button", { name: "Send" }).waitFor();
    """)
    stopped = [request for request in fake_gateway.requests if request.path.endswith("/chat/completions")][-1]
    assert await stopped.closed()
    texts = await person.does("""
        await page.getByRole("button", { name: "Another answer" }).last().click();
        await page.getByText("Another one.").waitFor();
        await page.reload();
        await page.getByText("Another one.").waitFor();
        return page.locator(".user, .assistant").evaluateAll((all) => all.map((each) => each.firstChild.textContent));
    """)
    assert texts == ["Tell me", "Half of it.", "Go on", "Another one."]
    # A chat in which nothing was said yet is not there yet.
    assert [problem for problem in await person.problems() if "404" not in problem] == []
