"""A ten-line web service, unchanged in front of servers of other people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from peer_servers import Aimock
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.local import LocalGateway
from raptscallions_ai.web import ChatStreamResponse, openai_sse_body, sse_response_body, ui_message_stream

pytestmark = [pytest.mark.requirement("E04-T005.AC6"), pytest.mark.timeout(300)]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: {")]


def said(api_key: str, base_url: str, model: str) -> list[str]:
    """What a browser reads over each of the protocols."""

    async def chat(request: Request) -> ChatStreamResponse:
        protocol = {"/own": sse_response_body, "/ui": ui_message_stream, "/openai": openai_sse_body}[request.url.path]
        return ChatStreamResponse(protocol(client.stream_chat("hello", max_tokens=8)))

    client = OpenRouterClient(api_key, base_url, model)
    browser = TestClient(Starlette(routes=[Route(path, chat) for path in ("/own", "/ui", "/openai")]))
    with browser:
        texts = [browser.get(path).text for path in ("/own", "/ui", "/openai")]
        assert browser.portal is not None
        browser.portal.call(client.aclose)
    own, ui, openai = map(events, texts)
    assert (own[-1]["type"], ui[-1]["type"], openai[-1]["choices"]) == ("done", "finish", [])
    deltas = [event["choices"][0]["delta"].get("content", "") for event in openai if event["choices"]]
    return [
        "".join(event["content"] for event in own if event["type"] == "content"),
        "".join(part["delta"] for part in ui if part["type"] == "text-delta"),
        "".join(deltas),
    ]


def test_aimock(aimock: Aimock) -> None:
    texts = said(aimock.api_key, f"{aimock.url}/api/v1", "openai/gpt-4o")
    assert texts == ["Hello there, how can I help?"] * 3


def test_llamacpp(local_gateway: LocalGateway) -> None:
    texts = said(local_gateway.api_key, local_gateway.base_url, local_gateway.model)
    assert all(texts)
