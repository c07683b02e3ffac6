"""One process for one SQLite file: whoever holds the lock knows that every other worker in it is dead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy import make_url

from raptscallions_ai import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from raptscallions_chat.store.database import Database

__all__ = ["own_file"]

_PATIENCE = 15.0  # seconds; a process that was told to end may still be at it


async def own_file(stack: AsyncExitStack, database: Database) -> None:
    """Hold a SQLite file until the stack is left. A lock of a process that was killed is free at once.

    Raises:
        ConfigurationError: Another process holds it.
    """
    file = make_url(database.url).database
    lock = FileLock(f"{file}-lock", thread_local=False)
    try:
        await asyncio.to_thread(lock.acquire, timeout=_PATIENCE)
    except Timeout:
        problem = f"another process serves {file}; for several processes use PostgreSQL and Redis"
        raise ConfigurationError(problem) from None
    stack.callback(lock.release)
