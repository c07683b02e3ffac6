"""What all tests of the chat runtime share: a clean environment, databases and services."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from chat_databases import Migrated
from redis.asyncio import Redis
from redis.exceptions import RedisError

from raptscallions_ai import ChatClient
from raptscallions_chat.store.database import Database
from raptscallions_chat.testing import ServedChat, serve_chat

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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """What databases of tests are copied from."""
    made = Migrated(tmp_path_factory.mktemp("migrated"))
    yield made
    asyncio.run(made.aclose())


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Migrated) -> str:
    """The URL of a database with all tables, of each kind in turn."""
    if request.param == "sqlite":
        return await migrated.sqlite(tmp_path / "chat.db")
    return await migrated.postgresql()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with all tables."""
    database = Database(database_url, pool_size=3)
    yield database
    await database.aclose()


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


@pytest.fixture(params=["embedded", "served"])
async def service_set(request: pytest.FixtureRequest, tmp_path: Path, migrated: Migrated) -> dict[str, Any]:
    """SQLite and memory, then PostgreSQL and Redis, as settings."""
    if request.param == "embedded":
        return {"database_url": await migrated.sqlite(tmp_path / "chat.db")}
    await needs_redis()
    return {"database_url": await migrated.postgresql(), "redis_url": REDIS, "pool_size": 4}


@pytest.fixture
async def served(tmp_path: Path, migrated: Migrated) -> AsyncIterator[Callable[..., Awaitable[ServedChat]]]:
    """Start services on real sockets: `await served(client, ...)`; they end with the test."""
    url = await migrated.sqlite(tmp_path / "served.db")
    async with AsyncExitStack() as stack:

        async def start(client: ChatClient | None, *, database_url: str = url, **settings: Any) -> ServedChat:
            return await stack.enter_async_context(serve_chat(client, database_url=database_url, **settings))

        yield start
