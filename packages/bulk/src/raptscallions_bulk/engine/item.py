"""`Item`: a row on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raptscallions_bulk.rows.request import Request

__all__ = ["Item"]


@dataclass(slots=True)
class Item:
    """A row on its way.

    Attributes:
        number: Its number in the journal.
        key: Its key.
        row: What the source had.
        request: What is asked of it.
        reserve: The most that it can cost, in picodollars.
        recovers: Whether it asks for an answer again that the gateway may still have.
        first_cost: What the books say of its first request, in picodollars; None if they say nothing.
        unpaid: How often it came back because the gateway failed.
        followers: Rows that ask the same.
        on_end: Called with the row when it has come to an end.
    """

    number: int
    key: str | int
    row: dict[str, Any]
    request: Request
    reserve: int = 0
    recovers: bool = False
    first_cost: int | None = None
    unpaid: int = 0
    followers: list[Item] = field(default_factory=list["Item"])
    on_end: Callable[[Item], None] | None = None

    def let_go(self) -> list[Item]:
        """Note the end of the row, and return those that asked the same."""
        if self.on_end is not None:
            self.on_end(self)
        return self.followers
