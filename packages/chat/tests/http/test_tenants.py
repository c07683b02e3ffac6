"""Managing tenants over HTTP, and what managers of one cannot see of another."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]
KEYS = "k1:" + base64.b64encode(os.urandom(32)).decode()
TOOL = "name: tutor\nversion: 1\nsystem: You help with fractions.\nmodel: a/tutor\noptions: {temperature: 0.5}\n"


async def ok(request: Awaitable[httpx2.Response], status: int = 200) -> Any:
    reply = await request
    assert reply.status_code == status, reply.text
    return reply.json() if reply.content else None


@pytest.fixture
def client() -> ScriptedClient:
    return ScriptedClient("One.", "Two.", "Three.")


@pytest.fixture
async def root(
    served: Serve, database: Database, database_url: str, client: ScriptedClient
) -> AsyncIterator[httpx2.AsyncClient]:
    """An admin of the root tenant."""
    service = await served(client, database_url=database_url, auth="dev,token", keys=KEYS)
    async with httpx2.AsyncClient(timeout=60, base_url=service.url) as http:
        yield http


async def token_of(root: httpx2.AsyncClient, tenant_id: str, user: str, role: str) -> dict[str, str]:
    await ok(root.put(f"/tenants/{tenant_id}/members/{user}", json={"role": role}), 204)
    made = await ok(root.post(f"/tenants/{tenant_id}/tokens", json={"user_id": user, "name": "t"}), 201)
    return {"Authorization": f"Bearer {made['token']}"}


async def test_tenants_are_made_changed_listed_and_closed(root: httpx2.AsyncClient) -> None:
    school = await ok(root.post("/tenants/mine/tenants", json={"name": "school"}), 201)
    assert (school["parent_id"], school["settings"]) == (ROOT_TENANT, {})
    conflict = await root.post("/tenants/mine/tenants", json={"name": "school"})
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "conflict")
    place = f"/tenants/{school['id']}"
    changed = await ok(root.patch(place, json={"settings": {"runs_per_user": 1}, "retention_days": 30}))
    assert (changed["settings"], changed["retention_days"]) == ({"runs_per_user": 1}, 30)
    assert [each["id"] for each in (await ok(root.get("/tenants/mine/tenants")))["items"]] == [school["id"]]
    ann = await token_of(root, school["id"], "ann", "admin")
    assert (await ok(root.get("/tenants/mine", headers=ann)))["id"] == school["id"]
    await ok(root.patch(place, json={"closed": True}))
    assert (await root.patch("/tenants/mine", json={"closed": True})).status_code == 409
    entries = (await ok(root.get(f"{place}/audit")))["items"]
    assert [entry["action"] for entry in entries] == ["tenant.change", "member.put", "token.create", "tenant.change"]


async def test_a_manager_sees_their_own_tenant_and_those_below_only(root: httpx2.AsyncClient) -> None:
    school = await ok(root.post("/tenants/mine/tenants", json={"name": "school"}), 201)
    class_ = await ok(root.post(f"/tenants/{school['id']}/tenants", json={"name": "class"}), 201)
    other = await ok(root.post("/tenants/mine/tenants", json={"name": "other"}), 201)
    admin = await token_of(root, school["id"], "ann", "admin")
    member = await token_of(root, school["id"], "bob", "member")
    await ok(root.get(f"/tenants/{class_['id']}/members", headers=admin))
    for tenant_id in (other["id"], ROOT_TENANT, new_id(), "x"):
        for request in (
            root.get(f"/tenants/{tenant_id}", headers=admin),
            root.get(f"/tenants/{tenant_id}/credentials", headers=admin),
            root.put(f"/tenants/{tenant_id}/members/ann", json={"role": "admin"}, headers=admin),
            root.post(f"/tenants/{tenant_id}/tokens", json={"user_id": "x", "name": "x"}, headers=admin),
        ):
            assert (await request).status_code == 404
    await ok(root.get("/tenants/mine", headers=member))
    await ok(root.get("/tenants/mine/tools", headers=member))
    for path in ("members", "credentials", "tokens", "budgets", "audit", "tenants"):
        assert (await root.get(f"/tenants/mine/{path}", headers=member)).status_code == 403
    assert (await root.put("/tenants/mine/members/bob", json={"role": "admin"}, headers=member)).status_code == 403


async def test_a_credential_of_a_tenant_answers_for_it_and_is_never_told(
    root: httpx2.AsyncClient, fake_gateway: FakeGateway
) -> None:
    school = await ok(root.post("/tenants/mine/tenants", json={"name": "school"}), 201)
    ann = await token_of(root, school["id"], "ann", "member")
    place = f"/tenants/{school['id']}/credentials"
    body = {"api_key": fake_gateway.api_key, "base_url": fake_gateway.base_url, "default_model": fake_gateway.model}
    stored = await root.post(place, json=body)
    assert stored.status_code == 201, stored.text
    assert fake_gateway.api_key not in stored.text
    conversation = await ok(root.post("/conversations", json={}, headers=ann), 201)
    sent = await ok(
        root.post(f"/conversations/{conversation['id']}/messages", json={"message": "Hi"}, headers=ann), 202
    )
    async with root.stream("GET", sent["stream"], headers=ann) as stream:
        await stream.aread()
    assert len(fake_gateway.requests) == 1
    duplicate = await root.post(place, json=body)
    assert (duplicate.status_code, duplicate.json()["error"]["code"]) == (409, "conflict")
    assert fake_gateway.api_key not in duplicate.text
    id_ = stored.json()["id"]
    assert (await ok(root.patch(f"{place}/{id_}", json={"api_key": "sk-test-another-one"})))["version"] == 2
    assert (await ok(root.post(f"{place}/{id_}/deactivate")))["active"] is False
    await ok(root.delete(f"{place}/{id_}"), 204)
    assert (await ok(root.get(place)))["items"] == []
    assert (await root.delete(f"{place}/{id_}")).status_code == 404
    audit = await root.get(f"/tenants/{school['id']}/audit")
    assert "sk-test" not in audit.text


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/v1",
        "https://localhost/v1",
        "https://10.0.0.1/v1",
        "https://[::1]/v1",
        "ftp://x",
        "https://db",
        "https://169.254.169.254/latest",
        "https://me:pw@example.com",
        "x" * 10,
    ],
)
async def test_a_tenants_credential_cannot_lead_into_the_network_of_the_service(
    root: httpx2.AsyncClient, url: str
) -> None:
    school = await ok(root.post("/tenants/mine/tenants", json={"name": "school"}), 201)
    ann = await token_of(root, school["id"], "ann", "admin")
    body = {"api_key": "sk-test-1", "base_url": url}
    refused = await root.post("/tenants/mine/credentials", json=body, headers=ann)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    assert "sk-test-1" not in refused.text


async def test_a_token_is_told_once_and_ends_when_it_is_revoked(root: httpx2.AsyncClient) -> None:
    body, key = {"user_id": "ann", "name": "laptop", "scopes": ["read"], "days": 30}, {"Idempotency-Key": "t1"}
    made = await ok(root.post("/tenants/mine/tokens", json=body, headers=key), 201)
    again = await ok(root.post("/tenants/mine/tokens", json=body, headers=key), 201)
    assert (again["id"], again["token"]) == (made["id"], None)
    ann = {"Authorization": f"Bearer {made['token']}"}
    assert (await ok(root.get("/session", headers=ann)))["user_id"] == "ann"
    assert (await root.post("/conversations", json={}, headers=ann)).status_code == 403
    listed = await root.get("/tenants/mine/tokens")
    assert made["token"] not in listed.text
    await ok(root.delete(f"/tenants/mine/tokens/{made['id']}"), 204)
    assert (await root.delete(f"/tenants/mine/tokens/{made['id']}")).status_code == 404


async def test_a_budget_that_is_used_up_refuses_the_next_message(root: httpx2.AsyncClient) -> None:
    budget = await ok(root.put("/tenants/mine/budgets", json={"window": "day", "limit_usd": "0"}))
    conversation = await ok(root.post("/conversations", json={}), 201)
    refused = await root.post(f"/conversations/{conversation['id']}/messages", json={"message": "Hi"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
    assert "retry-after" in refused.headers
    listed = (await ok(root.get("/tenants/mine/budgets")))["items"]
    assert [(each["limit_usd"], each["spent_usd"]) for each in listed] == [("0", "0")]
    await ok(root.delete(f"/tenants/mine/budgets/{budget['id']}"), 204)


async def test_a_conversation_keeps_the_version_of_its_tool(root: httpx2.AsyncClient, client: ScriptedClient) -> None:
    await ok(root.post("/tenants/mine/tools", json={"yaml": TOOL}), 201)
    await ok(root.post("/tenants/mine/tools", json={"yaml": TOOL + "# the same\n"}), 201)
    other = await root.post("/tenants/mine/tools", json={"yaml": TOOL.replace("fractions", "algebra")})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    conversation = await ok(root.post("/conversations", json={"tool": "tutor"}), 201)
    second = TOOL.replace("version: 1", "version: 2").replace("fractions", "algebra")
    await ok(root.post("/tenants/mine/tools", json={"yaml": second}), 201)
    listed = (await ok(root.get("/tenants/mine/tools")))["items"]
    assert [(each["name"], each["version"]) for each in listed] == [("tutor", 2)]
    sent = await ok(root.post(f"/conversations/{conversation['id']}/messages", json={"message": "Half of 1/2?"}), 202)
    async with root.stream("GET", sent["stream"]) as stream:
        await stream.aread()
    call = client.calls[0]
    assert call.messages == [
        {"role": "system", "content": "You help with fractions."},
        {"role": "user", "content": "Half of 1/2?"},
    ]
    assert (call.options["model"], call.options["temperature"]) == ("a/tutor", 0.5)
    await ok(root.delete("/tenants/mine/tools/tutor"), 204)
    unknown = await root.post("/conversations", json={"tool": "tutor"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "unknown_tool")
    wrong = await root.post("/tenants/mine/tools", json={"yaml": "name: ["})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_request")


async def test_the_constraints_of_a_tool_close_a_conversation(root: httpx2.AsyncClient) -> None:
    yaml = TOOL + "constraints: {max_messages: 1}\n"
    await ok(root.post("/tenants/mine/tools", json={"yaml": yaml}), 201)
    conversation = await ok(root.post("/conversations", json={"tool": "tutor"}), 201)
    place = f"/conversations/{conversation['id']}/messages"
    sent = await ok(root.post(place, json={"message": "One"}), 202)
    async with root.stream("GET", sent["stream"]) as stream:
        await stream.aread()
    refused = await root.post(place, json={"message": "Two"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conversation_completed")
