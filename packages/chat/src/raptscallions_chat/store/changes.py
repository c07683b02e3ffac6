"""Changes of a whole conversation: completed, forked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.store.conversations import find_conversation
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.messages import path_to, stored_answer
from raptscallions_chat.store.replies import once
from raptscallions_chat.store.rows import conversation_of
from raptscallions_chat.store.schema import conversations, messages, runs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.commands import Idempotent, Outcome
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Conversation
    from raptscallions_chat.store.database import Database

__all__ = ["ChangeStore"]

_AT_ONCE = 500


class ChangeStore:
    """What happens to a conversation as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def complete_conversation(
        self, principal: Principal, conversation_id: str, request: Idempotent[Conversation] | None = None
    ) -> Outcome[Conversation]:
        """Complete a conversation, so that nothing more is said in it.

        Raises:
            ChatError: `not_found`, `conversation_completed`, or `run_active`.
        """

        async def work(connection: AsyncConnection) -> Conversation:
            found = await find_conversation(connection, principal, conversation_id, lock=True)
            if found.state == "completed":
                raise ChatError("conversation_completed", "The conversation is completed already.")
            await _refuse_if_active(connection, conversation_id)
            values = {"state": "completed", "completed_at": utc_now(), "version": found.version + 1}
            return await _change(connection, conversation_id, values)

        return await once(self._database, request, work)

    async def fork_conversation(
        self,
        principal: Principal,
        conversation_id: str,
        message_id: str | None,
        title: str | None,
        request: Idempotent[Conversation] | None = None,
    ) -> Outcome[Conversation]:
        """Begin a conversation with a copy of the path to a message of another one.

        Args:
            principal: Who asks.
            conversation_id: The conversation to copy from.
            message_id: The last message to copy; None for the head.
            title: The title of the copy; None for that of the original.
            request: The request's name, if it has one.

        Raises:
            ChatError: `not_found`, or `unknown_parent`: the message is none of the conversation.
        """

        async def work(connection: AsyncConnection) -> Conversation:
            found = await find_conversation(connection, principal, conversation_id)
            last = message_id or found.head_id
            if message_id is not None:
                where = (messages.c.id == message_id, messages.c.conversation_id == conversation_id)
                if (await connection.execute(select(messages.c.id).where(*where))).one_or_none() is None:
                    raise ChatError("unknown_parent", "`message_id` is no message of this conversation.")
            now = utc_now()
            fork: dict[str, Any] = {
                **{name: getattr(found, name) for name in ("tenant_id", "user_id", "tool_id", "model", "metadata")},
                "id": new_id(),
                "title": title or found.title,
                "title_source": "user" if title else found.title_source,
                "state": "active",
                "parent_id": conversation_id,
                "forked_at": last,
                "version": 1,
                "created_at": now,
                "last_activity_at": now,
            }
            copies = [] if last is None else await _copies(connection, last, fork["id"], now)
            fork |= {"head_id": copies[-1]["id"] if copies else None, "last_seq": len(copies)}
            made = await connection.execute(insert(conversations).values(fork).returning(conversations))
            row = made.mappings().one()
            for start in range(0, len(copies), _AT_ONCE):
                await connection.execute(insert(messages), copies[start : start + _AT_ONCE])
            return conversation_of(row)

        return await once(self._database, request, work)


async def _change(connection: AsyncConnection, conversation_id: str, values: dict[str, Any]) -> Conversation:
    changed = update(conversations).where(conversations.c.id == conversation_id).values(values).returning(conversations)
    return conversation_of((await connection.execute(changed)).mappings().one())


async def _refuse_if_active(connection: AsyncConnection, conversation_id: str) -> None:
    where = (runs.c.conversation_id == conversation_id, runs.c.status.in_(["queued", "running"]))
    run_id = (await connection.execute(select(runs.c.id).where(*where).limit(1))).scalar_one_or_none()
    if run_id is not None:
        details = {"run_id": run_id, "stream": f"/runs/{run_id}/events"}
        raise ChatError("run_active", "An answer is being written; stop it first.", details=details)


async def _copies(connection: AsyncConnection, last: str, conversation_id: str, now: datetime) -> list[dict[str, Any]]:
    """Return copies of the messages that lead to one; an answer that is growing is copied as far as it is stored."""
    columns = [column.name for column in messages.columns]
    copies: list[dict[str, Any]] = []
    for seq, row in enumerate(await path_to(connection, last, None), 1):
        copy = {name: row[name] for name in columns if name in row}
        if row["status"] == "streaming":
            answer = None if row["run_id"] is None else await stored_answer(connection, row["run_id"])
            copy |= {"status": "interrupted", "completed_at": now}
            if answer is not None:
                copy |= {"text": answer.text, "parts": answer.parts}
        parent = copies[-1]["id"] if copies else None
        copies.append(
            {
                **copy,
                "id": new_id(),
                "conversation_id": conversation_id,
                "parent_id": parent,
                "seq": seq,
                "run_id": None,
            }
        )
    return copies
