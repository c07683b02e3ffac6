"""SQLite in threads: what the store uses of SQLAlchemy's `AsyncConnection`, without a hop for each row and cursor.

A driver that is made to look asynchronous goes to its thread and back for the cursor, the statement, the rows and the
close. Here it goes once for a statement, or once for a whole transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["SqliteThreads"]

T = TypeVar("T")
Work = Callable[["AsyncConnection"], Awaitable[T]]


class SqliteThreads:
    """Connections to a SQLite file: one that writes, and a few that read.

    Args:
        url: `sqlite:///file`.
        readers: How many connections read.
        patience: Seconds to wait for one of them.
    """

    def __init__(self, url: str, *, readers: int, patience: float) -> None:
        # What goes into a statement may be a user's message, and errors are logged.
        options: dict[str, Any] = {"hide_parameters": True, "connect_args": {"check_same_thread": False}}
        self.readers = create_engine(url, pool_size=readers, max_overflow=0, **options)
        self.writer = create_engine(url, pool_size=1, max_overflow=0, **options)
        for engine in (self.readers, self.writer):
            event.listen(engine, "connect", _prepare)
        event.listen(self.writer, "begin", _begin_to_write)
        self._patience = patience
        self._free = asyncio.Semaphore(readers)
        # A lock in order of arrival; SQLite's own would make writers poll.
        self._turn = asyncio.Lock()
        self._threads = ThreadPoolExecutor(readers + 1, "chat-sqlite")

    @asynccontextmanager
    async def connection(self, *, writes: bool) -> AsyncGenerator[AsyncConnection]:
        """Give a connection whose statements are one hop each; what was written is committed at the end."""
        opened: list[Connection] = []  # a task that is cancelled meanwhile must not leave one behind

        def connect() -> Connection:
            opened.append((self.writer if writes else self.readers).connect())
            if writes:
                opened[0].begin()
            return opened[0]

        async with self._admitted(writes):
            try:
                connection = await self._hop(connect)
                yield cast("AsyncConnection", _Hopping(connection, self._hop))
                if writes:
                    await self._hop(connection.commit)
            finally:
                for each in opened:
                    await self._hop(each.close)

    async def work(self, work: Work[T], *, writes: bool) -> T:
        """Do the whole of some work in one hop; it may await nothing but its connection."""

        def whole() -> T:
            engine: Engine = self.writer if writes else self.readers
            with engine.connect() as opened, opened.begin() if writes else nullcontext():
                return _to_its_end(work(cast("AsyncConnection", _Direct(opened))))

        async with self._admitted(writes):
            return await self._hop(whole)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._hop(self.readers.dispose)
        await self._hop(self.writer.dispose)
        self._threads.shutdown(wait=False)

    @asynccontextmanager
    async def _admitted(self, writes: bool) -> AsyncGenerator[None]:
        if writes:
            async with self._turn:
                yield
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeoutError("no connection became free") from None
        try:
            yield
        finally:
            self._free.release()

    async def _hop(self, function: Callable[..., T], *arguments: Any) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # Whoever comes next must not be a second user of the connection.
            while not running.done():
                try:
                    await asyncio.wait({running})
                except asyncio.CancelledError:
                    continue
            if not running.cancelled():
                running.exception()
            raise


class _Hopping:
    """A connection as a coroutine of the event loop uses it."""

    def __init__(self, connection: Connection, hop: Callable[..., Awaitable[Any]]) -> None:
        self._connection = connection
        self._hop = hop
        self.dialect = connection.dialect

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        return await self._hop(self._executed, statement, parameters)

    async def run_sync(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._hop(function, self._connection, *arguments)

    def _executed(self, statement: Any, parameters: Any) -> Any:
        result = self._connection.execute(statement, parameters)
        # Else the rows would be read from the file by the event loop.
        return result.freeze()() if result.returns_rows else result


class _Direct:
    """A connection as a coroutine uses it that runs in a thread from its beginning to its end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.dialect = connection.dialect

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        return self._connection.execute(statement, parameters)


def _to_its_end(coroutine: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise RuntimeError("within a transaction nothing but the database may be awaited")


def _prepare(connection: Any, record: object) -> None:
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


def _begin_to_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
