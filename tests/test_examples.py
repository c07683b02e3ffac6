"""The FastAPI example, started as its docstring says, and asked by a real HTTP client over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from raptscallions_ai.testing import Cut, FakeGateway, Hang, chunk, sse

pytestmark = pytest.mark.requirement("E04-T005.AC6")

ROOT = Path(__file__).resolve().parents[1]
QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def service(gateway: FakeGateway) -> Iterator[str]:
    """The URL of the running example, whose environment names the fake gateway."""
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "--app-dir", "examples/fastapi_chat", "app:app"]
    command += ["--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AI_", "OPENAI_"))}
    environment |= {"AI_GATEWAY_URL": gateway.base_url, "AI_API_KEY": gateway.api_key, "AI_MAX_RETRIES": "0"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    log: list[str] = []
    try:
        url = None
        for line in process.stderr:
            log.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                url = found[1]
                break
        watchdog.cancel()
        assert url is not None, "".join(log)
        yield url
    finally:
        watchdog.cancel()
        process.terminate()
        log += process.stderr.readlines()
        process.stderr.close()
        process.wait(timeout=20)
    assert "Traceback" not in "".join(log), "".join(log)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: {")]


async def gone(gateway: FakeGateway) -> bool:
    return await gateway.requests[-1].closed() and gateway.requests[-1].disconnected


async def stalled(gateway: FakeGateway) -> bool:
    """Wait until the service reads no more from the gateway; False if it has read everything."""
    request = gateway.requests[-1]
    seen = -1
    while not request.ended:
        if request.bytes_sent == seen:
            return True
        seen = request.bytes_sent
        await asyncio.sleep(0.3)
    return False


async def test_a_complete_answer(service: str, gateway: FakeGateway) -> None:
    gateway.stream("Hello", " world")
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(service + "/chat", json=QUESTION)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    told = events(response.text)
    assert "".join(event.get("content", "") for event in told) == "Hello world"
    assert told[-1]["type"] == "done"
    assert [message["role"] for message in gateway.requests[-1].json["messages"]] == ["system", "user"]


async def test_the_gateway_fails_in_the_middle(service: str, gateway: FakeGateway) -> None:
    gateway.reply(sse(chunk("Half")), Cut())
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(service + "/chat", json=QUESTION)
    assert [event["type"] for event in events(response.text)] == ["content", "error"]


async def test_the_gateway_fails_at_once(service: str, gateway: FakeGateway) -> None:
    gateway.error(429, "Slow down", retry_after=7)
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(service + "/chat", json=QUESTION)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"]["type"] == "RateLimitError"


async def test_the_browser_leaves_while_the_model_is_silent(service: str, gateway: FakeGateway) -> None:
    gateway.reply(sse(chunk("Hello")), Hang())
    async with (
        httpx2.AsyncClient(timeout=60) as http,
        http.stream("POST", service + "/chat", json=QUESTION) as response,
    ):
        async for text in response.aiter_text():
            assert "Hello" in text
            break
        assert not gateway.requests[-1].ended
    assert await gone(gateway)


async def test_a_browser_leaves_that_had_stopped_reading(service: str, gateway: FakeGateway) -> None:
    gateway.reply(*[sse(chunk("x" * 20_000))] * 3000, Hang())
    body = json.dumps(QUESTION).encode()
    head = f"POST /chat HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((urlsplit(service).hostname, urlsplit(service).port), timeout=10) as browser:
        browser.sendall(head.encode() + body)
        assert browser.recv(100).startswith(b"HTTP/1.1 200")
        assert await stalled(gateway)
    assert await gone(gateway)


async def test_the_ai_sdks_endpoint(service: str, gateway: FakeGateway) -> None:
    gateway.stream("Hello")
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    asked = {"id": "c1", "trigger": "submit-message", "messages": [message]}
    async with httpx2.AsyncClient(timeout=60) as http:
        response = await http.post(service + "/ui", json=asked)
        refused = await http.post(service + "/ui", json={"messages": [{**message, "role": "system"}]})
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert [event["type"] for event in events(response.text)][:3] == ["start", "start-step", "text-start"]
    assert response.text.endswith("data: [DONE]\n\n")
    assert refused.status_code == 422
