"""The database: short transactions over one URL, SQLite with one writer, or PostgreSQL with a pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.sqlite_threads import SqliteThreads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Database", "async_url", "utc_now"]

T = TypeVar("T")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


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
    may have the size 1. `reading` and `writing` take the whole transaction as a function: on SQLite it then runs in one
    go in a thread, which is for what happens in every run.

    Args:
        url: `sqlite:///file` or `postgresql://user@host/name`.
        pool_size: The most connections to PostgreSQL; for SQLite, those that read.
        pool_timeout: Seconds to wait for one.
    """

    def __init__(self, url: str, *, pool_size: int = 10, pool_timeout: float = 30.0) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self._threads: SqliteThreads | None = None
        if not self.is_sqlite:
            self._pool = create_async_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=pool_timeout,
                # What goes into a statement may be a user's message, and errors are logged.
                hide_parameters=True,
            )
            return
        if make_url(self.url).database in (None, "", ":memory:"):
            raise ValueError("a database in memory would lose every answer; name a file: sqlite:///chat.db")
        self._threads = SqliteThreads(self.url, readers=pool_size, patience=pool_timeout)

    @property
    def engines(self) -> list[Engine]:
        """SQLAlchemy's engines, to listen to their events."""
        return [self._pool.sync_engine] if self._threads is None else [self._threads.readers, self._threads.writer]

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection for reading.

        Raises:
            ChatError: `store_unavailable`: the database cannot be reached, or has no connection left.
        """
        connected = self._pool.connect() if self._threads is None else self._threads.connection(writes=False)
        try:
            async with connected as connection:
                yield connection
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection in a transaction, which is committed at the end, or rolled back after an exception.

        Raises:
            ChatError: `store_unavailable`: the database cannot be reached, or has no connection left.
        """
        connected = self._pool.begin() if self._threads is None else self._threads.connection(writes=True)
        try:
            async with connected as connection:
                yield connection
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    async def reading(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do some reading that awaits nothing but the connection that it is given.

        Raises:
            ChatError: `store_unavailable`, or whatever the work raises.
        """
        if self._threads is None:
            async with self.read() as connection:
                return await work(connection)
        try:
            return await self._threads.work(work, writes=False)
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    async def writing(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do some work in a transaction; it awaits nothing but the connection that it is given.

        Raises:
            ChatError: `store_unavailable`, or whatever the work raises.
        """
        if self._threads is None:
            async with self.write() as connection:
                return await work(connection)
        try:
            return await self._threads.work(work, writes=True)
        except _UNAVAILABLE as error:
            raise _unavailable() from error

    async def aclose(self) -> None:
        """Close all connections."""
        await (self._pool.dispose() if self._threads is None else self._threads.aclose())

    def __repr__(self) -> str:
        return f"Database({make_url(self.url).render_as_string(hide_password=True)!r})"
