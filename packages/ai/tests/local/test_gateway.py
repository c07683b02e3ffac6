"""The real server with the real model: what it answers, and that it always goes away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from raptscallions_ai.local import LocalGateway, LocalGatewayError
from raptscallions_ai.local.process import ServerProcess

Remains = Callable[[int, int], list[str]]

OWNER = """
import asyncio, os, sys, time
from pathlib import Path
from raptscallions_ai.local import LocalGateway

async def main():
    gateway = await LocalGateway(model_path=Path(sys.argv[1])).start()
    sibling = 0
    if sys.argv[2] == "forked":
        sibling = os.fork()
        if sibling == 0:
            time.sleep(60)
            os._exit(0)
    print(gateway.process_id, gateway.base_url, sibling, flush=True)
    if sys.argv[2] == "forgetful":
        os._exit(0)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def port_of(gateway: LocalGateway) -> int:
    port = httpx2.URL(gateway.base_url).port
    assert port is not None
    return port


async def stream(gateway: LocalGateway, prompt: str, key: str | None = None) -> AsyncGenerator[str]:
    body = {"messages": [{"role": "user", "content": prompt}], "stream": True, "temperature": 0, "max_tokens": 30}
    headers = {"Authorization": f"Bearer {gateway.api_key if key is None else key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as client,
        client.stream("POST", f"{gateway.base_url}/chat/completions", json=body) as response,
    ):
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line:
                yield line


async def get(gateway: LocalGateway, path: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = httpx2.URL(gateway.base_url).join(path)
        return (await client.get(url, headers={"Authorization": f"Bearer {gateway.api_key}"})).json()


async def test_streams_real_tokens(local_gateway: LocalGateway) -> None:
    lines = [line async for line in stream(local_gateway, "Name three fruits.")]
    assert lines[-1] == "data: [DONE]"
    deltas = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines[:-1]]
    words = [delta["content"] for delta in deltas if delta.get("content")]
    assert len(words) > 5
    assert "Banana" in "".join(words)


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_refuses_without_the_key(local_gateway: LocalGateway, key: str) -> None:
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        _ = [line async for line in stream(local_gateway, "Hi", key=key or "none")]


async def test_model_name_is_what_the_server_says(local_gateway: LocalGateway) -> None:
    assert local_gateway.model == "smollm2-135m-instruct"
    assert [model["id"] for model in (await get(local_gateway, "models"))["data"]] == [local_gateway.model]


def test_key_is_seen_nowhere(local_gateway: LocalGateway) -> None:
    assert len(local_gateway.api_key) >= 32
    assert local_gateway.api_key not in repr(local_gateway)
    assert local_gateway.base_url in repr(local_gateway)
    process = Path(f"/proc/{local_gateway.process_id}")
    if process.exists():
        assert (
            local_gateway.api_key.encode()
            not in (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        )


async def test_close_leaves_nothing_and_a_second_start_works(local_weights: Path, remains: Remains) -> None:
    gateway = LocalGateway(model_path=local_weights)
    used: list[tuple[int, int, str]] = []
    for _ in range(2):
        assert await gateway.start() is gateway
        assert await gateway.start() is gateway
        assert gateway.process_id
        used.append((gateway.process_id, port_of(gateway), gateway.api_key))
        assert [line async for line in stream(gateway, "Hi")][-1] == "data: [DONE]"
        await gateway.aclose()
        await gateway.aclose()
        assert remains(*used[-1][:2]) == []
        assert gateway.process_id is None
        with pytest.raises(LocalGatewayError, match="not running"):
            _ = gateway.base_url
        with pytest.raises(LocalGatewayError, match="not running"):
            _ = gateway.api_key
    assert used[0][2] != used[1][2]


async def test_several_at_once(local_weights: Path, remains: Remains) -> None:
    async with LocalGateway(model_path=local_weights) as one, LocalGateway(model_path=local_weights) as other:
        assert one.model == local_weights.stem
        assert port_of(one) != port_of(other)
        assert one.api_key != other.api_key
        answers = [[line async for line in stream(gateway, "Name three fruits.")] for gateway in (one, other)]
        assert [lines[-1] for lines in answers] == ["data: [DONE]"] * 2
        places = [(gateway.process_id or 0, port_of(gateway)) for gateway in (one, other)]
    assert [remains(*place) for place in places] == [[], []]


def test_closed_in_another_loop(local_weights: Path, remains: Remains) -> None:
    gateway = asyncio.run(LocalGateway(model_path=local_weights).start())
    place = (gateway.process_id or 0, port_of(gateway))
    asyncio.run(gateway.aclose())
    assert remains(*place) == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("way", ["killed", "forked", "forgetful"])
def test_dies_with_its_owner(local_weights: Path, remains: Remains, way: str) -> None:
    command = [sys.executable, "-c", OWNER, str(local_weights), way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, base_url, sibling = owner.stdout.readline().split()
        try:
            owner.kill()
            owner.wait(10)
            assert remains(int(pid), httpx2.URL(base_url).port or 0) == []
        finally:
            if sibling != "0":
                os.kill(int(sibling), signal.SIGKILL)


async def test_cancelled_start_leaves_nothing(local_weights: Path, remains: Remains) -> None:
    gateway = LocalGateway(model_path=local_weights)
    task = asyncio.create_task(gateway.start())
    while (pid := gateway.process_id) is None:  # noqa: ASYNC110 - the very first moment is what is wanted
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gateway.process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
async def test_interrupt_is_the_owners_and_a_stuck_server_is_killed(local_weights: Path, remains: Remains) -> None:
    async with LocalGateway(model_path=local_weights) as gateway:
        place = (gateway.process_id or 0, port_of(gateway))
        os.kill(place[0], signal.SIGINT)
        assert [line async for line in stream(gateway, "Hi")][-1] == "data: [DONE]"
        os.kill(place[0], signal.SIGSTOP)
    assert remains(*place) == []


async def test_file_that_is_no_model(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_text("hello")
    gateway = LocalGateway(model_path=broken)
    with pytest.raises(LocalGatewayError, match=r"(?s)did not start.*last words.*broken\.gguf") as caught:
        await gateway.start()
    assert caught.value.details == {"reason": "server"}
    assert gateway.process_id is None
    await gateway.aclose()


async def test_absent_model_file(tmp_path: Path) -> None:
    with pytest.raises(LocalGatewayError, match=r"no model file .*absent\.gguf"):
        await LocalGateway(model_path=tmp_path / "absent.gguf").start()


async def test_start_has_a_deadline() -> None:
    server = ServerProcess()
    with pytest.raises(LocalGatewayError, match=r"did not answer within 0\.001 s"):
        await server.ready({}, deadline_s=0.001)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_settings_that_the_server_cannot_use() -> None:
    with pytest.raises(LocalGatewayError, match="did not start: KeyError"):
        await ServerProcess().ready({"no": "settings"}, deadline_s=30)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
async def test_child_that_ends_without_an_answer() -> None:
    server = ServerProcess()
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(LocalGatewayError, match="ended with SIGKILL"):
        await server.ready({}, deadline_s=30)


async def test_options_reach_the_server(local_weights: Path) -> None:
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    async with LocalGateway(
        model_path=local_weights, context_tokens=2048, threads=1, chat_template=template, ping_interval_s=1
    ) as gateway:
        props = await get(gateway, "/props")
        assert props["chat_template"] == template
        assert props["default_generation_settings"]["n_ctx"] == 2048
        # A prompt that takes more than the second after which the first comment is due.
        async with contextlib.aclosing(stream(gateway, "fruit " * 1900)) as lines:
            assert (await anext(lines)).startswith(":")


@pytest.mark.parametrize("name", ["context_tokens", "threads", "ping_interval_s"])
def test_numbers_must_be_positive(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be positive, not 0"):
        LocalGateway(**options)


def test_import_is_light() -> None:
    names = ["xllamacpp", "pip", "rich", "httpx2", "filelock", "openai", "platformdirs"]
    code = f"import sys, raptscallions_ai.local; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
