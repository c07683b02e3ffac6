"""Databases for the tests: a SQLite file each, and a PostgreSQL database each where there is a server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from raptscallions_ai import ChatClient
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import upgrade
from raptscallions_chat.testing import ServedChat, serve_chat

POSTGRESQL = os.environ.get("CHAT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")
REDIS = os.environ.get("CHAT_TEST_REDIS", "redis://127.0.0.1:6379/0")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no variable and no `.env` of the machine reach a test."""
    for name in list(os.environ):
        if name.startswith(("AI_", "CHAT_", "OPENAI_", "OPENROUTER_")) and name != "AI_LOCAL_CACHE_DIR":
            monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


async def on_postgresql(statement: str) -> None:
    """Run a statement that no transaction may hold."""
    url = POSTGRESQL.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/test", isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'chat.db'}"
        return
    name = f"chat_{uuid4().hex}"
    try:
        await on_postgresql(f"CREATE DATABASE {name}")
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs PostgreSQL at {POSTGRESQL}: {error}")
    try:
        yield f"{POSTGRESQL}/{name}"
    finally:
        await on_postgresql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database(database_url: str) -> AsyncIterator[Database]:
    """A database without tables."""
    database = Database(database_url, pool_size=3)
    yield database
    await database.aclose()


@pytest.fixture
async def database(empty_database: Database) -> Database:
    """A database with all tables."""
    await upgrade(empty_database)
    return empty_database


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[ServedChat]]]:
    """Start services on real sockets: `await served(client, ...)`; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(client: ChatClient | None, **settings: Any) -> ServedChat:
            settings.setdefault("database_url", f"sqlite:///{tmp_path / 'served.db'}")
            return await stack.enter_async_context(serve_chat(client, **settings))

        yield start
