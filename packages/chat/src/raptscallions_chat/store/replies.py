"""Requests that must not be carried out twice: what was answered is kept in the transaction that carried them out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from raptscallions_chat.domain.commands import Idempotent, Outcome, Reply
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import idempotency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.store.database import Database

__all__ = ["once"]

T = TypeVar("T")

_KEPT_FOR = timedelta(hours=25)


async def once(
    database: Database, request: Idempotent[T] | None, work: Callable[[AsyncConnection], Awaitable[T]]
) -> Outcome[T]:
    """Do some work in a transaction, unless the same request was carried out before; then return that reply.

    A second request that comes while the first is at work waits for it.

    Raises:
        ChatError: `idempotency_mismatch`: the key was used for another body; and whatever the work raises.
    """

    async def whole(connection: AsyncConnection) -> Outcome[T]:
        if request is None:
            return Outcome(await work(connection))
        if not await _reserve(connection, request):
            return Outcome(None, await _kept(connection, request))
        result = await work(connection)
        reply = request.reply(result)
        values = {"status_code": reply.status, "body": reply.body, "run_id": reply.run_id}
        await connection.execute(update(idempotency).where(*_is(request)).values(values))
        return Outcome(result)

    return await database.writing(whole)


async def _reserve(connection: AsyncConnection, request: Idempotent[Any]) -> bool:
    """Return whether this request is the first with its key; the database makes others wait here."""
    now = utc_now()
    await connection.execute(delete(idempotency).where(*_is(request), idempotency.c.expires_at < now))
    row = {
        "tenant_id": request.principal.tenant_id,
        "user_id": request.principal.user_id,
        "path": request.path,
        "key": request.key,
        "request_sha256": request.sha256,
        "expires_at": now + _KEPT_FOR,
    }
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    done = await connection.execute(insert(idempotency).values(row).on_conflict_do_nothing())
    return done.rowcount > 0


async def _kept(connection: AsyncConnection, request: Idempotent[Any]) -> Reply:
    columns = idempotency.c
    found = await connection.execute(
        select(columns.request_sha256, columns.status_code, columns.body, columns.run_id).where(*_is(request))
    )
    row = found.one()
    if row.request_sha256 != request.sha256:
        raise ChatError("idempotency_mismatch", "This Idempotency-Key was used for another request; use a new one.")
    return Reply(row.status_code, row.body, row.run_id)


def _is(request: Idempotent[Any]) -> list[Any]:
    return [
        idempotency.c.tenant_id == request.principal.tenant_id,
        idempotency.c.user_id == request.principal.user_id,
        idempotency.c.path == request.path,
        idempotency.c.key == request.key,
    ]
