"""How long conversations are kept: the days of the nearest tenant, or of the service."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import conversations, idempotency, tenants

if TYPE_CHECKING:
    from raptscallions_chat.keeping.purge import Purge
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.directory import TenantDirectory

__all__ = ["Retention"]

_log = logging.getLogger("raptscallions_chat")
_PAUSE_S = 60.0


class Retention:
    """Deletes what is older than it may be, and what was deleted while it was being written.

    Several processes may do so at a time; each does what it finds.

    Args:
        database: Where conversations are.
        directory: The tree of tenants.
        purge: Deletes them.
        days: Days for tenants without their own; 0 for ever.
    """

    def __init__(self, database: Database, directory: TenantDirectory, purge: Purge, days: int) -> None:
        self._database = database
        self._directory = directory
        self._purge = purge
        self._days = days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look every minute."""
        self._task = asyncio.create_task(self._run(), name="raptscallions_chat retention")

    async def aclose(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def sweep(self) -> int:
        """Delete what is due now; return how many conversations are gone from the tables."""
        async with self._database.read() as connection:
            ids = (await connection.execute(select(tenants.c.id))).scalars().all()
        now = utc_now()
        for tenant_id in ids:
            if days := await self._days_of(tenant_id):
                mine = conversations.c.tenant_id == tenant_id
                await self._purge.mark(mine & (conversations.c.last_activity_at < now - timedelta(days=days)))
        await self._purge.mark(conversations.c.expires_at < now)
        async with self._database.write() as connection:
            await connection.execute(delete(idempotency).where(idempotency.c.expires_at < now))
        await self._purge.stop_all(conversations.c.deleted_at.is_not(None))
        return await self._purge.sweep()

    async def _days_of(self, tenant_id: str) -> int:
        tenant = await self._directory.get(tenant_id)
        for id_ in tenant.line:
            days = (await self._directory.get(id_)).retention_days
            if days is not None:
                return days
        return self._days

    async def _run(self) -> None:
        while True:
            try:
                if count := await self.sweep():
                    _log.info("%d conversations are deleted", count)
            except ChatError as error:
                _log.warning("what is to be deleted could not be: %s", error.code)
            except Exception:
                _log.exception("what is to be deleted could not be")
            await asyncio.sleep(_PAUSE_S)
