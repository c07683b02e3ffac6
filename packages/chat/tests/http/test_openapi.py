"""Whatever is sent, no answer contradicts the OpenAPI document, and none is an error of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.testing import ServedChat

Serve = Callable[..., Awaitable[ServedChat]]
# Their types are not all known.
LOAD: Any = import_module("schemathesis").openapi.from_url
FOR_ALL: Any = import_module("schemathesis.checks")
FOR_OPENAPI: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS: list[Any] = [
    FOR_ALL.not_a_server_error,
    FOR_OPENAPI.status_code_conformance,
    FOR_OPENAPI.content_type_conformance,
    FOR_OPENAPI.response_headers_conformance,
    FOR_OPENAPI.response_schema_conformance,
]
ENDLESS = {"/events"}


async def known_ids(url: str) -> dict[str, str]:
    """Return ids of things that are there, by the name of the path's parameter."""
    async with httpx2.AsyncClient(base_url=url, timeout=60, verify=False) as http:
        conversation = (await http.post("/conversations", json={"title": "x"})).json()
        sent = (await http.post(f"/conversations/{conversation['id']}/messages", json={"message": "Hi"})).json()
        await http.get(sent["stream"])
        tenant = (await http.get("/session")).json()["tenant_id"]
        ids = {"conversation_id": conversation["id"], "message_id": sent["answer"]["id"], "run_id": sent["run"]["id"]}
        return {**ids, "tenant_id": tenant, "chat_id": conversation["id"], "user_id": "somebody"}


def try_everything(url: str, ids: dict[str, str], examples: int) -> int:
    """Ask every operation with what its description allows, on things that are there and on others."""
    operations = 0
    for found in LOAD(f"{url}/openapi.json").get_all_operations():
        operation = found.ok()
        if operation.path in ENDLESS:
            continue
        operations += 1

        @given(case=operation.as_strategy(), is_known=st.booleans())
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=examples < 10,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        )
        def ask(case: Any, is_known: bool) -> None:
            if is_known:
                case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
            case.call_and_validate(checks=CHECKS, timeout=30)

        ask()
    return operations


async def nothing_contradicts(served: Serve, tmp_path: Path, examples: int) -> None:
    service = await served(ScriptedClient("Yes.", repeat=True), storage_url=f"file:{tmp_path / 'files'}")
    assert await asyncio.to_thread(try_everything, service.url, await known_ids(service.url), examples) > 50


@pytest.mark.requirement("E05-T004.AC3")
async def test_no_answer_contradicts_the_document(served: Serve, tmp_path: Path) -> None:
    await nothing_contradicts(served, tmp_path, 3)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_no_answer_contradicts_the_document_however_long_one_tries(served: Serve, tmp_path: Path) -> None:
    await nothing_contradicts(served, tmp_path, 200)
