"""Databases that tests begin with: a SQLite file for each, and one PostgreSQL database for all of a process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import upgrade
from raptscallions_chat.store.schema import metadata, tenants

POSTGRESQL = os.environ.get("CHAT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")


async def on_postgresql(statement: str) -> None:
    """Run a statement that no transaction may hold."""
    url = POSTGRESQL.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/test", isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def create_postgresql() -> str:
    """Make a database without tables, and return its URL."""
    name = f"chat_{uuid4().hex}"
    try:
        await on_postgresql(f"CREATE DATABASE {name}")
    except (OSError, DBAPIError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs PostgreSQL at {POSTGRESQL}: {error}")
    return f"{POSTGRESQL}/{name}"


async def drop_postgresql(url: str) -> None:
    """Drop a database, whoever is still connected to it."""
    await on_postgresql(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")


class Migrated:
    """A file and a database with all tables, made once a process: to make them for each test takes most of its time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "migrated.db"
        self._postgresql: str | None = None

    async def sqlite(self, path: Path) -> str:
        """Copy the file, and return the copy's URL."""
        if not self._file.exists():
            await migrate(f"sqlite:///{self._file}")
        shutil.copy(self._file, path)
        return f"sqlite:///{path}"

    async def postgresql(self) -> str:
        """Return the URL of the database, with no rows but those of the migrations."""
        if self._postgresql is None:
            self._postgresql = await create_postgresql()
            await migrate(self._postgresql)
        else:
            await empty_tables(self._postgresql)
        return self._postgresql

    async def aclose(self) -> None:
        """Drop the database."""
        if self._postgresql is not None:
            await drop_postgresql(self._postgresql)


async def migrate(url: str) -> None:
    """Give a database its tables."""
    database = Database(url)
    await upgrade(database)
    await database.aclose()


async def empty_tables(url: str) -> None:
    """Delete all rows but the root tenant, as the migrations have made it."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool)
    async with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not tenants:
                await connection.execute(table.delete())
        await connection.execute(tenants.delete().where(tenants.c.id != ROOT_TENANT))
        await connection.execute(tenants.update().values(settings={}, archived_at=None))
    await engine.dispose()
