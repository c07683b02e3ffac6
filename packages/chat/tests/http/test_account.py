"""Who asks, what was used, which models there are, what happens, and being forgotten: over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway, Hang, ScriptedClient, chunk, sse
from raptscallions_chat.auth.tokens import ApiTokens
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def ok(request: Awaitable[httpx2.Response], status: int = 200) -> Any:
    reply = await request
    assert reply.status_code == status, reply.text
    return reply.json() if reply.content else None


async def say(http: httpx2.AsyncClient, message: str | list[dict[str, str]]) -> dict[str, Any]:
    conversation = await ok(http.post("/conversations", json={}), 201)
    body = {"parts": message} if isinstance(message, list) else {"message": message}
    sent = await ok(http.post(f"/conversations/{conversation['id']}/messages", json=body), 202)
    async with http.stream("GET", sent["stream"]) as stream:
        await stream.aread()
    return {**sent, "conversation": conversation}


@pytest.fixture
async def http(served: Serve, database: Database, database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    service = await served(ScriptedClient("One.", "Two.", "Three."), database_url=database_url)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as client:
        yield client


async def test_usage_is_told_by_model_user_and_day(http: httpx2.AsyncClient) -> None:
    await say(http, "Hi")
    http.headers["X-Chat-User"] = "ann"
    await say(http, "Hi")
    mine = await ok(http.get("/usage", params={"by": "user"}))
    assert [row["key"] for row in mine["items"]] == ["ann"]
    assert mine["total"]["usage"]["total_tokens"] > 0
    everybody = await ok(http.get("/usage", params={"by": "user", "of": "tenant"}))
    assert {row["key"] for row in everybody["items"]} == {"ann", "dev"}
    assert everybody["total"]["runs"] == 2
    days = await ok(http.get("/usage", params={"from": "2020-01-01", "to": "2020-01-31"}))
    assert (days["items"], days["by"], days["to"]) == ([], "day", "2020-02-01T00:00:00Z")
    refused = await http.get("/usage", params={"from": "tomorrow"})
    assert refused.json()["error"]["code"] == "invalid_request"


async def test_usage_of_a_tenant_is_for_managers(served: Serve, database: Database, database_url: str) -> None:
    service = await served(None, database_url=database_url, auth="token")
    token, _ = await ApiTokens(database).create(ROOT_TENANT, "ann", "t")
    async with httpx2.AsyncClient(
        timeout=60, base_url=service.url, headers={"Authorization": f"Bearer {token}"}
    ) as http:
        await ok(http.get("/usage"))
        refused = await http.get("/usage", params={"of": "tenant"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        del http.headers["Authorization"]
        refused = await http.get("/usage")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_page_signs_in_with_a_cookie_and_changes_things_with_its_csrf_token(
    served: Serve, database: Database, database_url: str
) -> None:
    service = await served(ScriptedClient("Hi"), database_url=database_url, auth="token")
    token, _ = await ApiTokens(database).create(ROOT_TENANT, "ann", "t")
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as page:
        reply = await page.post("/session", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 201
        cookie = reply.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        me = await ok(page.get("/session"))
        assert (me["user_id"], me["csrf_token"]) == ("ann", reply.json()["csrf_token"])
        refused = await page.post("/conversations", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        await ok(page.post("/conversations", json={}, headers={"X-CSRF-Token": me["csrf_token"]}), 201)
        await ok(page.delete("/session", headers={"X-CSRF-Token": me["csrf_token"]}), 204)
        assert (await page.get("/session")).status_code == 401


async def test_files_are_attached_and_reach_the_model(served: Serve, database: Database, database_url: str) -> None:
    client = ScriptedClient("A red square.")
    service = await served(client, database_url=database_url)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
        form = {"file": ("red.png", PNG, "image/png")}
        picture = await ok(http.post("/attachments", files=form), 201)
        assert (picture["name"], picture["media_type"], picture["size"]) == ("red.png", "image/png", len(PNG))
        headers = {"X-File-Name": "notes.txt", "Content-Type": "text/plain", "Idempotency-Key": "u1"}
        notes = await ok(http.post("/attachments", content=b"some notes", headers=headers), 201)
        assert await ok(http.post("/attachments", content=b"some notes", headers=headers), 201) == notes
        parts = [
            {"type": "text", "text": "What is this?"},
            {"type": "attachment", "id": picture["id"]},
            {"type": "attachment", "id": notes["id"]},
        ]
        await say(http, parts)
        content: Any = client.calls[0].messages[-1]["content"]
        assert [part["type"] for part in content] == ["text", "image_url", "text"]
        assert content[2]["text"] == "[File: notes.txt]\nsome notes"
        reply = await http.get(f"/attachments/{picture['id']}")
        assert (reply.content, reply.headers["content-type"]) == (PNG, "image/png")
        assert reply.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in reply.headers["content-security-policy"]
        again = await http.get(f"/attachments/{picture['id']}", headers={"If-None-Match": reply.headers["etag"]})
        assert again.status_code == 304
        bob = {"X-Chat-User": "bob"}
        assert (await http.get(f"/attachments/{picture['id']}", headers=bob)).status_code == 404
        assert (await http.delete(f"/attachments/{picture['id']}", headers=bob)).status_code == 404
        await ok(http.delete(f"/attachments/{picture['id']}"), 204)
        assert (await http.get(f"/attachments/{picture['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("files", "content", "status", "code"),
    [
        ({"file": ("a.exe", b"MZ\x90\x00\x03")}, None, 415, "unsupported_media_type"),
        ({"other": ("a.txt", b"x")}, None, 422, "invalid_request"),
        (None, b"", 422, "invalid_request"),
        (None, b"x" * 2000, 413, "attachment_too_large"),
    ],
)
async def test_what_may_not_be_attached_is_refused(
    served: Serve, database: Database, database_url: str, files: Any, content: bytes | None, status: int, code: str
) -> None:
    service = await served(ScriptedClient("Hi"), database_url=database_url, max_attachment_bytes=1000)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
        reply = await http.post("/attachments", files=files, content=content)
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
        conversation = await ok(http.post("/conversations", json={}), 201)
        unknown = {"parts": [{"type": "text", "text": "x"}, {"type": "attachment", "id": conversation["id"]}]}
        refused = await http.post(f"/conversations/{conversation['id']}/messages", json=unknown)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


async def test_the_models_of_the_gateway_are_listed(
    served: Serve, database: Database, database_url: str, fake_gateway: FakeGateway
) -> None:
    client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model)
    async with client:
        service = await served(client, database_url=database_url)
        async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
            models = await ok(http.get("/models"))
            assert models["default"] == fake_gateway.model
            assert models["items"]
            assert set(models["items"][0]) == {"id", "name", "context_length", "prompt_price", "completion_price"}


async def test_without_an_ai_it_is_said_before_anything_is_stored(
    served: Serve, database: Database, database_url: str
) -> None:
    service = await served(None, database_url=database_url)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
        conversation = await ok(http.post("/conversations", json={}), 201)
        for request in (
            http.get("/models"),
            http.post(f"/conversations/{conversation['id']}/messages", json={"message": "Hi"}),
        ):
            refused = await request
            assert (refused.status_code, refused.json()["error"]["code"]) == (424, "ai_not_configured")
        assert (await ok(http.get(f"/conversations/{conversation['id']}/messages")))["items"] == []


async def test_one_stream_tells_what_happens_to_a_user_and_nobody_else(http: httpx2.AsyncClient) -> None:
    seen: list[dict[str, Any]] = []
    ready, over = asyncio.Event(), asyncio.Event()

    async def follow() -> None:
        async with http.stream("GET", "/events", timeout=30) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                    ready.set()
                    if seen[-1]["type"] == "conversation_deleted":
                        over.set()
                        return

    following = asyncio.create_task(follow())
    await asyncio.wait_for(ready.wait(), 10)
    other = await http.post("/conversations", json={}, headers={"X-Chat-User": "bob"})
    await http.delete(f"/conversations/{other.json()['id']}", headers={"X-Chat-User": "bob"})
    sent = await say(http, "Hi")
    place = f"/conversations/{sent['conversation']['id']}"
    await ok(http.patch(place, json={"title": "Named"}))
    await ok(http.delete(place), 204)
    await asyncio.wait_for(following, 10)
    kinds = [event["type"] for event in seen]
    assert kinds == ["ready", "run_started", "run_ended", "conversation_changed", "conversation_deleted"]
    assert seen[2]["status"] == "completed"
    assert {event["conversation_id"] for event in seen[1:]} == {sent["conversation"]["id"]}


async def test_an_erased_user_is_in_no_table_no_file_and_no_index(
    http: httpx2.AsyncClient, database: Database, tmp_path: Path
) -> None:
    name, secret = "ann-of-the-test", "unmistakable"
    http.headers["X-Chat-User"] = name
    picture = await ok(http.post("/attachments", files={"file": (f"{secret}.png", PNG)}), 201)
    await say(http, [{"type": "text", "text": f"{secret} words"}, {"type": "attachment", "id": picture["id"]}])
    await ok(http.post("/conversations", json={"title": secret}, headers={"Idempotency-Key": secret}), 201)
    admin = {"X-Chat-User": "boss"}
    await ok(http.put(f"/tenants/mine/members/{name}", json={"role": "member"}, headers=admin), 204)
    token = {"user_id": name, "name": "laptop"}
    await ok(http.post("/tenants/mine/tokens", json=token, headers=admin), 201)
    await ok(
        http.put("/tenants/mine/budgets", json={"window": "day", "limit_usd": "5", "user_id": name}, headers=admin)
    )
    before = await ok(http.get("/usage", params={"of": "tenant"}, headers=admin))
    receipt = await ok(http.post(f"/users/{name}/erase", headers=admin), 202)
    assert receipt["deleted"] == {
        "tokens": 1,
        "memberships": 1,
        "budgets": 1,
        "conversations": 2,
        "attachments": 1,
    }
    assert (receipt["held"], receipt["pending"]) == (0, False)
    everything = await dump(database)
    assert name not in everything
    assert secret not in everything
    assert receipt["erased_as"] in everything
    if database.is_sqlite:
        on_disk = b"".join(path.read_bytes() for path in tmp_path.glob("chat.db*"))
        assert receipt["erased_as"].encode() in on_disk
        assert name.encode() not in on_disk
        assert secret.encode() not in on_disk
    assert [path for path in Path("chat-files").rglob("*") if path.is_file()] == []
    after = await ok(http.get("/usage", params={"of": "tenant"}, headers=admin))
    assert after["total"] == before["total"]
    again = await ok(http.post(f"/users/{name}/erase", headers=admin), 202)
    assert sum(again["deleted"].values()) == 0
    entries = (await ok(http.get("/tenants/mine/audit", headers=admin)))["items"]
    assert [entry["details"]["receipt"] for entry in entries if entry["action"] == "user.erase"] == [
        receipt["id"],
        again["id"],
    ]


async def dump(database: Database) -> str:
    """Return everything that is in all tables, those of the index included."""
    if database.is_sqlite:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    else:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    async with database.read() as connection:
        names = (await connection.execute(text(query))).scalars().all()
        assert {"messages", "runs", "audit", "idempotency"} <= set(names)
        rows = [row for name in names for row in await connection.execute(text(f'SELECT * FROM "{name}"'))]
    values = [value for row in rows for value in row]
    return " ".join(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)


async def test_an_erasure_stops_what_is_being_written(
    served: Serve, database: Database, database_url: str, fake_gateway: FakeGateway
) -> None:
    fake_gateway.reply(sse(chunk("Never ending")), Hang())
    client = OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model)
    async with client:
        service = await served(client, database_url=database_url)
        async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
            conversation = await ok(http.post("/conversations", json={}), 201)
            sent = await ok(http.post(f"/conversations/{conversation['id']}/messages", json={"message": "Go"}), 202)
            async with http.stream("GET", sent["stream"]) as stream:
                async for line in stream.aiter_lines():
                    if "Never" in line:
                        break
            receipt = await ok(http.post("/users/me/erase"), 202)
            assert (receipt["deleted"]["conversations"], receipt["pending"]) == (1, False)
        assert await fake_gateway.requests[-1].closed()
    assert "Never ending" not in await dump(database)


async def test_only_an_admin_erases_others(served: Serve, database: Database, database_url: str) -> None:
    service = await served(None, database_url=database_url, auth="token")
    token, _ = await ApiTokens(database).create(ROOT_TENANT, "ann", "t")
    async with httpx2.AsyncClient(
        timeout=60, base_url=service.url, headers={"Authorization": f"Bearer {token}"}
    ) as http:
        refused = await http.post("/users/bob/erase")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        await ok(http.post("/users/me/erase"), 202)
