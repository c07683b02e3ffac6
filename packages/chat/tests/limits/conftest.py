"""Runs and usage, as if they had happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import pytest
from sqlalchemy import insert

from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.store.schema import conversations, runs, usage
from raptscallions_chat.tenants.directory import TenantDirectory

Happened: TypeAlias = Callable[..., Awaitable[str]]


@pytest.fixture
def directory(database: Database) -> TenantDirectory:
    """The tenants."""
    return TenantDirectory(database)


@pytest.fixture
def happened(database: Database) -> Happened:
    """Stores a run of a user, and what it used; returns the run's id."""

    async def store(
        user_id: str = "ann",
        *,
        tenant_id: str = ROOT_TENANT,
        at: datetime | None = None,
        status: str = "completed",
        model: str | None = "a/model",
        costs: tuple[Decimal | None, ...] = (),
        source: str = "reported",
    ) -> str:
        now = at or utc_now()
        owner = {"tenant_id": tenant_id, "user_id": user_id}
        conversation = {"id": new_id(), **owner, "state": "active", "created_at": now, "last_activity_at": now}
        run = {
            "id": new_id(),
            **owner,
            "conversation_id": conversation["id"],
            "user_message_id": new_id(),
            "answer_message_id": new_id(),
            "kind": "answer",
            "status": status,
            "queued_at": now,
        }
        async with database.write() as connection:
            await connection.execute(insert(conversations).values(conversation))
            await connection.execute(insert(runs).values(run))
            for number, cost in enumerate(costs, 1):
                values = {
                    "run_id": run["id"],
                    "attempt": number,
                    **owner,
                    "model": model,
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "cost": cost,
                    "cost_source": "unknown" if cost is None else source,
                    "final": cost is not None,
                    "created_at": now,
                }
                await connection.execute(insert(usage).values(values))
        return str(run["id"])

    return store
