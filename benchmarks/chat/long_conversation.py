"""The first page of a conversation of 100 and of 100,000 messages, in the same run.

python3 dev.py run python benchmarks/chat/long_conversation.py [MESSAGES] [DATABASE_URL]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.store.migrate import upgrade
from raptscallions_chat.store.schema import conversations, messages
from raptscallions_chat.store.sql_store import SqlStore

USER = Principal(ROOT_TENANT, "bench")


async def fill(store: SqlStore, size: int) -> str:
    """Store a conversation of so many messages, and return its id."""
    made = await store.create_conversation(USER, title=None, tool_id=None, model=None)
    assert made.result is not None
    conversation, now, parent = made.result.id, utc_now(), None
    rows: list[dict[str, Any]] = []
    for seq in range(1, size + 1):
        place = {"id": new_id(), "conversation_id": conversation, "parent_id": parent, "seq": seq}
        said = {"role": "assistant" if seq % 2 == 0 else "user", "status": "complete", "text": f"message {seq}"}
        rows.append({**place, **said, "tenant_id": ROOT_TENANT, "created_at": now})
        parent = place["id"]
    async with store.database.write() as connection:
        for start in range(0, size, 5000):
            await connection.execute(insert(messages), rows[start : start + 5000])
        values = {"head_id": parent, "last_seq": size}
        await connection.execute(update(conversations).where(conversations.c.id == conversation).values(values))
    return conversation


async def main() -> None:
    """Measure, and print the figures."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{Path(folder) / 'chat.db'}"
        database = Database(url)
        await upgrade(database)
        store = SqlStore(database)
        for messages_in_all in (100, size):
            conversation = await fill(store, messages_in_all)
            took: list[float] = []
            for _ in range(40):
                began = time.perf_counter()
                items, _ = await store.list_messages(USER, conversation, before=None, leaf=None, limit=50)
                took.append((time.perf_counter() - began) * 1000)
                assert len(items) == 50
            print(f"{messages_in_all:>7} messages: first page {statistics.median(took):.1f} ms (median of 40)")
        await database.aclose()


asyncio.run(main())
