"""Ends of runs that nobody works on: those that wait, and those whose worker died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.events import event_of, line_of
from raptscallions_chat.domain.run_ends import end_events
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.rows import run_of, total_of
from raptscallions_chat.store.schema import answer_pieces, messages, runs, usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.domain.statuses import RunStatus, StopReason

__all__ = ["OPENING", "end_alone", "stop_queued"]

OPENING = 2
"""How many events a run begins with that are not stored, because they follow from its row."""


async def stop_queued(connection: AsyncConnection, queued: Sequence[Run], reason: StopReason) -> list[str]:
    """Stop runs that wait, and return which."""
    for run in queued:
        await end_alone(connection, run, "stopped", stop_reason=reason)
    return [run.id for run in queued]


async def end_alone(
    connection: AsyncConnection,
    run: Run,
    status: RunStatus,
    *,
    stop_reason: StopReason | None = None,
    error: dict[str, Any] | None = None,
    settle_after: datetime | None = None,
) -> Run | None:
    """End a run that nobody works on, with what is stored of its answer; None if it was changed meanwhile."""
    now = utc_now()
    changes = {"status": status, "ended_at": now, "error": error}
    if stop_reason is not None:
        changes["stop_reason"] = stop_reason
    guard = (runs.c.id == run.id, runs.c.attempt == run.attempt, runs.c.status == run.status)
    changed = await connection.execute(update(runs).where(*guard).values(changes).returning(runs))
    row = changed.mappings().one_or_none()
    if row is None:
        return None
    used = list((await connection.execute(select(usage).where(usage.c.run_id == run.id))).mappings())
    columns = answer_pieces.c
    stored = await connection.execute(
        select(columns.seq_to, columns.events).where(columns.run_id == run.id).order_by(columns.seq_to)
    )
    answer, last = Answer(), OPENING
    for last, lines in stored:  # noqa: B007 - the last one's number is used below
        answer.add_all(map(event_of, lines.split("\n")))
    ended = run_of(row, total_of(used))
    events = end_events(ended)
    seq = last + len(events)
    piece = {"run_id": run.id, "seq_to": seq, "events": "\n".join(map(line_of, events))}
    await connection.execute(insert(answer_pieces).values(piece))
    unsettled = any(not use["final"] for use in used)
    final = {"last_seq": seq, "settle_after": settle_after or now if unsettled else None}
    row = (
        (await connection.execute(update(runs).where(runs.c.id == run.id).values(final).returning(runs)))
        .mappings()
        .one()
    )
    message: dict[str, Any] = {"status": status, "completed_at": now}
    if not answer.is_empty:
        message |= {"text": answer.text, "parts": answer.parts}
    await connection.execute(update(messages).where(messages.c.id == run.answer_message_id).values(message))
    return run_of(row, total_of(used))
