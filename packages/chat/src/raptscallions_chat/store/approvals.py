"""Calls of tools that wait for their user: asked for, decided, and then run by the run that goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import runs, tool_approvals

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.store.database import Database

__all__ = ["Approval", "ApprovalStore", "is_decided"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that its user is asked about.

    Attributes:
        call_id: The call's id.
        name: The tool.
        arguments: The JSON text that the model sent.
        decision: `approved`, `denied`, or None while nobody has decided.
        reason: Why it was denied.
        created_at: When it was asked for.
        decided_at: When it was decided.
    """

    call_id: str
    name: str
    arguments: str
    decision: str | None
    reason: str | None
    created_at: datetime
    decided_at: datetime | None


class ApprovalStore:
    """What is stored of such calls.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def request(self, run: Run, call_id: str, name: str, arguments: str) -> None:
        """Store that a call waits."""
        row = {
            "run_id": run.id,
            "call_id": call_id,
            "tenant_id": run.tenant_id,
            "name": name,
            "arguments": arguments,
            "created_at": utc_now(),
        }
        dialect = sqlite if self._database.is_sqlite else postgresql
        async with self._database.write() as connection:
            await connection.execute(dialect.insert(tool_approvals).values(row).on_conflict_do_nothing())

    async def of_run(self, run_id: str) -> list[Approval]:
        """Return the calls of a run that a user was asked about."""
        query = select(tool_approvals).where(tool_approvals.c.run_id == run_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(tool_approvals.c.created_at))).mappings().all()
        return [_approval(row) for row in rows]

    async def decide(
        self, principal: Principal, run_id: str, call_id: str, *, approve: bool, reason: str | None
    ) -> list[Approval]:
        """Store a decision, and return all calls of the run; the same decision again is no error.

        Raises:
            ChatError: `not_found`: there is no such call, or it is another user's; `run_active`: the run is not over;
                `conflict`: it was decided otherwise.
        """
        decision = "approved" if approve else "denied"
        chosen = (tool_approvals.c.run_id == run_id, tool_approvals.c.call_id == call_id)
        mine = select(tool_approvals.c.decision, runs.c.status).join(runs, runs.c.id == tool_approvals.c.run_id)
        mine = mine.where(*chosen, runs.c.tenant_id == principal.tenant_id, runs.c.user_id == principal.user_id)
        async with self._database.write() as connection:
            row = (await connection.execute(mine)).one_or_none()
            if row is None:
                raise ChatError("not_found", "There is no such call to decide about.")
            if row.status in ("queued", "running"):
                raise ChatError("run_active", "The run is not over yet.", details={"run_id": run_id})
            if row.decision is None:
                values = {"decision": decision, "reason": reason, "decided_at": utc_now()}
                await connection.execute(update(tool_approvals).where(*chosen).values(values))
            elif row.decision != decision:
                raise ChatError("conflict", f"This call was {row.decision} already.")
        return await self.of_run(run_id)


async def is_decided(connection: AsyncConnection, run_id: str) -> bool:
    """Return whether a run waited for its user, who has decided about all of its calls."""
    counts = select(func.count(), func.count(tool_approvals.c.decision)).where(tool_approvals.c.run_id == run_id)
    asked, decided = (await connection.execute(counts)).one()
    return asked > 0 and asked == decided


def _approval(row: RowMapping) -> Approval:
    return Approval(**{name: row[name] for name in Approval.__slots__})
