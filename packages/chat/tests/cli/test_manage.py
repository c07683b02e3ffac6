"""The operator's commands, run as an operator runs them, on both databases."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from raptscallions_ai import reset_settings
from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.cli.manage import app
from raptscallions_chat.credentials.envelope import KeyRing
from raptscallions_chat.credentials.vault import CredentialVault
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import serve_chat

Command = Callable[..., str]
OLD, NEW = os.urandom(32), os.urandom(32)


@pytest.fixture
def command(database_url: str) -> Command:
    """Runs a command in a thread of this process, as its own process would take most of a test's time to begin."""

    def run(*arguments: str, code: int = 0, **variables: str) -> str:
        environment = {"CHAT_DATABASE_URL": database_url, "COLUMNS": "200", **variables}
        reset_settings()
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(CliRunner().invoke, app, arguments, env=environment).result(60)
        assert done.exit_code == code, done.output
        return done.output.strip()

    return run


async def test_the_program_itself_can_be_run(database_url: str) -> None:
    program = Path(sys.executable).parent / "raptscallions-chat"
    environment = {"PATH": os.environ["PATH"], "CHAT_DATABASE_URL": database_url}
    asked = [program, "tenants", "list"]
    done = await asyncio.to_thread(subprocess.run, asked, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("root  ")


async def test_a_token_of_the_command_line_opens_the_service_until_it_is_revoked(
    command: Command, database_url: str
) -> None:
    tenant = command("tenants", "create", "school")
    command("tenants", "create", "class", "--below", "school")
    assert [line.split()[0] for line in command("tenants", "list").splitlines()] == ["root", "school", "class"]
    assert command("tenants", "member", "school", "ann", "manager") == "ann is manager of school"
    token = command("tokens", "create", "ann", "--tenant", "school", "--name", "laptop", "--scope", "chat")
    listed = command("tokens", "list", "--tenant", "school")
    assert "ann  laptop  until it is revoked" in listed
    assert token not in listed
    ann = {"Authorization": f"Bearer {token}"}
    async with (
        serve_chat(ScriptedClient("Hi"), database_url=database_url, auth="token") as chat,
        httpx2.AsyncClient(base_url=chat.url, headers=ann, timeout=60) as http,
    ):
        me = (await http.get("/session")).json()
        assert (me["user_id"], me["tenant_id"], me["roles"]) == ("ann", tenant, ["manager"])
    assert command("tokens", "revoke", listed.split()[0], "--tenant", "school") == "revoked"
    assert "no such token" in command("tokens", "revoke", listed.split()[0], "--tenant", "school", code=2)


async def test_keys_are_rotated_and_the_doctor_tells_when_one_is_missing(command: Command, database: Database) -> None:
    stored = await CredentialVault(database, KeyRing({"k1": OLD})).add(ROOT_TENANT, "openrouter", "sk-test-1")
    k1, k2 = (f"k{n}:{base64.b64encode(key).decode()}" for n, key in enumerate((OLD, NEW), 1))
    assert command("rotate-keys", CHAT_KEYS=f"{k2},{k1}").startswith("1 credentials are now under k2")
    assert await CredentialVault(database, KeyRing({"k2": NEW})).open(stored) == "sk-test-1"
    assert "WRONG keys: credentials are under k2" in command("doctor", code=1, CHAT_KEYS=k1)
    assert "'k2' is not in CHAT_KEYS" in command("rotate-keys", code=2, CHAT_KEYS=k1)
    assert "ok    keys: k2 encrypts" in command("doctor", CHAT_KEYS=k2)
    assert "CHAT_KEYS is not set" in command("rotate-keys", code=2)


def test_the_doctor_says_what_to_do(command: Command) -> None:
    told = command("doctor", code=1)
    assert "ok    database" in told
    assert "WRONG AI: AI_API_KEY: is required but not set" in told
    assert command("doctor", AI_API_KEY="sk-test-1").count("ok    ") == 6
    told = command("doctor", code=1, AI_API_KEY="sk-test-1", CHAT_REDIS_URL="redis://127.0.0.1:9", CHAT_AUTH="token")
    assert "WRONG Redis" in told
    assert "WRONG settings: set CHAT_SESSION_SECRET" in told
    assert "sk-test-1" not in told


async def test_a_user_is_erased_with_a_receipt(command: Command, database_url: str) -> None:
    async with (
        serve_chat(ScriptedClient("Hi"), database_url=database_url) as chat,
        httpx2.AsyncClient(base_url=chat.url, headers={"X-Chat-User": "ann"}, timeout=60) as http,
    ):
        made = (await http.post("/conversations", json={"title": "x"})).json()
        told = await asyncio.to_thread(command, "erase", "ann", "--yes")
        assert told.startswith("receipt ")
        assert "1 conversations" in told
        assert (await http.get(f"/conversations/{made['id']}")).status_code == 404
    assert "Erase everything of ann?" in command("erase", "ann", code=1)


def test_wrong_settings_are_told_in_one_message(command: Command) -> None:
    told = command("doctor", code=2, CHAT_PORT="x", CHAT_AUTH="king", CHAT_MAX_RUN="3")
    assert "CHAT_PORT: must be a number" in told
    assert "CHAT_AUTH" in told
    assert "CHAT_MAX_RUN: is set, but it is not a setting - did you mean CHAT_MAX_RUNS?" in told
