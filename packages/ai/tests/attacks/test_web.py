"""What browsers can do to a response, and what a gateway can do to a page."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raptscallions_ai import AnnotationChunk, ChatStream, ImageChunk, OpenRouterClient
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_ai.web import ChatStreamResponse, from_ui_messages, sse_response_body
from raptscallions_ai.web.ui_messages import UIMessageParts

pytestmark = pytest.mark.requirement("E04-T014.AC3")

EVIL_URLS = [
    "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "vbscript:x",
    "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "file:///etc/passwd",
    "//evil", "",
]  # fmt: skip


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


class Browser:
    """The other side of an ASGI app; it leaves when it is told to."""

    def __init__(self, method: str = "GET") -> None:
        self.scope: dict[str, Any] = {"type": "http", "method": method, "path": "/", "headers": [], "query_string": b""}
        self.scope |= {"http_version": "1.1", "server": ("test", 80), "scheme": "http", "root_path": "", "client": None}
        self.scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
        self.left = asyncio.Event()
        self.begun = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.begun.set()

    async def visit(self, stream: ChatStream, *, middleware: bool = True) -> None:
        async def endpoint(request: Request) -> Response:
            return ChatStreamResponse(sse_response_body(stream))

        around = [Middleware(Passing)] if middleware else []
        app = Starlette(routes=[Route("/", endpoint, methods=["GET", "HEAD"])], middleware=around)
        await app(self.scope, self.receive, self.send)


@pytest.mark.parametrize("after", ["nothing", "a chunk"])
async def test_a_browser_that_leaves_early_is_no_error_behind_any_middleware(
    client: OpenRouterClient, fake_gateway: FakeGateway, after: str
) -> None:
    fake_gateway.reply(*([sse(chunk("Hello"))] if after == "a chunk" else []), Hang())
    browser = Browser()
    visit = asyncio.create_task(browser.visit(client.stream_chat("Hi")))
    assert await fake_gateway.until(lambda: bool(fake_gateway.requests), 60)  # the first call loads the SDK
    if after == "a chunk":
        await browser.begun.wait()
    browser.left.set()
    await asyncio.wait_for(visit, 30)  # which raises what a server would write a traceback of
    assert await fake_gateway.requests[0].closed()


async def test_who_asks_for_the_headers_makes_no_model_write(
    client: OpenRouterClient, fake_gateway: FakeGateway
) -> None:
    browser = Browser("HEAD")
    await asyncio.wait_for(browser.visit(client.stream_chat("Hi"), middleware=False), 10)
    start, *bodies = browser.sent
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert b"".join(message["body"] for message in bodies) == b""
    assert fake_gateway.requests == []


async def test_a_reader_that_reads_steadily_is_not_cut_off_inside_a_large_chunk() -> None:
    sizes: list[int] = []
    body = sse_response_body(ScriptedClient(["x" * 1_000_000]).stream_chat("Hi"))
    response = ChatStreamResponse(body, send_timeout=0.5)
    browser = Browser()

    async def slow(message: Any) -> None:
        sizes.append(len(message.get("body", b"")))
        await asyncio.sleep(0.1)  # all in all several times the limit

    await response(browser.scope, browser.receive, slow)
    assert sum(sizes) > 1_000_000
    assert max(sizes) == 64 * 1024
    assert sizes[-1] == 0


@pytest.mark.parametrize("url", EVIL_URLS)
def test_no_address_that_a_page_must_not_follow_reaches_the_ai_sdk(url: str) -> None:
    parts = UIMessageParts(None)
    citation = AnnotationChunk({"type": "url_citation", "url_citation": {"url": url, "title": "x"}})
    image = ImageChunk({"type": "image_url", "image_url": {"url": url}})
    told = (parts.chunk(citation) + parts.chunk(image)).decode()
    events = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events if event["type"] in ("source-url", "file")] == []


@pytest.mark.parametrize("url", ["https://a.example/b.png", "http://a.example", "data:image/png;base64,AAAA"])
def test_other_addresses_do(url: str) -> None:
    image = ImageChunk({"type": "image_url", "image_url": {"url": url}})
    assert url in UIMessageParts(None).chunk(image).decode()


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: list[Any] = [
    None, 5, "text", b"bytes", {"a": 1}, [None], [5], [[]], [{}], [{"role": "user"}], [{"role": [], "parts": []}],
    [{"role": "user", "parts": None}], [{"role": "user", "parts": [None]}], [{"role": "user", "parts": [{}]}],
    [{"role": "user", "parts": [{"type": []}]}], [{"role": "user", "parts": [{"type": "text", "text": 5}]}],
    [{"role": "user", "parts": [{"type": "file", "url": 5, "mediaType": None}]}],
    [{"role": "user", "parts": [{"type": "file", "url": "javascript:x", "mediaType": "image/png"}]}],
    [{"role": "assistant", "parts": [{}]}], [{"role": "assistant", "parts": [{"type": {}}]}],
    [{"role": "assistant", "parts": [{"type": "tool-x", "state": "output-available", "toolCallId": {}}]}],
    [{"role": "assistant", "parts": [{"type": "tool-x", "state": [], "toolCallId": "1"}]}],
    [{"role": "assistant", "parts": [{"type": "dynamic-tool", "state": "output-error", "toolCallId": "1"}]}],
    [{"role": "assistant", "parts": [{"type": "data-annotation", "data": 5}]}],
    [{"role": "assistant", "parts": [{"type": "tool-x", "state": "output-available", "toolCallId": "1",
                                      "input": {1}}]}],
    [{"role": "assistant", "parts": [{"type": "tool-x", "state": "output-available", "toolCallId": "1",
                                      "output": nested(100_000)}]}],
]  # fmt: skip


@pytest.mark.parametrize("position", range(len(HOSTILE)))
def test_whatever_a_browser_sends_is_a_value_error_at_most(position: int) -> None:
    with contextlib.suppress(ValueError):
        from_ui_messages(HOSTILE[position])
