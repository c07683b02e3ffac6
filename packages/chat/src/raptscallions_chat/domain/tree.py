"""Where a message goes in the tree of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["UNSET", "Placement", "Unset", "place"]

Unset: TypeAlias = Literal["unset"]
UNSET: Unset = "unset"
"""No parent was named, which is not the same as naming none."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a message goes.

    Attributes:
        parent_id: The message that it follows; None for the first of its branch.
        problem: Why it cannot go there: `stale_parent` or `unknown_parent`.
    """

    parent_id: str | None
    problem: Literal["stale_parent", "unknown_parent"] | None = None


def place(*, head_id: str | None, parent_id: str | Unset | None, branch: bool, is_known: bool) -> Placement:
    """Return where a message goes.

    Args:
        head_id: The conversation's current last message; None if it has none.
        parent_id: The parent that was named, `None` for the place of the first message, or `UNSET`.
        branch: Whether the message is meant to stand beside those that follow its parent already.
        is_known: Whether the parent that was named is a message of this conversation.
    """
    if parent_id == UNSET:
        return Placement(head_id)
    if parent_id is not None and not is_known:
        return Placement(parent_id, "unknown_parent")
    if branch or parent_id == head_id:
        return Placement(parent_id)
    return Placement(parent_id, "stale_parent")
