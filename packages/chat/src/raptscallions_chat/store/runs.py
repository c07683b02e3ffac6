"""Runs while they are worked on: claimed, written down piece by piece, ended; each change by its attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, exists, func, insert, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.statuses import message_status
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.ends import end_alone
from raptscallions_chat.store.replies import once
from raptscallions_chat.store.rows import run_of, total_of
from raptscallions_chat.store.schema import answer_pieces, messages, runs, usage, workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.commands import Generation, Idempotent, Outcome, Piece, RunEnd
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.domain.statuses import StopReason
    from raptscallions_chat.store.database import Database

__all__ = ["RunStore"]

# A worker that was declared dead, or a run that is over, refuses the piece; the lock makes whoever declares it wait.
_APPEND_POSTGRESQL = text("""
    WITH fence AS (SELECT id FROM workers WHERE id = CAST(:worker AS uuid) AND state = 'alive' FOR SHARE)
    INSERT INTO answer_pieces (run_id, seq_to, events)
    SELECT piece.run_id, piece.seq_to, piece.events
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS int[]), CAST(:seqs AS bigint[]), CAST(:events AS text[]))
        AS piece (run_id, attempt, seq_to, events)
    JOIN fence ON true
    JOIN runs ON runs.id = piece.run_id AND runs.attempt = piece.attempt AND runs.status = 'running'
        AND runs.owner = fence.id
    ON CONFLICT DO NOTHING
    RETURNING CAST(run_id AS text)
""")
_APPEND_SQLITE = text("""
    INSERT INTO answer_pieces (run_id, seq_to, events)
    SELECT piece.value ->> 0, piece.value ->> 2, piece.value ->> 3
    FROM json_each(:pieces) AS piece
    JOIN runs ON runs.id = piece.value ->> 0 AND runs.attempt = piece.value ->> 1 AND runs.status = 'running'
    JOIN workers ON workers.id = :worker AND workers.state = 'alive' AND workers.id = runs.owner
    WHERE true
    ON CONFLICT DO NOTHING
    RETURNING run_id
""")

# Statements of every run are built once, because that takes longer than to execute them.
_KNOWN = (
    "credential_id",
    "generation_id",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cost",
    "cost_source",
    "final",
)


def _put_generations_on(dialect: Any) -> Any:
    put = dialect.insert(usage)
    return put.on_conflict_do_update(
        index_elements=["run_id", "attempt"], set_={name: put.excluded[name] for name in _KNOWN}
    )


_PUT_GENERATIONS = {"sqlite": _put_generations_on(sqlite), "postgresql": _put_generations_on(postgresql)}
_END_RUN = update(runs).where(
    runs.c.id == bindparam("run"), runs.c.attempt == bindparam("of_attempt"), runs.c.status == "running"
)
_END_ANSWER = update(messages).where(messages.c.id == bindparam("answer"))


class RunStore:
    """What is stored of runs while somebody works on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_run(self, run_id: str, principal: Principal | None = None) -> Run:
        """Return a run with what it has used.

        Args:
            run_id: The run.
            principal: Whose it must be; None for the runtime itself.

        Raises:
            ChatError: `not_found`.
        """
        query = select(runs).where(runs.c.id == run_id)
        if principal is not None:
            query = query.where(runs.c.tenant_id == principal.tenant_id, runs.c.user_id == principal.user_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                raise ChatError("not_found", "There is no such run.")
            used = (await connection.execute(select(usage).where(usage.c.run_id == run_id))).mappings().all()
        return run_of(row, total_of(used))

    async def live_run(self, conversation_id: str) -> Run | None:
        """Return the run of a conversation that is running, or else the one that runs next."""
        columns = runs.c
        query = (
            select(runs)
            .where(columns.conversation_id == conversation_id, columns.status.in_(["queued", "running"]))
            .order_by(columns.status.desc(), columns.queued_at, columns.id)
            .limit(1)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else run_of(row)

    async def claim_runs(self, worker_id: str, limit: int) -> list[Run]:
        """Claim runs that wait, the oldest first and at most one of a conversation, and return them."""
        other = runs.alias("other")
        # The oldest of its conversation, and none of it runs.
        in_the_way = exists().where(
            other.c.conversation_id == runs.c.conversation_id,
            (other.c.status == "running")
            | (
                (other.c.status == "queued")
                & (
                    (other.c.queued_at < runs.c.queued_at)
                    | ((other.c.queued_at == runs.c.queued_at) & (other.c.id < runs.c.id))
                )
            ),
        )
        waiting = (
            select(runs.c.id)
            .where(runs.c.status == "queued", ~in_the_way)
            .order_by(runs.c.queued_at, runs.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        try:
            async with self._database.write() as connection:
                ids = (await connection.execute(waiting)).scalars().all()
                if not ids:
                    return []
                claimed = (
                    update(runs)
                    .where(runs.c.id.in_(ids), runs.c.status == "queued")
                    .values(
                        status="running",
                        attempt=runs.c.attempt + 1,
                        owner=worker_id,
                        started_at=utc_now(),
                        # What was asked of an earlier attempt is over with it.
                        stop_requested_at=None,
                    )
                    .returning(runs)
                )
                return [run_of(row) for row in (await connection.execute(claimed)).mappings()]
        except IntegrityError:
            return []  # another worker began one of the same conversation at the same moment

    async def release_run(self, run: Run) -> None:
        """Give a run that was not begun back to those that wait."""
        guard = (runs.c.id == run.id, runs.c.attempt == run.attempt, runs.c.status == "running")
        async with self._database.write() as connection:
            await connection.execute(update(runs).where(*guard).values(status="queued", owner=None, started_at=None))

    async def append_pieces(
        self, worker_id: str, pieces: Sequence[Piece], begun: Sequence[tuple[Run, Generation]] = ()
    ) -> set[str]:
        """Store events of many runs in one statement, and return the runs that no longer belong to the worker.

        Args:
            worker_id: The worker that they are from.
            pieces: The events. Those that are stored already, because the answer to an earlier call was lost, are
                no error.
            begun: Generations that begin with these events; stored with them, so that their cost can be asked for
                whatever happens.
        """

        async def work(connection: AsyncConnection) -> set[str]:
            stored = await _append(connection, self._database.is_sqlite, worker_id, pieces)
            if len(stored) < len(pieces):
                stored |= await _stored_before(connection, worker_id, pieces)
            for run, generation in begun:
                if run.id in stored:
                    await _put_generations(connection, run, [generation])
            return stored

        try:
            stored = await self._database.writing(work)
        except IntegrityError:
            if len(pieces) == 1:
                return {pieces[0][0]}
            # A run was deleted at this moment; the others must not suffer.
            refused: set[str] = set()
            for piece in pieces:
                own = [(run, generation) for run, generation in begun if run.id == piece[0]]
                refused |= await self.append_pieces(worker_id, [piece], own)
            return refused
        return {run_id for run_id, *_ in pieces} - stored

    async def pieces_after(self, run_id: str, after: int) -> list[tuple[int, str]]:
        """Return the stored pieces that go beyond an event: the number of the last event of each, and its lines."""
        columns = answer_pieces.c
        query = (
            select(columns.seq_to, columns.events)
            .where(columns.run_id == run_id, columns.seq_to > after)
            .order_by(columns.seq_to)
        )
        async with self._database.read() as connection:
            return [(row.seq_to, row.events) for row in await connection.execute(query)]

    async def finish_run(self, run: Run, end: RunEnd) -> bool:
        """Store the end of a run with everything that belongs to it; False if another has ended it."""
        now = utc_now()
        values: dict[str, Any] = {
            "run": run.id,
            "of_attempt": run.attempt,
            "status": end.status,
            "last_seq": end.last_seq,
            "error": end.error,
            "finish_reason": end.finish_reason,
            "first_token_at": end.first_token_at,
            "ended_at": now,
            "settle_after": end.settle_after,
            "settled_at": None if end.settle_after is not None else now,
        }
        if end.stop_reason is not None:
            values["stop_reason"] = end.stop_reason
        answer = {
            "answer": run.answer_message_id,
            "status": message_status(end.status, end.finish_reason),
            "text": end.text,
            "parts": end.parts,
            "model": end.model,
            "finish_reason": end.finish_reason,
            "completed_at": now,
        }

        async def work(connection: AsyncConnection) -> bool:
            changed = await connection.execute(_END_RUN, values)
            if changed.rowcount == 0:
                return False
            await connection.execute(_END_ANSWER, answer)
            seq_to, events = end.piece
            await connection.execute(insert(answer_pieces), {"run_id": run.id, "seq_to": seq_to, "events": events})
            await _put_generations(connection, run, end.generations)
            return True

        return await self._database.writing(work)

    async def request_stop(
        self, principal: Principal, run_id: str, reason: StopReason, request: Idempotent[Run] | None = None
    ) -> Outcome[Run]:
        """Ask for a run to be stopped, and return it; one that waits is stopped at once.

        Raises:
            ChatError: `not_found`.
        """
        mine = (runs.c.tenant_id == principal.tenant_id, runs.c.user_id == principal.user_id)

        async def work(connection: AsyncConnection) -> Run:
            query = select(runs).where(runs.c.id == run_id, *mine).with_for_update()
            row = (await connection.execute(query)).mappings().one_or_none()
            if row is None:
                raise ChatError("not_found", "There is no such run.")
            run = run_of(row)
            if run.status == "queued":
                return await end_alone(connection, run, "stopped", stop_reason=reason) or run
            if run.status == "running" and run.stop_requested_at is None:
                values = {"stop_requested_at": utc_now(), "stop_reason": reason}
                changed = update(runs).where(runs.c.id == run_id).values(values).returning(runs)
                run = run_of((await connection.execute(changed)).mappings().one())
            used = (await connection.execute(select(usage).where(usage.c.run_id == run_id))).mappings().all()
            return replace(run, usage=total_of(used))

        return await once(self._database, request, work)

    async def running_runs(self, worker_id: str) -> list[Run]:
        """Return the runs that a worker works on."""
        where = (runs.c.owner == worker_id, runs.c.status == "running")
        async with self._database.read() as connection:
            return [run_of(row) for row in (await connection.execute(select(runs).where(*where))).mappings()]

    async def count_queued(self) -> int:
        """Return how many runs wait."""
        async with self._database.read() as connection:
            counted = await connection.execute(select(func.count()).where(runs.c.status == "queued"))
            return counted.scalar_one()


async def _append(connection: AsyncConnection, is_sqlite: bool, worker_id: str, pieces: Sequence[Piece]) -> set[str]:
    if is_sqlite:
        rows = [(run_id.replace("-", ""), attempt, seq, events) for run_id, attempt, seq, events in pieces]
        values = {"pieces": msgspec.json.encode(rows).decode(), "worker": worker_id.replace("-", "")}
        stored = (await connection.execute(_APPEND_SQLITE, values)).scalars().all()
        return {run_id for run_id, *_ in pieces if run_id.replace("-", "") in stored}
    ids, attempts, seqs, events = (list(column) for column in zip(*pieces, strict=True))
    values = {"worker": worker_id, "ids": ids, "attempts": attempts, "seqs": seqs, "events": events}
    return set((await connection.execute(_APPEND_POSTGRESQL, values)).scalars())


async def _stored_before(connection: AsyncConnection, worker_id: str, pieces: Sequence[Piece]) -> set[str]:
    """Return the runs of the worker whose pieces were stored by an earlier call."""
    keys = [(run_id, seq) for run_id, _, seq, _ in pieces]
    columns = answer_pieces.c
    query = (
        select(columns.run_id)
        .join(runs, runs.c.id == columns.run_id)
        .join(workers, workers.c.id == runs.c.owner)
        .where(
            tuple_(columns.run_id, columns.seq_to).in_(keys),
            runs.c.owner == worker_id,
            runs.c.status == "running",
            workers.c.state == "alive",
        )
    )
    return set((await connection.execute(query)).scalars())


async def _put_generations(connection: AsyncConnection, run: Run, generations: Sequence[Generation]) -> None:
    """Store what is known of generations, over what was known before."""
    if not generations:
        return
    now = utc_now()
    rows = [
        {
            "run_id": run.id,
            "attempt": generation.number,
            "tenant_id": run.tenant_id,
            "user_id": run.user_id,
            "message_id": run.answer_message_id,
            "created_at": now,
            **{name: getattr(generation, name) for name in _KNOWN},
        }
        for generation in generations
    ]
    await connection.execute(_PUT_GENERATIONS[connection.dialect.name], rows)
