"""Migrations: bring a database up to date, or say that it is not.

Alembic is loaded only where there is something to do, so that commands and services begin without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from raptscallions_chat.store.database import Database

__all__ = ["NEWEST", "MigrationNeededError", "alembic_config", "check", "upgrade"]

NEWEST = "0003"
"""The revision of this version's tables."""

# Two workers that start at once must not both migrate; any number that nobody else uses will do.
_LOCK = 0x52617074


class MigrationNeededError(Exception):
    """The database's tables are not those of this version."""


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no `alembic.ini`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def upgrade(database: Database) -> str:
    """Bring a database up to date, and return its revision. Safe to run again, and by several workers at once."""
    if await _revision(database) != NEWEST:
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade)
    return NEWEST


async def check(database: Database) -> None:
    """Do nothing if a database is up to date.

    Raises:
        MigrationNeededError: It is not; the message says what to run.
    """
    found = await _revision(database)
    if found == NEWEST:
        return
    state = "is empty" if found is None else f"is at revision {found}, and this version needs {NEWEST}"
    raise MigrationNeededError(f"the database {state}: run `raptscallions-chat migrate`, or `serve --migrate`")


async def _revision(database: Database) -> str | None:
    """Return the revision that a database is at; None for an empty one."""
    async with database.read() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
            return None
        return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
