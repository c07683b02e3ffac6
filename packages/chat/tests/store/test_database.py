"""Transactions: all or nothing, one writer on SQLite, and nobody waits for a connection without end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.store.schema import audit, tenants


def entry() -> dict[str, Any]:
    return {"id": new_id(), "tenant_id": ROOT_TENANT, "actor": "a", "action": "b", "created_at": utc_now()}


async def count(database: Database) -> int:
    async with database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(audit))).scalar_one()


@pytest.mark.parametrize("whole", [True, False])
async def test_after_an_exception_nothing_is_stored(database: Database, whole: bool) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(insert(audit).values(entry()))
        raise RuntimeError("in the middle")

    async def piece_by_piece() -> None:
        async with database.write() as connection:
            await work(connection)

    with pytest.raises(RuntimeError, match="in the middle"):
        await (database.writing(work) if whole else piece_by_piece())
    assert await count(database) == 0
    await database.writing(lambda connection: connection.execute(insert(audit), [entry(), entry()]))
    assert await count(database) == 2


async def test_a_whole_transaction_leaves_the_event_loop_alone(database: Database) -> None:
    async def where(connection: AsyncConnection) -> threading.Thread:
        assert (await connection.execute(select(tenants.c.name))).scalars().all() == ["root"]
        return threading.current_thread()

    here = threading.current_thread()
    assert (await database.reading(where) is not here) == database.is_sqlite


async def test_on_sqlite_nothing_but_the_connection_is_awaited(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL's driver has the event loop")
    with pytest.raises(RuntimeError, match="nothing but the database may be awaited"):
        await database.writing(lambda _: asyncio.sleep(0))
    assert await count(database) == 0


async def test_writers_take_turns_and_a_cancelled_one_does_not_hold_up_the_others(database: Database) -> None:
    async def add(_: int) -> None:
        async with database.write() as connection:
            before = (await connection.execute(select(func.count()).select_from(audit))).scalar_one()
            await connection.execute(insert(audit).values(entry()))
            after = (await connection.execute(select(func.count()).select_from(audit))).scalar_one()
            assert after > before

    adding = [asyncio.create_task(add(n)) for n in range(20)]
    await asyncio.sleep(0)
    for task in adding[::2]:
        task.cancel()
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert [one for one in done if one is not None and not isinstance(one, asyncio.CancelledError)] == []
    assert await count(database) == done.count(None)


async def test_without_a_free_connection_the_store_is_unavailable(database_url: str) -> None:
    database = Database(database_url, pool_size=1, pool_timeout=0.01)
    try:
        async with database.read():
            with pytest.raises(ChatError) as caught:
                await count(database)
        assert (caught.value.code, caught.value.status_code) == ("store_unavailable", 503)
        assert await count(database) == 0
    finally:
        await database.aclose()
