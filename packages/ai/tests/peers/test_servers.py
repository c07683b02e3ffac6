"""The same answers from every kind of server that gateways are built on, and through nginx in front of one."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import hypercorn.asyncio
import hypercorn.config
import pytest
import pytest_asyncio
import uvicorn

from raptscallions_ai import (
    AiError,
    ConnectionError,
    OpenRouterClient,
    ProviderError,
    StreamInterruptedError,
)
from raptscallions_ai.testing import Cut, FakeGateway, Gate, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

pytestmark = [pytest.mark.requirement("E04-T013.AC2"), pytest.mark.timeout(120)]

HERE = Path(__file__).parent
WORDS = [f"word {number} " for number in range(40)]
EVENTS = [
    *(sse(chunk(word)) for word in WORDS),
    sse(chunk(finish_reason="stop")),
    sse(chunk(choices=[], usage=usage())),
    DONE,
]
LARGE = "x" * 1_500_000
STREAM = {"content-type": "text/event-stream"}
BUSY = b'{"error": {"message": "busy", "code": 503}}'

MakeClient: TypeAlias = Callable[[str], OpenRouterClient]


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """The whole answer, its beginning only (`/cut`), or none (`/busy`), as any ASGI server sends it."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"].startswith("/busy"):
        head = [(b"content-type", b"application/json"), (b"retry-after", b"0")]
        await send({"type": "http.response.start", "status": 503, "headers": head})
        await send({"type": "http.response.body", "body": BUSY})
        return
    head = [(b"content-type", b"text/event-stream"), (b"x-body-size", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    cut = scope["path"].startswith("/cut")
    for event in EVENTS[:2] if cut else EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(0)
    if cut:
        raise RuntimeError("the worker dies")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass(frozen=True)
class Uvicorn:
    http: Literal["h11", "httptools"]

    async def serve(self, listener: socket.socket, ended: asyncio.Event) -> None:
        config = uvicorn.Config(
            answers, http=self.http, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        await ended.wait()
        server.should_exit = True
        await serving


class Hypercorn:
    async def serve(self, listener: socket.socket, ended: asyncio.Event) -> None:
        config = hypercorn.config.Config()
        config.bind, config.loglevel, config.graceful_timeout = [f"fd://{listener.detach()}"], "CRITICAL", 1
        await hypercorn.asyncio.serve(  # pyright: ignore[reportUnknownMemberType] - it has types without arguments
            answers, config, shutdown_trigger=ended.wait
        )


PYTHON_SERVERS = {"uvicorn, httptools": Uvicorn("httptools"), "uvicorn, h11": Uvicorn("h11"), "hypercorn": Hypercorn()}


@pytest_asyncio.fixture(params=[*PYTHON_SERVERS, "node"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of a server that gives the answers."""
    if request.param == "node":
        yield request.getfixturevalue("node")
        return
    listener = socket.create_server(("127.0.0.1", 0))
    port, ended = listener.getsockname()[1], asyncio.Event()
    serving = asyncio.create_task(PYTHON_SERVERS[request.param].serve(listener, ended))
    yield f"http://127.0.0.1:{port}"
    ended.set()
    await asyncio.wait({serving}, timeout=10)
    listener.close()


@pytest.fixture(scope="module")
def node(program: Callable[[str], str]) -> Iterator[str]:
    """The URL of Node's server."""
    environment = {**os.environ, "ANSWER": base64.b64encode(b"".join(EVENTS)).decode()}
    command = [program("node"), str(HERE / "servers" / "server.mjs")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture
def make_client() -> MakeClient:
    """Returns a client that asks a server, and asks it once more when that fails."""

    def make(url: str) -> OpenRouterClient:
        return OpenRouterClient("a-key", url, "some/model", max_retries=1)

    return make


async def test_answers_come_whole_and_connections_serve_again(server: str, make_client: MakeClient) -> None:
    async with make_client(f"{server}/v1") as client:
        results = [await client.chat("Hi") for _ in range(3)]
        together = await asyncio.gather(*(client.chat("Hi") for _ in range(10)))
    for result in [*results, *together]:
        assert (result.content, result.finish_reason, len(result.attempts)) == ("".join(WORDS), "stop", 1)


async def test_a_large_prompt_arrives(server: str, make_client: MakeClient) -> None:
    async with make_client(f"{server}/v1") as client:
        result = await client.chat(LARGE)
    assert result.content == "".join(WORDS)


async def test_a_worker_that_dies_is_told_with_what_had_come(server: str, make_client: MakeClient) -> None:
    async with make_client(f"{server}/cut") as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "".join(WORDS[:2])


async def test_a_busy_server_is_asked_again(server: str, make_client: MakeClient) -> None:
    async with make_client(f"{server}/busy") as client:
        with pytest.raises(ProviderError, match="busy") as caught:
            await client.chat("Hi")
    assert (caught.value.status_code, len(caught.value.attempts)) == (503, 2)


@dataclass(frozen=True)
class Nginx:
    """A running nginx, by the ways through it to the gateway."""

    folder: Path

    def url(self, way: Literal["plain", "tuned", "dead"]) -> str:
        return f"http+unix://{str(self.folder / way).replace('/', '%2F')}.sock/api/v1"


@pytest.fixture
def nginx(fake_gateway: FakeGateway, program: Callable[[str], str]) -> Iterator[Nginx]:
    """Nginx in front of the fake gateway; it listens on unix sockets, whose names nobody else can have taken."""
    with tempfile.TemporaryDirectory(prefix="ai-") as name:  # a socket's path must be short
        gateway = fake_gateway.base_url.removeprefix("http://").partition("/")[0]
        config = (HERE / "servers" / "nginx.conf").read_text("utf-8")
        place = Path(name) / "nginx.conf"
        place.write_text(config.replace("FOLDER", name).replace("GATEWAY", gateway), "utf-8")
        command = [program("nginx"), "-p", name, "-e", "stderr", "-c", str(place)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if "start worker process " in line:
                    break
            else:
                pytest.fail(f"nginx did not start:\n{''.join(said)}")
            yield Nginx(Path(name))
            process.terminate()
            process.stderr.read()


@pytest.fixture(params=["plain", "tuned"])
def way(request: pytest.FixtureRequest) -> Literal["plain", "tuned"]:
    return request.param


async def test_through_nginx_answers_come_whole(
    nginx: Nginx, way: Literal["plain", "tuned"], fake_gateway: FakeGateway, make_client: MakeClient
) -> None:
    for _ in range(13):
        fake_gateway.stream(*WORDS)
    async with make_client(nginx.url(way)) as client:
        results = [await client.chat(LARGE if number == 1 else "Hi") for number in range(3)]
        results += await asyncio.gather(*(client.chat("Hi") for _ in range(10)))
    assert [result.content for result in results] == ["".join(WORDS)] * 13
    assert {len(result.attempts) for result in results} == {1}


async def test_through_nginx_a_compressed_answer_is_read(
    nginx: Nginx, fake_gateway: FakeGateway, make_client: MakeClient
) -> None:
    fake_gateway.stream(*WORDS)
    async with make_client(nginx.url("plain")) as client:
        result = await client.chat("Hi", extra_headers={"Accept-Encoding": "gzip"})
    assert result.content == "".join(WORDS)


async def test_through_a_tuned_nginx_the_first_word_comes_before_the_last(
    nginx: Nginx, fake_gateway: FakeGateway, make_client: MakeClient
) -> None:
    gate = Gate()
    fake_gateway.reply(EVENTS[0], gate, *EVENTS[1:], headers=STREAM)
    async with make_client(nginx.url("tuned")) as client:
        words = aiter(client.stream_chat("Hi").text_stream)
        first = await anext(words)
        gate.open()
        assert [first, *[word async for word in words]] == WORDS


async def test_through_nginx_a_cut_answer_is_none(
    nginx: Nginx, way: Literal["plain", "tuned"], fake_gateway: FakeGateway, make_client: MakeClient
) -> None:
    fake_gateway.reply(*EVENTS[:2], Cut(), headers=STREAM)
    async with make_client(nginx.url(way)) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.content == "".join(WORDS[:2])


async def test_a_body_that_nginx_refuses_unread_is_no_lost_connection(
    nginx: Nginx, way: Literal["plain", "tuned"], fake_gateway: FakeGateway, make_client: MakeClient
) -> None:
    async with make_client(nginx.url(way)) as client:
        with pytest.raises(AiError) as caught:
            await client.chat("x" * 6_000_000)
    assert (caught.value.gateway_status, len(caught.value.attempts), fake_gateway.requests) == (413, 1, [])


async def test_a_gateway_that_nginx_cannot_reach_is_a_failing_provider(nginx: Nginx, make_client: MakeClient) -> None:
    async with make_client(nginx.url("dead")) as client:
        with pytest.raises(ProviderError) as caught:
            await client.chat("Hi")
    assert (caught.value.gateway_status, len(caught.value.attempts)) == (502, 2)
    assert not isinstance(caught.value, ConnectionError)
