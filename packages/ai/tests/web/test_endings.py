"""However a response ends, the reader is told, and upstream is closed at once."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from ai_tests import gone
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from web_server import Browse, Serve

from raptscallions_ai import AiError, ChatStream, OpenRouterClient
from raptscallions_ai.testing import Cut, FakeGateway, Gate, Hang, chunk, sse
from raptscallions_ai.testing.wire import COMMENT
from raptscallions_ai.web import ChatStreamResponse, ai_error_handler, sse_response_body

pytestmark = pytest.mark.requirement("E04-T005.AC6")


class App:
    """An app with one route, /chat, that asks the gateway; it remembers how far each stream came."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway
        self.response: dict[str, Any] = {}
        self.body: dict[str, Any] = {}
        self.call: dict[str, Any] = {}
        self.middleware: list[Middleware] = []
        self.streams: list[ChatStream] = []
        self._finished: queue.Queue[str] = queue.Queue()

    def asgi(self) -> ASGIApp:
        handlers: Any = {AiError: ai_error_handler}
        routes = [Route("/chat", self._chat, methods=["POST"])]
        return Starlette(
            routes=routes, lifespan=self._lifespan, exception_handlers=handlers, middleware=self.middleware
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        gateway = self._gateway
        self._client = OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model, max_retries=0)
        self._loop = asyncio.get_running_loop()
        async with self._client:
            yield

    async def _chat(self, request: Request) -> Response:
        await request.json()
        stream = self._client.stream_chat("Hi", **self.call)
        self.streams.append(stream)
        background = BackgroundTask(self._finish, stream)
        return ChatStreamResponse(sse_response_body(stream, **self.body), background=background, **self.response)

    async def on_the_servers_loop(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _finish(self, stream: ChatStream) -> None:
        self._finished.put(stream.partial.content)

    async def finished(self) -> str:
        """Wait for a response to be over, and return what had arrived by then."""
        return await asyncio.to_thread(self._finished.get, timeout=5)


@pytest.fixture
def app(fake_gateway: FakeGateway) -> App:
    return App(fake_gateway)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]


async def post(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as http:
        return await http.post(url, json={})


async def test_complete(app: App, fake_gateway: FakeGateway, serve: Serve) -> None:
    fake_gateway.stream("Hello", " world")
    response = await post(serve(app.asgi()).url + "/chat")
    assert response.status_code == 200
    told = events(response.text)
    assert [event["type"] for event in told] == ["content", "content", "done"]
    assert told[-1]["usage"]["cost"] == "0.00015"
    assert await app.finished() == "Hello world"
    assert await fake_gateway.requests[-1].closed()
    assert not fake_gateway.requests[-1].disconnected


async def test_the_headers_keep_proxies_from_holding_back(app: App, serve: Serve) -> None:
    response = await post(serve(app.asgi()).url + "/chat")
    wanted = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    assert {name: response.headers[name] for name in wanted} == wanted
    assert "content-length" not in response.headers


async def test_upstream_fails_in_the_middle(app: App, fake_gateway: FakeGateway, serve: Serve) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut())
    response = await post(serve(app.asgi()).url + "/chat")
    assert response.status_code == 200
    first, last = events(response.text)
    assert first == {"type": "content", "content": "Half"}
    assert last["type"] == "error"
    assert last["error"]["type"] == "StreamInterruptedError"
    assert last["error"]["status_code"] == 502
    assert await app.finished() == "Half"


async def test_the_browser_leaves_while_the_model_is_silent(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    browser = browse(serve(app.asgi()).url + "/chat")
    browser.read_until(b"Hello")
    assert not fake_gateway.requests[-1].ended
    browser.leave()
    assert await gone(fake_gateway)
    assert await app.finished() == "Hello"


async def test_the_browser_leaves_before_the_first_chunk(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    fake_gateway.reply(Hang(), before_headers=True)
    browser = browse(serve(app.asgi()).url + "/chat")
    assert await fake_gateway.until(lambda: len(fake_gateway.requests) == 1, timeout=30)
    browser.leave()
    assert await gone(fake_gateway)


async def test_a_browser_leaves_that_had_stopped_reading(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    fake_gateway.reply(*[sse(chunk("x" * 20_000))] * 2000, Hang())
    server = serve(app.asgi())
    browser = browse(server.url + "/chat")
    browser.read_until(b"xxx")
    assert await asyncio.to_thread(server.parked.wait, 10)
    assert not fake_gateway.requests[-1].ended
    browser.leave()
    assert await gone(fake_gateway)
    assert fake_gateway.requests[-1].bytes_sent < 30_000_000  # what nobody read was not fetched either


async def test_a_browser_that_reads_nothing_for_too_long_is_given_up(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    fake_gateway.reply(*[sse(chunk("x" * 20_000))] * 2000, Hang())
    app.response["send_timeout"] = 0.5
    browser = browse(serve(app.asgi()).url + "/chat")
    browser.read_until(b"xxx")
    assert await gone(fake_gateway)


async def test_behind_a_middleware_of_starlettes_old_kind(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    app.middleware.append(Middleware(Passing))
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    url = serve(app.asgi()).url + "/chat"
    browser = browse(url)
    browser.read_until(b"Hello")
    browser.leave()
    assert await gone(fake_gateway)
    fake_gateway.stream("Hello", " world")
    assert events((await post(url)).text)[-1]["type"] == "done"


async def test_the_server_stops(app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    server = serve(app.asgi())
    browse(server.url + "/chat").read_until(b"Hello")
    server.stop()
    assert await gone(fake_gateway)


@pytest.mark.parametrize(
    ("status", "type_"), [(429, "RateLimitError"), (402, "InsufficientCreditsError"), (503, "ProviderError")]
)
async def test_what_fails_before_the_first_chunk_is_an_http_status(
    app: App, fake_gateway: FakeGateway, serve: Serve, status: int, type_: str
) -> None:
    fake_gateway.error(status, "Slow down", retry_after=30)
    response = await post(serve(app.asgi()).url + "/chat")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.headers["retry-after"] == "30"
    error = response.json()["error"]
    assert (error["type"], error["status_code"], error["retry_after"]) == (type_, status, 30)


async def test_so_is_what_the_gateway_says_inside_a_stream_before_any_content(
    app: App, fake_gateway: FakeGateway, serve: Serve
) -> None:
    failure = {"error": {"code": 429, "message": "busy", "metadata": {"error_type": "rate_limit_exceeded"}}}
    fake_gateway.reply(COMMENT, sse(failure))
    response = await post(serve(app.asgi()).url + "/chat")
    assert response.status_code == 429
    assert response.json()["error"]["type"] == "RateLimitError"


async def test_the_connection_is_kept_alive_while_the_model_is_silent(
    app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse
) -> None:
    gate = Gate()
    fake_gateway.reply(COMMENT, gate, sse(chunk("Late")), Cut())
    app.body["keep_alive"] = 0.05
    browser = browse(serve(app.asgi()).url + "/chat")
    assert b"200 OK" in browser.read_until(b": ping\n\n")
    gate.open()
    # Once the headers are out, a failure can only be an event.
    assert b'"type":"error"' in browser.read_until(b"0\r\n\r\n")


async def test_a_stop_button(app: App, fake_gateway: FakeGateway, serve: Serve, browse: Browse) -> None:
    fake_gateway.reply(sse(chunk("Hello")), Hang())
    browser = browse(serve(app.asgi()).url + "/chat")
    browser.read_until(b"Hello")
    await app.on_the_servers_loop(app.streams[-1].aclose())
    assert b"the stream was closed before it was complete" in browser.read_until(b"0\r\n\r\n")
    assert await gone(fake_gateway)


async def test_the_next_call_uses_the_same_connection_upstream(
    app: App, fake_gateway: FakeGateway, serve: Serve
) -> None:
    url = serve(app.asgi()).url + "/chat"
    for _ in range(3):
        await post(url)
    assert {request.connection for request in fake_gateway.requests} == {1}
