"""Names that the service answers to, and pages of other sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2

from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]


async def test_a_rebound_name_gets_nothing_on_loopback(served: Serve) -> None:
    chat = await served(ScriptedClient("Hi"))
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        refused = await http.get("/conversations", headers={"Host": "evil.example:8000"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (421, "bad_host")
        assert (await http.get("/conversations", headers={"Host": "localhost:8000"})).status_code == 200


async def test_a_page_of_another_site_can_neither_send_nor_read(served: Serve) -> None:
    chat = await served(ScriptedClient("Hi"))
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        forged = await http.post("/conversations", json={}, headers={"Origin": "https://evil.example"})
        assert (forged.status_code, forged.json()["error"]["code"]) == (403, "forbidden")
        read = await http.get("/conversations", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in read.headers


async def test_pages_of_named_origins_can(served: Serve) -> None:
    chat = await served(ScriptedClient("Hi"), cors_origins="https://app.example.com")
    app = {"Origin": "https://app.example.com"}
    async with httpx2.AsyncClient(base_url=chat.url, timeout=60) as http:
        asks = {**app, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
        allowed = await http.options("/conversations", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
        assert (await http.post("/conversations", json={}, headers=app)).status_code == 201
