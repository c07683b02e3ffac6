"""Conversations that come from elsewhere, and everything that is stored of one for elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.store.conversations import find_conversation
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.messages import path_to
from raptscallions_chat.store.rows import conversation_of, message_of
from raptscallions_chat.store.schema import conversations, messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation, Message
    from raptscallions_chat.domain.transfer import ImportedConversation
    from raptscallions_chat.store.database import Database

__all__ = ["ConversationCopies"]

_BATCH = 500


class ConversationCopies:
    """Imports and exports.

    Args:
        database: Where conversations are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, principal: Principal, given: ImportedConversation, tool_id: str | None) -> Conversation:
        """Store a conversation that came from elsewhere; all its ids are new."""
        made = _conversation(principal, given.title, given.model, tool_id)
        ids = {message.id: new_id() for message in given.messages}
        rows = list[dict[str, Any]]()
        for seq, message in enumerate(given.messages, 1):
            parent = None if message.parent_id is None else ids[message.parent_id]
            row = _place(made, seq, parent) | {
                "id": ids[message.id],
                "role": message.role,
                "status": message.status,
                "text": message.text,
                "parts": message.parts,
                "model": message.model,
                "finish_reason": message.finish_reason,
                "created_at": message.created_at or made["created_at"],
                "completed_at": message.created_at or made["created_at"],
            }
            rows.append(row)
        made |= {"head_id": ids.get(given.head_id or ""), "last_seq": len(rows)}
        async with self._database.write() as connection:
            found = (await connection.execute(insert(conversations).values(made).returning(conversations))).mappings()
            conversation = conversation_of(found.one())
            for start in range(0, len(rows), _BATCH):
                await connection.execute(insert(messages).values(rows[start : start + _BATCH]))
        return conversation

    async def all_messages(self, principal: Principal, conversation_id: str) -> AsyncIterator[Sequence[Message]]:
        """Yield all messages of a conversation, on every branch, in the order in which they came.

        Raises:
            ChatError: `not_found`.
        """
        after = 0
        while True:
            query = select(messages).where(messages.c.conversation_id == conversation_id, messages.c.seq > after)
            async with self._database.read() as connection:
                await find_conversation(connection, principal, conversation_id)
                rows = (await connection.execute(query.order_by(messages.c.seq).limit(_BATCH))).mappings().all()
            if not rows:
                return
            after = rows[-1]["seq"]
            yield [message_of(row) for row in rows]

    async def path(self, principal: Principal, conversation_id: str) -> list[Message]:
        """Return the messages that lead to the conversation's head.

        Raises:
            ChatError: `not_found`.
        """
        async with self._database.read() as connection:
            conversation = await find_conversation(connection, principal, conversation_id)
            if conversation.head_id is None:
                return []
            return [message_of(row) for row in await path_to(connection, conversation.head_id, None)]


def _conversation(principal: Principal, title: str | None, model: str | None, tool_id: str | None) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": new_id(),
        "tenant_id": principal.tenant_id,
        "user_id": principal.user_id,
        "tool_id": tool_id,
        "title": title,
        "title_source": None if title is None else "user",
        "model": model,
        "state": "active",
        "created_at": now,
        "last_activity_at": now,
    }


def _place(conversation: dict[str, Any], seq: int, parent_id: str | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "tenant_id": conversation["tenant_id"],
        "conversation_id": conversation["id"],
        "parent_id": parent_id,
        "seq": seq,
    }
