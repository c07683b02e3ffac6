"""Workers and their leases: who is alive, and what the dead leave behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.ends import end_alone
from raptscallions_chat.store.rows import run_of
from raptscallions_chat.store.schema import answer_pieces, runs, workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.store.database import Database

__all__ = ["WorkerStore"]


class WorkerStore:
    """Leases of workers. Times are the database's own, so that no worker's clock matters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register_worker(self, worker_id: str, host: str, lease: float) -> None:
        """Store a new worker that is alive for so many seconds."""
        values = {"id": worker_id, "host": host, "state": "alive", "started_at": self._in(0.0)}
        async with self._database.write() as connection:
            await connection.execute(insert(workers).values({**values, "lease_until": self._in(lease)}))

    async def renew_lease(self, worker_id: str, lease: float) -> bool:
        """Prolong a worker's life; False if it was declared dead."""
        where = (workers.c.id == worker_id, workers.c.state == "alive")
        async with self._database.write() as connection:
            done = await connection.execute(update(workers).where(*where).values(lease_until=self._in(lease)))
            return done.rowcount > 0

    async def leave(self, worker_id: str) -> None:
        """Store that a worker has ended."""
        async with self._database.write() as connection:
            await connection.execute(update(workers).where(workers.c.id == worker_id).values(state="dead"))

    async def bury(self, *, all_but: str | None = None) -> None:
        """Declare workers dead whose lease has run out; or all but one, where there can be only one."""
        where: list[Any] = [workers.c.state == "alive"]
        where.append(workers.c.id != all_but if all_but is not None else workers.c.lease_until < self._in(0.0))
        async with self._database.write() as connection:
            await connection.execute(update(workers).where(*where).values(state="dead"))

    async def find_orphans(self, limit: int = 100) -> list[Run]:
        """Return runs whose worker is dead."""
        orphaned = (
            select(runs)
            .join(workers, workers.c.id == runs.c.owner)
            .where(runs.c.status == "running", workers.c.state == "dead")
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [run_of(row) for row in (await connection.execute(orphaned)).mappings()]

    async def interrupt_orphan(self, run: Run) -> Run | None:
        """End a run whose worker is dead, with what is stored of its answer; None if another did."""
        status = "interrupted" if run.stop_requested_at is None else "stopped"
        async with self._database.write() as connection:
            return await end_alone(connection, run, status)

    async def fail_overdue(self, waited: float, error: dict[str, Any]) -> list[Run]:
        """Fail the runs that have waited for longer than so many seconds while nothing of theirs ran; return them."""
        busy = runs.alias("busy")
        in_turn = (
            ~select(busy.c.id)
            .where(busy.c.conversation_id == runs.c.conversation_id, busy.c.status == "running")
            .exists()
        )
        overdue = (
            select(runs)
            .where(runs.c.status == "queued", runs.c.queued_at < utc_now() - timedelta(seconds=waited), in_turn)
            .limit(100)
        )
        ended: list[Run] = []
        async with self._database.read() as connection:
            found = [run_of(row) for row in (await connection.execute(overdue)).mappings()]
        for run in found:
            async with self._database.write() as connection:
                if (done := await end_alone(connection, run, "failed", error=error)) is not None:
                    ended.append(done)
        return ended

    async def drop_pieces(self, ended_before: float) -> Sequence[str]:
        """Delete the pieces of runs that ended longer than so many seconds ago; return the runs."""
        old = (
            select(runs.c.id)
            .where(runs.c.ended_at < utc_now() - timedelta(seconds=ended_before))
            .where(select(answer_pieces.c.run_id).where(answer_pieces.c.run_id == runs.c.id).exists())
            .limit(200)
        )
        async with self._database.read() as connection:
            ids = (await connection.execute(old)).scalars().all()
        if ids:
            async with self._database.write() as connection:
                await connection.execute(answer_pieces.delete().where(answer_pieces.c.run_id.in_(ids)))
        return ids

    def _in(self, seconds: float) -> Any:
        """Return the time so many seconds from now."""
        if self._database.is_sqlite:
            return utc_now() + timedelta(seconds=seconds)
        return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
