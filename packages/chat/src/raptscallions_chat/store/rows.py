"""Rows of the tables as plain objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from raptscallions_chat.domain.records import Conversation, Message, Run, UsageTotal

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    Row: TypeAlias = RowMapping | dict[str, Any]

__all__ = ["conversation_of", "message_of", "run_of", "total_of"]

_CONVERSATION = tuple(part.name for part in fields(Conversation))
_MESSAGE = tuple(part.name for part in fields(Message) if part.name not in ("usage", "siblings"))
_RUN = tuple(part.name for part in fields(Run) if part.name != "usage")
_TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens")


def conversation_of(row: Row) -> Conversation:
    """Return a row of `conversations`."""
    return Conversation(**{name: row[name] for name in _CONVERSATION})


def message_of(row: Row, usage: UsageTotal | None = None) -> Message:
    """Return a row of `messages`."""
    return Message(**{name: row[name] for name in _MESSAGE}, usage=usage)


def run_of(row: Row, usage: UsageTotal | None = None) -> Run:
    """Return a row of `runs`."""
    return Run(**{name: row[name] for name in _RUN}, usage=usage or UsageTotal())


def total_of(rows: Iterable[Row]) -> UsageTotal:
    """Return the sum of rows of `usage`."""
    sums: dict[str, Any] = dict.fromkeys(_TOKENS, 0)
    cost: Decimal | None = None
    sources: set[str] = set()
    count, final = 0, True
    for row in rows:
        count += 1
        final = final and row["final"]
        sources.add(row["cost_source"])
        if row["cost"] is not None:
            cost = row["cost"] if cost is None else cost + row["cost"]
        for name in _TOKENS:
            sums[name] += row[name]
    source = "unknown" if not sources or "unknown" in sources else "priced" if "priced" in sources else "reported"
    total = sums["prompt_tokens"] + sums["completion_tokens"]
    return UsageTotal(**sums, total_tokens=total, cost=cost, cost_source=source, final=final, generations=count)
