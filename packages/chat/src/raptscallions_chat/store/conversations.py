"""Conversations and their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, literal, select, tuple_, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.records import Conversation
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.replies import once
from raptscallions_chat.store.rows import conversation_of
from raptscallions_chat.store.schema import conversations
from raptscallions_chat.store.schema.columns import Id, Moment

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.commands import Idempotent, Outcome
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.store.database import Database

__all__ = ["ConversationStore", "find_conversation"]


def _mine(principal: Principal) -> list[ColumnElement[bool]]:
    return [
        conversations.c.tenant_id == principal.tenant_id,
        conversations.c.user_id == principal.user_id,
        conversations.c.deleted_at.is_(None),
    ]


# Built once, because that takes longer than to execute them.
_FIND = select(conversations).where(
    conversations.c.id == bindparam("named"),
    conversations.c.tenant_id == bindparam("of_tenant"),
    conversations.c.user_id == bindparam("of_user"),
    conversations.c.deleted_at.is_(None),
)
_FIND_TO_CHANGE = _FIND.with_for_update()


async def find_conversation(
    connection: AsyncConnection, principal: Principal, conversation_id: str, *, lock: bool = False
) -> Conversation:
    """Return a user's conversation.

    Args:
        connection: Where to look.
        principal: Who asks.
        conversation_id: Which one.
        lock: Whether it is to be changed, so that others must wait.

    Raises:
        ChatError: `not_found`: there is none, or it is another user's.
    """
    mine = {"named": conversation_id, "of_tenant": principal.tenant_id, "of_user": principal.user_id}
    row = (await connection.execute(_FIND_TO_CHANGE if lock else _FIND, mine)).mappings().one_or_none()
    if row is None:
        raise ChatError("not_found", "There is no such conversation.")
    return conversation_of(row)


_UNSET: dict[str, Any] = dict.fromkeys(("parent_id", "forked_at", "head_id", "completed_at", "expires_at"))


class ConversationStore:
    """What is stored of conversations, apart from their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_conversation(
        self,
        principal: Principal,
        *,
        title: str | None,
        tool_id: str | None,
        model: str | None,
        request: Idempotent[Conversation] | None = None,
        **further: Any,
    ) -> Outcome[Conversation]:
        """Store a new conversation; `further` are further columns."""
        now = utc_now()
        values: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": principal.tenant_id,
            "user_id": principal.user_id,
            "tool_id": tool_id,
            "title": title,
            "title_source": None if title is None else "user",
            "model": model,
            "state": "active",
            "last_seq": 0,
            "version": 1,
            "metadata": {},
            "created_at": now,
            "last_activity_at": now,
            **further,
        }

        async def work(connection: AsyncConnection) -> Conversation:
            await connection.execute(insert(conversations).values(values))
            return conversation_of({**_UNSET, **values})

        return await once(self._database, request, work)

    async def get_conversation(self, principal: Principal, conversation_id: str) -> Conversation:
        """Return a user's conversation.

        Raises:
            ChatError: `not_found`.
        """
        async with self._database.read() as connection:
            return await find_conversation(connection, principal, conversation_id)

    async def list_conversations(
        self, principal: Principal, *, cursor: str | None, limit: int
    ) -> tuple[list[Conversation], str | None]:
        """Return a page of a user's conversations, the latest of them, ascending; and the cursor of the one before.

        Raises:
            ChatError: `bad_cursor`: the cursor is none of this user's conversations.
        """
        columns = conversations.c
        query = select(conversations).where(*_mine(principal))
        async with self._database.read() as connection:
            if cursor is not None:
                place = select(columns.last_activity_at).where(columns.id == cursor, *_mine(principal))
                at = (await connection.execute(place)).scalar_one_or_none()
                if at is None:
                    raise ChatError("bad_cursor", "The cursor is none that a page of conversations gave.")
                query = query.where(
                    tuple_(columns.last_activity_at, columns.id) < tuple_(literal(at, Moment()), literal(cursor, Id))
                )
            newest_first = query.order_by(columns.last_activity_at.desc(), columns.id.desc()).limit(limit + 1)
            rows = (await connection.execute(newest_first)).mappings().all()
        items = [conversation_of(row) for row in reversed(rows[:limit])]
        return items, items[0].id if len(rows) > limit else None

    async def update_conversation(
        self, principal: Principal, conversation_id: str, values: dict[str, Any], *, version: int | None = None
    ) -> Conversation:
        """Change a conversation.

        Args:
            principal: Who asks.
            conversation_id: Which one.
            values: The columns to change.
            version: The version that it must have; None for any.

        Raises:
            ChatError: `not_found`, or `precondition_failed` with the version that it has.
        """
        async with self._database.write() as connection:
            found = await find_conversation(connection, principal, conversation_id, lock=True)
            if version is not None and found.version != version:
                message = "The conversation has changed since it was read; read it again."
                raise ChatError("precondition_failed", message, details={"version": found.version})
            changed = (
                update(conversations)
                .where(conversations.c.id == conversation_id)
                .values({**values, "version": found.version + 1})
                .returning(conversations)
            )
            return conversation_of((await connection.execute(changed)).mappings().one())
