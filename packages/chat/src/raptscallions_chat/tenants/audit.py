"""What was done to tenants, credentials, members and users' data, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import audit

if TYPE_CHECKING:
    from raptscallions_chat.store.database import Database

__all__ = ["AuditEntry", "AuditLog"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done.

    Attributes:
        id: Its id; later ones are greater.
        tenant_id: Where.
        actor: Who: a user's name, or `cli`.
        action: What, such as `credential.add`.
        target: To what: an id or a name.
        details: Further facts; never a secret, never what users wrote.
        created_at: When.
    """

    id: str
    tenant_id: str
    actor: str
    action: str
    target: str | None
    details: dict[str, Any]
    created_at: datetime


class AuditLog:
    """The audit in the database; it is only ever appended to.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, tenant_id: str, actor: str, action: str, target: str | None = None, **details: object
    ) -> None:
        """Write an entry."""
        values: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": tenant_id,
            "actor": actor,
            "action": action,
            "target": target,
            "details": details,
            "created_at": utc_now(),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(audit).values(values))

    async def page(
        self, tenant_id: str, *, before: str | None = None, limit: int = 50
    ) -> tuple[list[AuditEntry], str | None]:
        """Return the latest entries of a tenant, ascending, and the cursor of the page before."""
        query = select(audit).where(audit.c.tenant_id == tenant_id)
        if before is not None:
            query = query.where(audit.c.id < before)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(audit.c.id.desc()).limit(limit + 1))).mappings().all()
        entries = [AuditEntry(**row) for row in reversed(rows[:limit])]
        return entries, entries[0].id if len(rows) > limit else None
