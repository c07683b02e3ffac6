"""The erasure of a user: nothing with their name is left in any table, index, file or log."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, text, update

from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import (
    api_tokens,
    attachments,
    audit,
    budgets,
    conversations,
    idempotency,
    members,
    runs,
    usage,
)

if TYPE_CHECKING:
    from raptscallions_chat.files.attachments import Attachments
    from raptscallions_chat.keeping.purge import Purge
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.tenants.audit import AuditLog

__all__ = ["Erasure", "Receipt"]

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased.

    Attributes:
        id: The receipt's id; the audit has an entry with it.
        erased_as: The name that stands for the user in the books from now on; nobody can tell who it was.
        at: When.
        deleted: How many rows of each kind are gone.
        held: How many conversations are kept because of a legal hold.
        pending: Whether an answer was still being written; run it again a little later.
    """

    id: str
    erased_as: str
    at: datetime
    deleted: dict[str, int]
    held: int
    pending: bool

    def payload(self) -> dict[str, Any]:
        """Return the receipt as the API tells it."""
        names = ("id", "erased_as", "at", "deleted", "held", "pending")
        return {name: getattr(self, name) for name in names}


class Erasure:
    """Erases users of a tenant.

    Conversations, messages, attachments, tokens, memberships and budgets are deleted. What they cost stays in the
    tenant's books, under a name that is made up for it.

    Args:
        database: Where everything is.
        purge: Deletes conversations.
        attachments: Deletes files.
        audit: Keeps the receipt.
    """

    def __init__(self, database: Database, purge: Purge, attachments: Attachments, audit: AuditLog) -> None:
        self._database = database
        self._purge = purge
        self._attachments = attachments
        self._audit = audit

    async def erase(self, tenant_id: str, user_id: str, actor: str) -> Receipt:
        """Erase a user of a tenant; return the receipt. Again for a user who is gone is no error."""
        mine = (conversations.c.tenant_id == tenant_id) & (conversations.c.user_id == user_id)
        deleted: dict[str, int] = {}
        async with self._database.write() as connection:
            for name, table in (("tokens", api_tokens), ("memberships", members), ("budgets", budgets)):
                where = (table.c.tenant_id == tenant_id, table.c.user_id == user_id)
                deleted[name] = (await connection.execute(delete(table).where(*where))).rowcount
        deleted["attachments"] = await self._count_attachments(tenant_id, user_id)
        deleted["conversations"] = await self._purge.mark(mine)
        await self._wait_for_ends(mine)
        await self._purge.sweep(mine)
        where = (attachments.c.tenant_id == tenant_id, attachments.c.user_id == user_id)
        async with self._database.read() as connection:
            files = (await connection.execute(select(attachments.c.id).where(*where))).scalars().all()
            open_ones = select(func.count()).where(mine, conversations.c.state != "purged")
            left = (await connection.execute(open_ones.where(conversations.c.deleted_at.is_not(None)))).scalar_one()
            held = (await connection.execute(open_ones.where(conversations.c.deleted_at.is_(None)))).scalar_one()
        if held:
            deleted["attachments"] = 0
        else:
            await self._attachments.erase(files)
        erased_as = f"erased-{secrets.token_hex(8)}"
        if not left and not held:
            await self._rename(tenant_id, user_id, erased_as)
        await self._scrub()
        told = {"deleted": deleted, "held": held, "pending": left > 0}
        receipt = Receipt(new_id(), erased_as, utc_now(), deleted, held, left > 0)
        by = erased_as if actor == user_id else actor
        await self._audit.record(tenant_id, by, "user.erase", erased_as, receipt=receipt.id, **told)
        return receipt

    async def _scrub(self) -> None:
        """Take deleted words out of what SQLite keeps of its index and its log; PostgreSQL's vacuum does so itself."""
        if not self._database.is_sqlite:
            return
        async with self._database.write() as connection:
            await connection.execute(text("INSERT INTO message_search (message_search) VALUES ('optimize')"))
        async with self._database.read() as connection:
            await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def _count_attachments(self, tenant_id: str, user_id: str) -> int:
        where = (attachments.c.tenant_id == tenant_id, attachments.c.user_id == user_id)
        query = select(func.count()).where(*where, attachments.c.status != "deleted")
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def _wait_for_ends(self, mine: Any) -> None:
        """Stop the user's answers, and wait for a while until they have ended."""
        await self._purge.stop_all(mine)
        alive = select(func.count()).select_from(runs.join(conversations, conversations.c.id == runs.c.conversation_id))
        alive = alive.where(mine, runs.c.status.in_(["queued", "running"]), conversations.c.deleted_at.is_not(None))
        until = asyncio.get_running_loop().time() + _PATIENCE_S
        while asyncio.get_running_loop().time() < until:
            async with self._database.read() as connection:
                if not (await connection.execute(alive)).scalar_one():
                    return
            await asyncio.sleep(0.05)

    async def _rename(self, tenant_id: str, user_id: str, erased_as: str) -> None:
        async with self._database.write() as connection:
            where = (idempotency.c.tenant_id == tenant_id, idempotency.c.user_id == user_id)
            await connection.execute(delete(idempotency).where(*where))
            gone = (attachments.c.tenant_id == tenant_id, attachments.c.user_id == user_id)
            await connection.execute(delete(attachments).where(*gone))
            for table in (conversations, runs, usage):
                where = (table.c.tenant_id == tenant_id, table.c.user_id == user_id)
                await connection.execute(update(table).where(*where).values(user_id=erased_as))
            for column in (audit.c.actor, audit.c.target):
                where = (audit.c.tenant_id == tenant_id, column == user_id)
                await connection.execute(update(audit).where(*where).values({column.name: erased_as}))
