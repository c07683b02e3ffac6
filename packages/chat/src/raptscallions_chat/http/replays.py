"""Requests that are carried out once for each `Idempotency-Key`, where the work is no single transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from starlette.responses import Response

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.http.payloads import encode
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import idempotency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from raptscallions_chat.http.dependencies import Asked
    from raptscallions_chat.store.database import Database

__all__ = ["carried_out_once"]

_KEPT_FOR = timedelta(hours=25)
_AT_WORK_FOR = timedelta(minutes=2)


async def carried_out_once(
    database: Database,
    asked: Asked,
    status: int,
    work: Callable[[], Awaitable[Mapping[str, Any]]],
    *,
    private: str | None = None,
) -> Response:
    """Carry a request out and reply with what came of it, or reply as before if it was carried out already.

    A process that dies between the work and the note of it lets the request be carried out again.

    Args:
        database: Where the reply is kept.
        asked: The request.
        status: The reply's status.
        work: What is to be done; returns the reply's body.
        private: A field of the body that is not kept, so that a repeated request gets null for it.

    Raises:
        ChatError: `idempotency_mismatch`, `idempotency_in_progress`, or what the work raises; that is not kept.
    """
    named = asked.once(_no_reply)
    if named is None:
        return _json(encode(await work()), status)
    row: dict[str, Any] = {
        "tenant_id": named.principal.tenant_id,
        "user_id": named.principal.user_id,
        "path": named.path,
        "key": named.key,
    }
    mine = [idempotency.c[name] == value for name, value in row.items()]
    now = utc_now()
    async with database.write() as connection:
        await connection.execute(delete(idempotency).where(*mine, idempotency.c.expires_at < now))
        dialect = sqlite if database.is_sqlite else postgresql
        fresh = {**row, "request_sha256": named.sha256, "expires_at": now + _AT_WORK_FOR}
        done = await connection.execute(dialect.insert(idempotency).values(fresh).on_conflict_do_nothing())
        kept = None
        if not done.rowcount:
            kept = (await connection.execute(select(idempotency).where(*mine))).mappings().one()
    if kept is not None:
        return _replayed(kept, named.sha256)
    try:
        body = await work()
    except BaseException:
        async with database.write() as connection:
            await connection.execute(delete(idempotency).where(*mine, idempotency.c.status_code.is_(None)))
        raise
    stored = encode({**body, private: None} if private is not None else body)
    values = {"status_code": status, "body": stored, "expires_at": utc_now() + _KEPT_FOR}
    async with database.write() as connection:
        await connection.execute(update(idempotency).where(*mine).values(values))
    return _json(encode(body), status)


def _replayed(kept: Any, sha256: str) -> Response:
    if kept["request_sha256"] != sha256:
        raise ChatError("idempotency_mismatch", "This Idempotency-Key was used for another request; use a new one.")
    if kept["status_code"] is None:
        message = "A request with this Idempotency-Key is being carried out."
        raise ChatError("idempotency_in_progress", message, retry_after=1.0)
    return _json(kept["body"], kept["status_code"], {"Idempotency-Replayed": "true"})


def _json(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")


def _no_reply(_: object) -> Any:
    raise AssertionError("this request's reply is kept here")
