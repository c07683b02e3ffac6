"""Databases for the tests: a SQLite file each, and a PostgreSQL database each where there is a server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
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


async def needs_redis() -> None:
    """Skip where there is no Redis."""
    redis = Redis.from_url(REDIS)  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
    try:
        await redis.ping()  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
    except (RedisError, OSError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs Redis at {REDIS}: {error}")
    finally:
        await redis.aclose()


_template: list[str] = []


async def migrated_postgresql() -> str:
    """Return the name of a database with all tables, which others are copied from; made once a process."""
    if not _template:
        name = f"chat_template_{uuid4().hex}"
        await on_postgresql(f"CREATE DATABASE {name}")
        database = Database(f"{POSTGRESQL}/{name}")
        await upgrade(database)
        await database.aclose()
        _template.append(name)
    return _template[0]


@pytest.fixture(scope="session", autouse=True)
def no_template_left() -> Iterator[None]:
    """Drop the database that others were copied from."""
    yield
    while _template:
        asyncio.run(on_postgresql(f"DROP DATABASE {_template.pop()}"))


@pytest.fixture(params=["embedded", "served"])
async def service_set(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """SQLite and memory, then PostgreSQL and Redis, as settings."""
    if request.param == "embedded":
        yield {"database_url": f"sqlite:///{tmp_path / 'chat.db'}"}
        return
    await needs_redis()
    async with copied_database() as url:
        yield {"database_url": url, "redis_url": REDIS, "pool_size": 4}


@asynccontextmanager
async def copied_database() -> AsyncGenerator[str]:
    """Make a database with all tables, and give its URL."""
    name = f"chat_{uuid4().hex}"
    try:
        await on_postgresql(f"CREATE DATABASE {name} TEMPLATE {await migrated_postgresql()}")
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs PostgreSQL at {POSTGRESQL}: {error}")
    try:
        yield f"{POSTGRESQL}/{name}"
    finally:
        await on_postgresql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[ServedChat]]]:
    """Start services on real sockets: `await served(client, ...)`; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(client: ChatClient | None, **settings: Any) -> ServedChat:
            settings.setdefault("database_url", f"sqlite:///{tmp_path / 'served.db'}")
            return await stack.enter_async_context(serve_chat(client, **settings))

        yield start
