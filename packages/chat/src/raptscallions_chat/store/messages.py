"""Messages: pages of a path through the tree, and single ones; an answer that is growing with what is stored of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Integer, literal, select

from raptscallions_chat.domain.answer import Answer
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.events import event_of
from raptscallions_chat.store.conversations import find_conversation
from raptscallions_chat.store.rows import message_of, total_of
from raptscallions_chat.store.schema import answer_pieces, conversations, messages, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.domain.records import Message
    from raptscallions_chat.store.database import Database

__all__ = ["MessageStore", "find_message", "newest_below", "path_to", "stored_answer"]

_AT_ONCE = 500


async def path_to(connection: AsyncConnection, message_id: str, limit: int | None) -> list[RowMapping]:
    """Return the messages that lead to one, that one last; at most so many, the nearest ones."""
    step = literal(1, Integer).label("step")
    path = (
        select(messages.c.id, messages.c.parent_id, step).where(messages.c.id == message_id).cte("path", recursive=True)
    )
    # Looked up one by one: for a join, a planner without fresh statistics reads all messages again at each step.
    above = messages.alias("above")
    next_parent = select(above.c.parent_id).where(above.c.id == path.c.parent_id).scalar_subquery()
    earlier = select(path.c.parent_id, next_parent, path.c.step + 1).where(path.c.parent_id.is_not(None))
    if limit is not None:
        earlier = earlier.where(path.c.step < limit)
    path = path.union_all(earlier)
    ids = list((await connection.execute(select(path.c.id).order_by(path.c.step.desc()))).scalars())
    rows: dict[str, RowMapping] = {}
    for start in range(0, len(ids), _AT_ONCE):
        found = await connection.execute(select(messages).where(messages.c.id.in_(ids[start : start + _AT_ONCE])))
        rows |= {row["id"]: row for row in found.mappings()}
    return [rows[id_] for id_ in ids if id_ in rows]


async def newest_below(connection: AsyncConnection, message_id: str) -> str:
    """Return the end of the path that goes on from a message by the newest of those that follow, step by step."""
    path = select(messages.c.id, literal(1, Integer).label("step")).where(messages.c.id == message_id)
    path = path.cte("path", recursive=True)
    below = messages.alias("below")
    newest = (
        select(below.c.id).where(below.c.parent_id == path.c.id).order_by(below.c.seq.desc()).limit(1).scalar_subquery()
    )
    path = path.union_all(select(newest, path.c.step + 1).where(path.c.id.is_not(None)))
    query = select(path.c.id).where(path.c.id.is_not(None)).order_by(path.c.step.desc()).limit(1)
    return (await connection.execute(query)).scalar_one()


async def find_message(connection: AsyncConnection, principal: Principal, message_id: str) -> RowMapping:
    """Return a message of one of the user's conversations.

    Raises:
        ChatError: `not_found`.
    """
    query = (
        select(messages)
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(
            messages.c.id == message_id,
            conversations.c.tenant_id == principal.tenant_id,
            conversations.c.user_id == principal.user_id,
            conversations.c.deleted_at.is_(None),
        )
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise ChatError("not_found", "There is no such message.")
    return row


async def stored_answer(connection: AsyncConnection, run_id: str) -> Answer | None:
    """Return what is stored of the answer that a run is writing; None if there is nothing."""
    columns = answer_pieces.c
    found = await connection.execute(select(columns.events).where(columns.run_id == run_id).order_by(columns.seq_to))
    answer, count = Answer(), 0
    for lines in found.scalars():
        count += 1
        answer.add_all(map(event_of, lines.split("\n")))
    return answer if count else None


async def _complete(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[Message]:
    """Return messages with their usage, and with the text so far of those that are growing."""
    found = await connection.execute(select(usage).where(usage.c.message_id.in_([row["id"] for row in rows])))
    by_message: dict[str, list[RowMapping]] = {}
    for row in found.mappings():
        by_message.setdefault(row["message_id"], []).append(row)
    siblings = await _siblings(connection, rows)
    complete: list[Message] = []
    for row in rows:
        used = by_message.get(row["id"])
        message = message_of(row, total_of(used) if used else None)
        message = replace(message, siblings=tuple(siblings.get(row["parent_id"], ())))
        if message.status == "streaming" and message.run_id is not None:
            so_far = await stored_answer(connection, message.run_id)
            if so_far is not None:
                message = replace(message, text=so_far.text, parts=so_far.parts)
        complete.append(message)
    return complete


async def _siblings(connection: AsyncConnection, rows: Sequence[RowMapping]) -> dict[str | None, list[str]]:
    """Return the messages that follow the same ones as these, oldest first."""
    if not rows:
        return {}
    columns = messages.c
    parents = [row["parent_id"] for row in rows if row["parent_id"] is not None]
    # A query for each kind, by one index each, and sorted here: else a planner without fresh statistics reads the whole
    # conversation.
    wanted: list[ColumnElement[bool]] = []
    if parents:
        wanted.append(columns.parent_id.in_(parents))
    if len(parents) < len(rows):
        wanted.append((columns.conversation_id == rows[0]["conversation_id"]) & columns.parent_id.is_(None))
    found: dict[str | None, list[tuple[int, str]]] = {}
    for follows in wanted:
        query = select(columns.id, columns.parent_id, columns.seq).where(follows)
        for row in await connection.execute(query):
            found.setdefault(row.parent_id, []).append((row.seq, row.id))
    return {parent: [message_id for _, message_id in sorted(those)] for parent, those in found.items()}


class MessageStore:
    """What is stored of messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_message(self, principal: Principal, message_id: str) -> Message:
        """Return a message.

        Raises:
            ChatError: `not_found`.
        """
        async with self._database.read() as connection:
            row = await find_message(connection, principal, message_id)
            return (await _complete(connection, [row]))[0]

    async def list_messages(
        self,
        principal: Principal,
        conversation_id: str,
        *,
        before: str | None,
        leaf: str | None,
        limit: int,
        through: str | None = None,
    ) -> tuple[list[Message], str | None]:
        """Return a page of a path through a conversation, ascending, and the cursor of the page before.

        Args:
            principal: Who asks.
            conversation_id: The conversation.
            before: The message that the page ends before; None for the path's end.
            leaf: The last message of the path; None for the conversation's head.
            limit: The most messages.
            through: A message that the path goes through, on to the newest ones below it; None for no such.

        Raises:
            ChatError: `not_found`, or `bad_cursor`: a message that was named is none of this conversation.
        """
        async with self._database.read() as connection:
            conversation = await find_conversation(connection, principal, conversation_id)
            start = leaf or conversation.head_id
            for name, named in (("leaf", leaf), ("through", through), ("before", before)):
                if named is not None:
                    where = (messages.c.id == named, messages.c.conversation_id == conversation_id)
                    found = (await connection.execute(select(messages.c.parent_id).where(*where))).one_or_none()
                    if found is None:
                        raise ChatError("bad_cursor", f"`{name}` is no message of this conversation.")
                    if name == "before":
                        start = found.parent_id
                    elif name == "through":
                        start = await newest_below(connection, named)
            if start is None:
                return [], None
            rows = await path_to(connection, start, limit + 1)
            items = await _complete(connection, rows[-limit:])
        return items, items[0].id if len(rows) > limit else None

    async def get_path(self, message_id: str, *, limit: int | None = None) -> list[Message]:
        """Return the messages that lead to one, that one last, for the runtime itself."""

        async def work(connection: AsyncConnection) -> list[Message]:
            return [message_of(row) for row in await path_to(connection, message_id, limit)]

        return await self._database.reading(work)

    async def stored_text(self, message_id: str) -> Answer:
        """Return an answer as its message has it, for the runtime itself."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(messages.c.text, messages.c.parts).where(messages.c.id == message_id)
            )
            row = found.one_or_none()
        return Answer() if row is None else Answer(row.text, row.parts)
