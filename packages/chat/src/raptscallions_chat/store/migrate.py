"""Migrations: bring a database up to date, or say that it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from raptscallions_chat.store.database import Database

__all__ = ["MigrationNeededError", "alembic_config", "check", "current_revision", "newest_revision", "upgrade"]

# Two workers that start at once must not both migrate; any number that nobody else uses will do.
_LOCK = 0x52617074


class MigrationNeededError(Exception):
    """The database's tables are not those of this version."""


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no `alembic.ini`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest_revision() -> str:
    """Return the revision of this version's tables."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


async def current_revision(database: Database) -> str | None:
    """Return the revision that a database is at; None for an empty one."""
    async with database.read() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(database: Database) -> str:
    """Bring a database up to date, and return its revision. Safe to run again, and by several workers at once."""
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade)
    return newest_revision()


async def check(database: Database) -> None:
    """Do nothing if a database is up to date.

    Raises:
        MigrationNeededError: It is not; the message says what to run.
    """
    found, wanted = await current_revision(database), newest_revision()
    if found == wanted:
        return
    state = "is empty" if found is None else f"is at revision {found}, and this version needs {wanted}"
    raise MigrationNeededError(f"the database {state}: run `raptscallions-chat migrate`, or `serve --migrate`")


def _upgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
