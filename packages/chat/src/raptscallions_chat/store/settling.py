"""Costs that are still to be learnt from the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.rows import run_of
from raptscallions_chat.store.schema import runs, usage

if TYPE_CHECKING:
    from decimal import Decimal

    from raptscallions_chat.domain.commands import Generation
    from raptscallions_chat.domain.records import Run
    from raptscallions_chat.store.database import Database

__all__ = ["SettlingStore", "Unsettled"]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A run whose cost is not known, and the ids of its generations by their numbers."""

    run: Run
    tries: int
    generations: dict[int, str | None]


class SettlingStore:
    """What the settler reads and writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_unsettled(self, limit: int, lease: float) -> list[Unsettled]:
        """Return runs whose cost is to be asked for now; no other settler gets them for so many seconds."""
        now = utc_now()
        due = (
            select(runs.c.id)
            .where(runs.c.settle_after <= now)
            .order_by(runs.c.settle_after)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self._database.write() as connection:
            ids = (await connection.execute(due)).scalars().all()
            if not ids:
                return []
            values = {"settle_after": now + timedelta(seconds=lease), "settle_tries": runs.c.settle_tries + 1}
            taken = update(runs).where(runs.c.id.in_(ids)).values(values).returning(runs)
            rows = (await connection.execute(taken)).mappings().all()
            open_ones = select(usage).where(usage.c.run_id.in_(ids), ~usage.c.final)
            by_run: dict[str, dict[int, str | None]] = {}
            for row in (await connection.execute(open_ones)).mappings():
                by_run.setdefault(row["run_id"], {})[row["attempt"]] = row["generation_id"]
        return [Unsettled(run_of(row), row["settle_tries"], by_run.get(row["id"], {})) for row in rows]

    async def settle(self, run_id: str, generations: list[Generation], *, again_at: datetime | None) -> None:
        """Store what the gateway told, and when to ask it again; None if there is nothing more to ask."""
        async with self._database.write() as connection:
            for one in generations:
                values: dict[str, int | str | bool | Decimal | None] = {
                    "prompt_tokens": one.prompt_tokens,
                    "completion_tokens": one.completion_tokens,
                    "reasoning_tokens": one.reasoning_tokens,
                    "cached_tokens": one.cached_tokens,
                    "cost": one.cost,
                    "cost_source": one.cost_source,
                    "final": True,
                }
                where = (usage.c.run_id == run_id, usage.c.attempt == one.number, ~usage.c.final)
                await connection.execute(update(usage).where(*where).values(values))
            settled = {"settle_after": again_at, "settled_at": utc_now() if again_at is None else None}
            await connection.execute(update(runs).where(runs.c.id == run_id).values(settled))

    async def give_up(self, run_id: str) -> None:
        """Store that the gateway will not tell the cost of a run."""
        async with self._database.write() as connection:
            open_ones = (usage.c.run_id == run_id, ~usage.c.final)
            await connection.execute(update(usage).where(*open_ones).values(final=True))
            settled = {"settle_after": None, "settled_at": utc_now()}
            await connection.execute(update(runs).where(runs.c.id == run_id).values(settled))
