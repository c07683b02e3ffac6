"""Migrations lead to the tables that the code describes, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from chat_databases import create_postgresql, drop_postgresql
from sqlalchemy import Connection, text

from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import NEWEST, MigrationNeededError, alembic_config, check, upgrade
from raptscallions_chat.store.schema import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database without tables."""
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'chat.db'}"
        if request.param == "postgresql":
            url = await create_postgresql()
            stack.push_async_callback(drop_postgresql, url)
        database = Database(url)
        stack.push_async_callback(database.aclose)
        yield database


def is_described(name: str | None, *_: object) -> bool:
    # The index of the full-text search is each database's own, and not in the metadata.
    return not str(name).startswith("message_search")


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": False, "include_name": is_described})
    return list(compare_metadata(context, metadata))


async def test_migrations_lead_to_the_tables_that_the_code_describes(empty_database: Database) -> None:
    with pytest.raises(MigrationNeededError, match="is empty: run `raptscallions-chat migrate`"):
        await check(empty_database)
    assert await upgrade(empty_database) == NEWEST == ScriptDirectory.from_config(alembic_config()).get_current_head()
    async with empty_database.read() as connection:
        assert await connection.run_sync(differences) == []
    await upgrade(empty_database)
    await check(empty_database)


async def test_a_database_of_another_version_is_told_of_with_the_command_that_helps(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        with pytest.raises(MigrationNeededError, match=f"is at revision 0001, and this version needs {NEWEST}: run"):
            await check(database)
    finally:
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": NEWEST})


async def test_a_new_database_has_the_root_tenant(database: Database) -> None:
    async with database.read() as connection:
        names = (await connection.execute(text("SELECT name, settings FROM tenants"))).all()
    assert [row.name for row in names] == ["root"]
