"""The database: short transactions over one URL, SQLite with one writer, or PostgreSQL with a pool."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from raptscallions_chat.domain.errors import ChatError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Database", "async_url", "utc_now"]

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


# A connection that was refused comes as the system's own error, past SQLAlchemy.
_UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeoutError, OSError)


def _unavailable() -> ChatError:
    return ChatError("store_unavailable", "The database does not answer; try again in a moment.", retry_after=2.0)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def async_url(url: str) -> str:
    """Return the database's URL with the driver that the runtime uses, unless it names one.

    Raises:
        ValueError: It is neither SQLite's nor PostgreSQL's.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in _DRIVERS and separator:
        return f"{_DRIVERS[scheme]}://{rest}"
    if scheme.partition("+")[0] in ("sqlite", "postgresql") and separator:
        return url
    raise ValueError("the database's URL must begin with sqlite:/// or postgresql://")


class Database:
    """Connections to the database, handed out for one short transaction each.

    Nothing but the database is to be awaited inside of one: on SQLite there is one writer, and with PostgreSQL the pool
    may have the size 1.

    Args:
        url: `sqlite:///file` or `postgresql://user@host/name`.
        pool_size: The most connections to PostgreSQL; for SQLite, those that read.
        pool_timeout: Seconds to wait for one.
    """

    def __init__(self, url: str, *, pool_size: int = 10, pool_timeout: float = 30.0) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self.in_memory = self.is_sqlite and make_url(self.url).database in (None, "", ":memory:")
        if self.in_memory:
            raise ValueError("a database in memory would lose every answer; name a file: sqlite:///chat.db")
        # What goes into a statement may be a user's message, and errors are logged.
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": pool_timeout}
        options["hide_parameters"] = True
        self._readers = create_async_engine(self.url, **options)
        self._writers = self._readers
        self._write_lock = asyncio.Lock()
        if self.is_sqlite:
            self._writers = create_async_engine(self.url, **{**options, "pool_size": 1})
            event.listen(self._readers.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._writers.sync_engine, "connect", _prepare_sqlite)
            event.listen(self._writers.sync_engine, "begin", _begin_to_write)

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes."""
        return self._writers

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection for reading.

        Raises:
            ChatError: `store_unavailable`: the database cannot be reached, or has no connection left.
        """
        try:
            async with self._readers.connect() as connection:
                yield connection
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection in a transaction, which is committed at the end, or rolled back after an exception.

        Raises:
            ChatError: `store_unavailable`: the database cannot be reached, or has no connection left.
        """
        # On SQLite a lock in order of arrival; its own would make writers poll.
        turn = self._write_lock if self.is_sqlite else nullcontext()
        try:
            async with turn, self._writers.begin() as connection:
                yield connection
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._readers.dispose()
        if self._writers is not self._readers:
            await self._writers.dispose()

    def __repr__(self) -> str:
        return f"Database({make_url(self.url).render_as_string(hide_password=True)!r})"


def _prepare_sqlite(connection: Any, record: object) -> None:
    # The driver must not begin transactions by itself: a writer begins its own at once, before it reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "temp_store=MEMORY",
        # What is deleted is overwritten, so that an erasure leaves nothing in the file.
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_to_write(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
