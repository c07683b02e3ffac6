"""Migrations lead to the tables that the code describes, on both databases."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from raptscallions_chat.store.database import Database
from raptscallions_chat.store.migrate import MigrationNeededError, check, newest_revision, upgrade
from raptscallions_chat.store.schema import metadata


def is_described(name: str | None, *_: object) -> bool:
    # The index of the full-text search is each database's own, and not in the metadata.
    return not str(name).startswith("message_search")


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": False, "include_name": is_described})
    return list(compare_metadata(context, metadata))


async def test_migrations_lead_to_the_tables_that_the_code_describes(empty_database: Database) -> None:
    assert await upgrade(empty_database) == newest_revision()
    async with empty_database.read() as connection:
        assert await connection.run_sync(differences) == []
    await upgrade(empty_database)
    await check(empty_database)


async def test_an_empty_database_is_told_of_with_the_command_that_helps(empty_database: Database) -> None:
    with pytest.raises(MigrationNeededError, match="is empty: run `raptscallions-chat migrate`"):
        await check(empty_database)


async def test_a_new_database_has_the_root_tenant(database: Database) -> None:
    async with database.read() as connection:
        names = (await connection.execute(text("SELECT name, settings FROM tenants"))).all()
    assert [row.name for row in names] == ["root"]
