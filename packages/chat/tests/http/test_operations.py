"""What an operator sees: limits, no AI, an end that loses nothing, a log that is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import Answer, FakeGateway, Gate
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.sql_store import SqlStore
from raptscallions_chat.testing import ServedChat, read_events, serve_chat

from .conftest import Chat

Serve = Callable[..., Awaitable[ServedChat]]
DEV = Principal(ROOT_TENANT, "dev")


@pytest.mark.requirement("E05-T004.AC4")
async def test_health_and_figures_are_told(chat: Chat) -> None:
    await chat.events((await chat.send(await chat.begin()))["stream"])
    assert (await chat.http.get("/livez")).json() == {"status": "alive"}
    assert (await chat.http.get("/readyz")).json()["status"] == "ready"
    figures = (await chat.http.get("/metrics")).text
    assert 'chat_runs_total{end="completed"} 1.0' in figures
    assert "chat_flush_seconds_count" in figures


async def test_without_ai_a_send_is_refused_and_nothing_is_stored(served: Serve) -> None:
    chat = await served(None)
    async with httpx2.AsyncClient(base_url=chat.url) as http:
        conversation = (await http.post("/conversations", json={})).json()["id"]
        refused = await http.post(f"/conversations/{conversation}/messages", json={"message": "Hi"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (424, "ai_not_configured")
        assert (await http.get(f"/conversations/{conversation}/messages")).json()["items"] == []


@pytest.mark.settings(streams_per_user=2)
async def test_a_user_follows_only_so_many_streams_at_a_time(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("a", "b")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    sent = await chat.send(await chat.begin())
    async with chat.http.stream("GET", sent["stream"]) as one, chat.http.stream("GET", sent["stream"]) as two:
        # A reader that is let go of closes its response.
        readers = [read_events(response.aiter_bytes()) for response in (one, two)]
        assert [(await anext(reader)).type for reader in readers] == ["run_started"] * 2
        refused = await chat.http.get(sent["stream"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")
        assert "Retry-After" in refused.headers
    gate.open()
    assert (await chat.events(sent["stream"]))[-1].type == "completed"


@pytest.mark.settings(max_runs=1)
async def test_runs_beyond_what_a_worker_takes_wait_for_it(chat: Chat) -> None:
    gate = Gate()
    steps = Answer(("a", "b")).stream().steps
    chat.gateway.reply(steps[0], gate, *steps[1:])
    first = await chat.send(await chat.begin())
    second = await chat.send(await chat.begin())
    assert (first["run"]["status"], second["run"]["status"]) == ("running", "queued")
    gate.open()
    assert (await chat.events(second["stream"]))[-1].type == "completed"


@asynccontextmanager
async def serving(gateway: FakeGateway, settings: dict[str, Any]) -> AsyncGenerator[tuple[Any, str]]:
    """Run the command itself."""
    given = {f"CHAT_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {
        "PATH": os.environ["PATH"],
        "CHAT_PORT": "0",
        "AI_API_KEY": gateway.api_key,
        "AI_GATEWAY_URL": gateway.base_url,
        "AI_DEFAULT_MODEL": gateway.model,
        **given,
    }
    program = Path(sys.executable).with_name("raptscallions-chat")
    process = await asyncio.create_subprocess_exec(program, "serve", env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        yield process, line.split()[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def stored(path: Path) -> AsyncGenerator[SqlStore]:
    """Look at what a service has left behind."""
    database = Database(f"sqlite:///{path}")
    try:
        yield SqlStore(database)
    finally:
        await database.aclose()


@pytest.mark.requirement("E05-T002.AC8")
async def test_a_service_that_is_told_to_end_finishes_its_answers_and_refuses_new_ones(tmp_path: Path) -> None:
    gate = Gate()
    steps = Answer(("Half ", "done.")).stream().steps
    with FakeGateway() as gateway:
        gateway.reply(steps[0], gate, *steps[1:])
        async with (
            serving(gateway, {"database_url": f"sqlite:///{tmp_path / 'chat.db'}"}) as (process, url),
            httpx2.AsyncClient(base_url=url, timeout=20) as http,
        ):
            conversation = (await http.post("/conversations", json={})).json()["id"]
            sent = (await http.post(f"/conversations/{conversation}/messages", json={"message": "Hi"})).json()
            async with http.stream("GET", sent["stream"]) as response:
                body = response.aiter_bytes()
                async for data in body:
                    if b"Half" in data:
                        break
                process.send_signal(signal.SIGTERM)
                assert b"retry: " in b"".join([data async for data in body])
            refused = await http.post(f"/conversations/{conversation}/messages", json={"message": "More"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
            assert "Retry-After" in refused.headers
            assert (await http.get("/readyz")).status_code == 503
            assert len((await http.get(f"/conversations/{conversation}/messages")).json()["items"]) == 2
            gate.open()
            async with asyncio.timeout(20):
                assert await process.wait() == 0
    async with stored(tmp_path / "chat.db") as store:
        answer = await store.get_message(DEV, sent["answer"]["id"])
        assert (answer.status, answer.text) == ("complete", "Half done.")


@pytest.mark.requirement("E05-T002.AC8")
async def test_an_answer_that_does_not_end_in_time_is_interrupted(tmp_path: Path) -> None:
    gate = Gate()
    steps = Answer(("Half ", "done.")).stream().steps
    settings = {"database_url": f"sqlite:///{tmp_path / 'chat.db'}", "drain_s": 0.2}
    with FakeGateway() as gateway:
        gateway.reply(steps[0], gate, *steps[1:])
        async with serving(gateway, settings) as (process, url), httpx2.AsyncClient(base_url=url, timeout=20) as http:
            conversation = (await http.post("/conversations", json={})).json()["id"]
            sent = (await http.post(f"/conversations/{conversation}/messages", json={"message": "Hi"})).json()
            async with http.stream("GET", sent["stream"]) as response:
                async for data in response.aiter_bytes():
                    if b"Half" in data:
                        break
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await process.wait() == 0
    async with stored(tmp_path / "chat.db") as store:
        run = await store.get_run(sent["run"]["id"], DEV)
        assert (run.status, run.stop_reason) == ("interrupted", "drain")
        answer = await store.get_message(DEV, sent["answer"]["id"])
        assert (answer.status, answer.text) == ("interrupted", "Half ")


@pytest.fixture
async def own_redis() -> AsyncIterator[Callable[[], Awaitable[asyncio.subprocess.Process]]]:
    """Start a Redis of the test's own, again and again at the same address: its `url` is an attribute."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError("redis-server is not installed")
        pytest.skip("needs redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", stdout=asyncio.subprocess.DEVNULL
        )
        started.append(process)
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return process

    start.url = f"redis://127.0.0.1:{port}/0"  # type: ignore[attr-defined]
    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.requirement("E05-T003.AC5")
async def test_with_redis_lost_and_back_no_answer_is_lost_and_none_fails(own_redis: Any, tmp_path: Path) -> None:
    redis = await own_redis()
    words = [f"word{n} " for n in range(30)]
    with FakeGateway() as gateway:
        gateway.stream(*words, interval_s=0.05, times=None)
        async with (
            OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client,
            serve_chat(client, database_url=f"sqlite:///{tmp_path / 'c.db'}", redis_url=own_redis.url) as chat,
            httpx2.AsyncClient(base_url=chat.url, timeout=60) as http,
        ):

            async def one() -> str:
                conversation = (await http.post("/conversations", json={})).json()["id"]
                sent = (await http.post(f"/conversations/{conversation}/messages", json={"message": "Hi"})).json()
                text, last = "", ""
                async with http.stream("GET", sent["stream"]) as response:
                    async for event in read_events(response.aiter_bytes()):
                        last = event.type
                        text = event.data["text"] if event.type == "snapshot" else text
                        text += event.data["content"] if event.type == "content" else ""
                assert last == "completed"
                return text

            answers = [asyncio.create_task(one()) for _ in range(10)]
            await gateway.until(lambda: len(gateway.requests) == 10)
            redis.kill()
            await redis.wait()
            await own_redis()
            assert set(await asyncio.gather(*answers)) == {"".join(words)}
