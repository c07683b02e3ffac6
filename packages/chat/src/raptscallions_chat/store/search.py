"""Full-text search in a user's messages: the latest ones that have all words, with what surrounds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.store.schema.columns import Id, Moment

if TYPE_CHECKING:
    from raptscallions_chat.domain.principal import Principal
    from raptscallions_chat.store.database import Database

__all__ = ["MARKS", "Hit", "MessageSearch", "words_of"]

MARKS = ("\ue000", "\ue001")
"""What stands before and behind each word that was found, in a snippet; from the area that Unicode leaves to us."""

_MOST_WORDS = 20

_POSTGRESQL = """
    SELECT m.id AS message_id, m.conversation_id, c.title, m.role, m.created_at,
        ts_headline('simple', left(m.text, 100000), query,
            'MaxWords=24, MinWords=12, MaxFragments=1, StartSel="\ue000", StopSel="\ue001"') AS snippet
    FROM messages AS m
    JOIN conversations AS c ON c.id = m.conversation_id,
    to_tsquery('simple', :query) AS query
    WHERE to_tsvector('simple', left(m.text, 100000)) @@ query
        AND c.tenant_id = :tenant AND c.user_id = :user AND c.deleted_at IS NULL {page}
    ORDER BY m.id DESC LIMIT :limit
"""
_SQLITE = """
    SELECT m.id AS message_id, m.conversation_id, c.title, m.role, m.created_at,
        snippet(message_search, 0, '\ue000', '\ue001', '\u2026', 24) AS snippet
    FROM message_search
    JOIN message_search_ids AS ids ON ids.id = message_search.rowid
    JOIN messages AS m ON m.id = ids.message_id
    JOIN conversations AS c ON c.id = m.conversation_id
    WHERE message_search MATCH :query
        AND c.tenant_id = :tenant AND c.user_id = :user AND c.deleted_at IS NULL {page}
    ORDER BY m.id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that has the words.

    Attributes:
        message_id: The message.
        conversation_id: Its conversation.
        title: The conversation's title.
        role: Who wrote it.
        created_at: When.
        snippet: The words and what surrounds them; each word that was found is between `MARKS`.
    """

    message_id: str
    conversation_id: str
    title: str | None
    role: str
    created_at: datetime
    snippet: str


def words_of(question: str) -> list[str]:
    """Return the words of a search: letters and digits of any script, without what only divides them.

    Raises:
        ChatError: `invalid_request`: there are none, or too many.
    """
    words = re.findall(r"[^\W_]+", question)
    if not words or len(words) > _MOST_WORDS:
        raise ChatError("invalid_request", f"`q` must have 1 to {_MOST_WORDS} words.")
    return words


class MessageSearch:
    """Finds messages.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, principal: Principal, question: str, *, before: str | None = None, limit: int = 20
    ) -> tuple[list[Hit], str | None]:
        """Return the latest messages with all words, the last one as the beginning of a word, newest first.

        Args:
            principal: Whose messages.
            question: The words.
            before: The message behind which the page begins.
            limit: The most messages.

        Returns:
            The messages, and the `before` of the next page.

        Raises:
            ChatError: `invalid_request`: there are no words, or too many.
        """
        *whole, last = words_of(question)
        page = "AND m.id < :before" if before is not None else ""
        if self._database.is_sqlite:
            query = " ".join([*(f'"{word}"' for word in whole), f'"{last}"*'])
            statement = text(_SQLITE.format(page=page))
        else:
            query = " & ".join([*(f"'{word}'" for word in whole), f"'{last}':*"])
            statement = text(_POSTGRESQL.format(page=page))
        values = {"query": query, "tenant": principal.tenant_id, "user": principal.user_id, "limit": limit + 1}
        types = [bindparam("tenant", type_=Id)]
        if before is not None:
            values["before"] = before
            types.append(bindparam("before", type_=Id))
        statement = statement.bindparams(*types).columns(message_id=Id, conversation_id=Id, created_at=Moment())
        async with self._database.read() as connection:
            rows = (await connection.execute(statement, values)).mappings().all()
        hits = [Hit(**{name: row[name] for name in Hit.__slots__}) for row in rows[:limit]]
        return hits, hits[-1].message_id if len(rows) > limit else None
