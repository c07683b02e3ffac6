"""A worker is killed with SIGKILL at every step, on both sets: nothing that anybody has seen is lost."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from raptscallions_ai.testing import Answer, FakeGateway
from raptscallions_chat.testing import read_events

PROGRAM = Path(__file__).with_name("dying_worker.py")
POINTS = [
    "before send 1",
    "after send 1",
    "after prompt 1",
    "after opened 1",
    "before append_pieces 1",
    "after append_pieces 1",
    "after append 2",
    "before append_pieces 3",
    "after append_pieces 3",
    "before finish_run 1",
    "after finish_run 1",
    "after append 4",
]
WORDS = tuple(f"word{n} " for n in range(40))
ENDS = {"completed", "stopped", "failed", "interrupted"}


@dataclass
class Worker:
    """A process that serves."""

    process: asyncio.subprocess.Process
    url: str


@asynccontextmanager
async def worker(settings: dict[str, Any], gateway: FakeGateway, die_at: str = "") -> AsyncGenerator[Worker]:
    """Start a worker, and kill it at the end if it still lives."""
    environment = {
        "PATH": os.environ["PATH"],
        "CHAT_PORT": "0",
        "CHAT_LEASE_S": "1",
        "CHAT_MESSAGES_PER_MINUTE": "0",
        "CHAT_TEST_DIE_AT": die_at,
        "AI_API_KEY": gateway.api_key,
        "AI_GATEWAY_URL": gateway.base_url,
        "AI_DEFAULT_MODEL": gateway.model,
        **{f"CHAT_{name.upper()}": str(value) for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), "serve", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        assert "listens on" in line, line
        yield Worker(process, line.split()[-1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def send_and_watch(url: str, conversation: str) -> str | None:
    """Send a message, and return the text that was seen until the worker died, or the end; None if nothing was."""
    seen: str | None = None
    headers = {"Accept": "text/event-stream", "Idempotency-Key": "the one"}
    try:
        async with (
            httpx2.AsyncClient(base_url=url, timeout=20) as http,
            http.stream(
                "POST", f"/conversations/{conversation}/messages", json={"message": "Hi"}, headers=headers
            ) as response,
        ):
            async for event in read_events(response.aiter_bytes()):
                seen = (seen or "") + (event.data["content"] if event.type == "content" else "")
    except httpx2.HTTPError:
        pass
    return seen


async def ended(http: httpx2.AsyncClient, run_id: str, began: float) -> dict[str, Any]:
    """Return a run once it is over."""
    while True:
        run: dict[str, Any] = (await http.get(f"/runs/{run_id}")).json()
        if run["status"] in ENDS:
            return run
        assert time.monotonic() - began < 15, run
        await asyncio.sleep(0.05)


async def one_round(settings: dict[str, Any], point: str) -> None:
    """Kill a worker at a point, let another one (or the next) go on, and compare what was seen with what is stored."""
    is_served = "redis_url" in settings
    with FakeGateway() as gateway:
        gateway.add(Answer(WORDS, interval_s=0.03).stream(), times=None)
        async with worker(settings, gateway, point) as first:
            async with httpx2.AsyncClient(base_url=first.url, timeout=20) as http:
                conversation = (await http.post("/conversations", json={})).json()["id"]
            if is_served:
                async with worker(settings, gateway) as second:
                    seen = await send_and_watch(first.url, conversation)
                    await check(second.url, gateway, conversation, seen, time.monotonic())
                return
            seen = await send_and_watch(first.url, conversation)
            async with asyncio.timeout(20):
                await first.process.wait()
        began = time.monotonic()
        async with worker(settings, gateway) as again:
            await check(again.url, gateway, conversation, seen, began)


async def check(url: str, gateway: FakeGateway, conversation: str, seen: str | None, began: float) -> None:
    chats = [request for request in gateway.requests if request.path.endswith("/chat/completions")]
    async with httpx2.AsyncClient(base_url=url, timeout=20) as http:
        # A client that heard nothing asks again, by the same name.
        retried = await http.post(
            f"/conversations/{conversation}/messages", json={"message": "Hi"}, headers={"Idempotency-Key": "the one"}
        )
        assert retried.status_code == 202, retried.text
        run = await ended(http, retried.json()["run"]["id"], began)
        page = (await http.get(f"/conversations/{conversation}/messages")).json()["items"]
        assert (page[0]["role"], page[0]["text"]) == ("user", "Hi")
        assert len(page) == 2
        if seen is not None:
            assert retried.headers["Idempotency-Replayed"] == "true"
            assert page[1]["text"].startswith(seen)
        assert "".join(WORDS).startswith(page[1]["text"])
        assert page[1]["status"] == ("complete" if run["status"] == "completed" else run["status"])
        asked = [request for request in gateway.requests if request.path.endswith("/chat/completions")]
        assert len(asked) <= 1
        assert len(chats) <= len(asked)


@pytest.mark.requirement("E05-T002.AC1")
@pytest.mark.requirement("E05-T002.AC2")
@pytest.mark.requirement("E05-T002.AC3")
@pytest.mark.parametrize("point", ["after append_pieces 3", "after finish_run 1"])
async def test_a_killed_worker_loses_nothing(service_set: dict[str, Any], point: str) -> None:
    await one_round(service_set, point)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_workers_are_killed_at_every_step_200_times(service_set: dict[str, Any]) -> None:
    chooser = random.Random(17)
    points = POINTS * 8 + chooser.sample(POINTS, 4)
    for point in points:
        await one_round(service_set, point)
