"""The service on both sets of services, in front of a gateway whose books can be compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway
from raptscallions_chat.testing import ServedChat, ServerEvent, read_events, serve_chat


@dataclass
class Chat:
    """A service, the gateway behind it, and a client in front of it."""

    served: ServedChat
    gateway: FakeGateway
    http: httpx2.AsyncClient

    async def begin(self, **body: Any) -> str:
        """Begin a conversation and return its id."""
        reply = await self.http.post("/conversations", json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def send(self, conversation: str, message: str = "Hi", status: int = 202, **more: Any) -> dict[str, Any]:
        """Send a message and return the reply."""
        headers = more.pop("headers", None)
        reply = await self.http.post(
            f"/conversations/{conversation}/messages", json={"message": message, **more}, headers=headers
        )
        assert reply.status_code == status, reply.text
        body: dict[str, Any] = reply.json()
        return body

    async def events(self, stream: str, **options: Any) -> list[ServerEvent]:
        """Follow a stream to its end."""
        async with self.http.stream("GET", stream, **options) as response:
            assert response.status_code == 200, await response.aread()
            return [event async for event in read_events(response.aiter_bytes())]

    async def events_of_post(self, path: str, body: Any, headers: dict[str, str]) -> list[ServerEvent]:
        """Send a request that asks for events, and follow them to their end."""
        accepting = {**headers, "Accept": "text/event-stream"}
        async with self.http.stream("POST", path, json=body, headers=accepting) as response:
            assert response.status_code == 200, await response.aread()
            return [event async for event in read_events(response.aiter_bytes())]

    async def run(self, run_id: str) -> dict[str, Any]:
        """Return a run."""
        body: dict[str, Any] = (await self.http.get(f"/runs/{run_id}")).json()
        return body

    async def messages(self, conversation: str, **query: Any) -> list[dict[str, Any]]:
        """Return the messages of a conversation."""
        reply = await self.http.get(f"/conversations/{conversation}/messages", params=query)
        assert reply.status_code == 200, reply.text
        items: list[dict[str, Any]] = reply.json()["items"]
        return items


@pytest.fixture
async def chat(service_set: dict[str, Any], request: pytest.FixtureRequest) -> AsyncIterator[Chat]:
    """A service on each set in turn; `@pytest.mark.settings(...)` sets more."""
    marker = request.node.get_closest_marker("settings")
    more: dict[str, Any] = {} if marker is None else marker.kwargs
    async with AsyncExitStack() as stack:
        gateway = stack.enter_context(FakeGateway())
        client = await stack.enter_async_context(
            OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model, max_retries=0)
        )
        served = await stack.enter_async_context(serve_chat(client, migrate=None, **{**service_set, **more}))
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                base_url=served.url, timeout=60.0, limits=httpx2.Limits(max_connections=None), verify=False
            )
        )
        yield Chat(served, gateway, http)
