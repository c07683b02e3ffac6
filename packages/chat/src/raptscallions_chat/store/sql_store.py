"""The store of the runtime: all parts over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from raptscallions_chat.store.changes import ChangeStore
from raptscallions_chat.store.conversations import ConversationStore
from raptscallions_chat.store.messages import MessageStore
from raptscallions_chat.store.runs import RunStore
from raptscallions_chat.store.sends import SendStore
from raptscallions_chat.store.settling import SettlingStore
from raptscallions_chat.store.workers import WorkerStore

if TYPE_CHECKING:
    from raptscallions_chat.store.database import Database

__all__ = ["SqlStore"]


class SqlStore(ConversationStore, ChangeStore, MessageStore, SendStore, RunStore, WorkerStore, SettlingStore):
    """Everything that the runtime stores; each method is one short transaction.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database

    async def ping(self) -> None:
        """Do nothing, if the database answers."""
        async with self.database.read() as connection:
            await connection.execute(text("SELECT 1"))
