"""The real client of the AI SDK, as `useChat` uses it, against the routes under /ui."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest
from filelock import FileLock

from raptscallions_ai import OpenRouterClient, ReasoningChunk
from raptscallions_ai.testing import FakeGateway, Gate, Hang, ScriptedClient, chunk, sse, usage
from raptscallions_chat.testing import ServedChat

pytestmark = pytest.mark.timeout(300)  # the first run installs the SDK

HERE = Path(__file__).parent / "ai_sdk"
CACHE = Path(__file__).parents[4] / ".cache" / "ai_sdk"
Serve = Callable[..., Awaitable[ServedChat]]
Page = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


def missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def packages() -> Path:
    """The SDK's packages, in the same place where the tests of packages/ai keep them."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        missing("this needs Node.js with npm, which is not installed here")
    stamp = CACHE / "installed.json"
    CACHE.parent.mkdir(exist_ok=True)
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    with FileLock(CACHE.with_suffix(".lock")):
        if not stamp.exists() or json.loads(stamp.read_text("utf-8"))["dependencies"] != wanted:
            shutil.rmtree(CACHE, ignore_errors=True)
            CACHE.mkdir()
            for name in ("package.json", "package-lock.json"):  # the second has the hash of each package
                shutil.copy(HERE / name, CACHE)
            command = [str(npm), "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
            done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode != 0:
                missing(f"the AI SDK could not be installed: {done.stderr.strip()[-300:]}")
            shutil.copy(HERE / "package.json", stamp)
    return CACHE / "node_modules"


@pytest.fixture(params=["ai", "ai-6"])
def page(request: pytest.FixtureRequest, packages: Path) -> Page:
    """Lets a page of the SDK take some steps, and returns what its user has seen."""
    sdk = packages / request.param
    entry = json.loads((sdk / "package.json").read_text("utf-8"))["exports"]["."]
    program = sdk / (entry.get("import") or entry["default"])

    async def take(chat: ServedChat, *steps: dict[str, Any], id: str = "my chat") -> dict[str, Any]:
        command = ["node", str(HERE / "chat.mjs"), program.as_uri(), chat.url, id, json.dumps(steps)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    return take


def texts(seen: dict[str, Any]) -> list[str]:
    return [
        "".join(part["text"] for part in message["parts"] if part["type"] == "text") for message in seen["messages"]
    ]


async def test_a_conversation_is_kept_by_the_service(served: Serve, page: Page) -> None:
    client = ScriptedClient([ReasoningChunk("Let me see."), "It is ", "Rome."], "Warm.")
    chat = await served(client)
    seen = await page(chat, {"say": "Which city?"}, {"say": "And the weather?"})
    assert (seen["status"], seen.get("error")) == ("ready", None)
    assert texts(seen) == ["Which city?", "It is Rome.", "And the weather?", "Warm."]
    kinds = [part["type"] for part in seen["messages"][1]["parts"]]
    assert kinds == ["step-start", "reasoning", "text"]
    assert seen["messages"][1]["metadata"]["usage"]["total_tokens"] > 0
    assert [part["data"] for part in seen["data"]] == [{"title": "Which city?"}]
    assert [message["content"] for message in client.calls[1].messages] == [
        "Which city?",
        "It is Rome.",
        "And the weather?",
    ]
    again = await page(chat, {"load": True})
    assert texts(again) == texts(seen)
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        (conversation,) = (await http.get("/conversations")).json()["items"]
        stored = (await http.get(f"/conversations/{conversation['id']}/messages")).json()["items"]
    assert [message["id"] for message in stored if message["role"] == "assistant"] == [
        message["id"] for message in seen["messages"] if message["role"] == "assistant"
    ]


async def test_regenerate_and_edit_are_branches(served: Serve, page: Page) -> None:
    chat = await served(ScriptedClient("One.", "Two.", "Three."))
    seen = await page(chat, {"say": "First"}, {"regenerate": True}, {"edit": "First, but better"})
    assert seen.get("error") is None
    assert texts(seen) == ["First, but better", "Three."]
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        (conversation,) = (await http.get("/conversations")).json()["items"]
        exported = (await http.get(f"/conversations/{conversation['id']}/export")).json()["messages"]
    assert [message["text"] for message in exported] == ["First", "One.", "Two.", "First, but better", "Three."]


@pytest.fixture
async def upstream(fake_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model) as client:
        yield client


async def test_a_page_that_was_closed_resumes_on_reload(
    served: Serve, page: Page, fake_gateway: FakeGateway, upstream: OpenRouterClient
) -> None:
    go_on = Gate()
    end = sse(chunk(finish_reason="stop", usage=usage()))
    fake_gateway.reply(sse(chunk("Half of ")), go_on, sse(chunk("it.")), end, sse("[DONE]"))
    chat = await served(upstream)
    left = await page(chat, {"leave": {"say": "Tell me", "at": "Half"}})
    assert left["seen"] == "Half of "
    reloading = asyncio.create_task(page(chat, {"load": True}, {"resume": True}))
    async with asyncio.timeout(60), httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        while "chat_readers 1.0" not in (await http.get("/metrics")).text:  # noqa: ASYNC110 - a process of its own
            await asyncio.sleep(0.01)
    go_on.open()
    seen = await reloading
    assert texts(seen) == ["Tell me", "Half of it."]
    assert len(fake_gateway.requests) == 1
    over = await page(chat, {"load": True}, {"resume": True})
    assert texts(over) == ["Tell me", "Half of it."]


async def test_the_stop_button_stops_the_gateway(
    served: Serve, page: Page, fake_gateway: FakeGateway, upstream: OpenRouterClient
) -> None:
    fake_gateway.reply(sse(chunk("One two")), Hang())
    chat = await served(upstream)
    seen = await page(chat, {"stop": "two"})
    assert (seen["status"], seen.get("error")) == ("ready", None)
    assert texts(seen)[-1] == "One two"
    assert await fake_gateway.requests[-1].closed()


async def test_what_is_no_ui_message_is_refused(served: Serve) -> None:
    chat = await served(ScriptedClient("Hi"))
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        odd: list[Any] = [{"role": "user"}, {"role": "system", "parts": []}, {"role": "user", "parts": [{"type": "x"}]}]
        for message in odd:
            reply = await http.post("/ui/chat", json={"id": "c", "messages": [message]})
            assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
        assert (await http.get("/ui/chat/unknown/stream")).status_code == 204
        assert (await http.post("/ui/chat/unknown/stop")).status_code == 404


async def test_a_message_that_is_sent_twice_is_answered_once(served: Serve) -> None:
    client = ScriptedClient("Once.", "Twice.")
    chat = await served(client)
    body = {"id": "c", "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        one, two = await http.post("/ui/chat", json=body), await http.post("/ui/chat", json=body)
    assert len(client.calls) == 1
    assert one.headers["x-run-id"] == two.headers["x-run-id"]
    assert '"Once."' in two.text
