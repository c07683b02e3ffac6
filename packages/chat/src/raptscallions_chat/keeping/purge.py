"""Conversations that are gone: first for their user, then from the tables, the index, the files and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, exists, select, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.store.conversations import find_conversation
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import (
    answer_pieces,
    attachments,
    conversations,
    idempotency,
    messages,
    runs,
    summaries,
    tool_approvals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.files.attachments import Attachments
    from raptscallions_chat.store.database import Database

__all__ = ["Purge", "RunStopper"]

_BATCH = 100


class RunStopper(Protocol):
    """Who stops runs, and forgets what live readers were told."""

    async def stop(self, principal: Principal, run_id: str) -> object:
        """Stop a run, wherever it is."""
        ...

    def forget(self, run_ids: Sequence[str]) -> None:
        """Forget the events of runs."""
        ...


class Purge:
    """Deletes conversations.

    What a conversation cost stays in the tenant's books: of its runs there remain rows without any word of it.

    Args:
        database: Where they are.
        runs: Stops what is being written, and forgets its events.
        attachments: Deletes the files that were attached.
    """

    def __init__(self, database: Database, runs: RunStopper, attachments: Attachments) -> None:
        self._database = database
        self._runs = runs
        self._attachments = attachments

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """Delete a conversation of a user; an answer that is being written is stopped first.

        Raises:
            ChatError: `not_found`; `conflict`: it is under a legal hold.
        """
        async with self._database.write() as connection:
            await find_conversation(connection, principal, conversation_id, lock=True)
            held = select(conversations.c.legal_hold).where(conversations.c.id == conversation_id)
            if (await connection.execute(held)).scalar_one():
                raise ChatError("conflict", "The conversation is under a legal hold, and cannot be deleted.")
            gone = update(conversations).values(deleted_at=utc_now()).where(conversations.c.id == conversation_id)
            await connection.execute(gone)
        await self.stop_all(conversations.c.id == conversation_id)
        await self.sweep(conversations.c.id == conversation_id)

    async def mark(self, condition: ColumnElement[bool]) -> int:
        """Mark conversations as deleted, but for those under a legal hold; return how many."""
        gone = update(conversations).values(deleted_at=utc_now())
        gone = gone.where(condition, conversations.c.deleted_at.is_(None), ~conversations.c.legal_hold)
        async with self._database.write() as connection:
            return (await connection.execute(gone)).rowcount

    async def stop_all(self, condition: ColumnElement[bool]) -> None:
        """Stop what is being written in conversations that are deleted."""
        query = (
            select(runs.c.id, runs.c.tenant_id, runs.c.user_id)
            .join(conversations, conversations.c.id == runs.c.conversation_id)
            .where(condition, conversations.c.deleted_at.is_not(None), runs.c.status.in_(["queued", "running"]))
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).all()
        for row in found:
            await self._runs.stop(Principal(row.tenant_id, row.user_id), row.id)

    async def sweep(self, condition: ColumnElement[bool] | None = None) -> int:
        """Take what is marked as deleted out of all tables; return how many conversations.

        One whose answer is still being written is left for the next time.
        """
        alive = exists().where(runs.c.conversation_id == conversations.c.id, runs.c.status.in_(["queued", "running"]))
        waiting = select(conversations.c.id).where(
            conversations.c.deleted_at.is_not(None), conversations.c.state != "purged", ~alive
        )
        if condition is not None:
            waiting = waiting.where(condition)
        count = 0
        while True:
            async with self._database.write() as connection:
                ids = (await connection.execute(waiting.order_by(conversations.c.id).limit(_BATCH))).scalars().all()
                if not ids:
                    return count
                run_ids, files = await _empty(connection, ids)
            await self._attachments.erase(files)
            self._runs.forget(run_ids)
            count += len(ids)


async def _empty(connection: AsyncConnection, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Delete everything that conversations say; return their runs and attachments."""
    of_them = runs.c.conversation_id.in_(ids)
    run_ids = list((await connection.execute(select(runs.c.id).where(of_them))).scalars())
    files = list(
        (await connection.execute(select(attachments.c.id).where(attachments.c.conversation_id.in_(ids)))).scalars()
    )
    for table in (answer_pieces, tool_approvals, idempotency):
        await connection.execute(delete(table).where(table.c.run_id.in_(run_ids)))
    for table in (messages, summaries):
        await connection.execute(delete(table).where(table.c.conversation_id.in_(ids)))
    await connection.execute(update(runs).where(of_them).values(options={}, error=None))
    emptied: dict[str, Any] = {"title": None, "title_source": None, "metadata": {}, "head_id": None, "state": "purged"}
    await connection.execute(update(conversations).where(conversations.c.id.in_(ids)).values(emptied))
    return run_ids, files
