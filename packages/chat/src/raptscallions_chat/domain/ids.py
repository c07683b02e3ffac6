"""Ids: UUIDs that sort by the time when they were made."""

from __future__ import annotations

from uuid import UUID

from uuid_utils import uuid7

__all__ = ["new_id", "parse_id"]


def new_id() -> str:
    """Return a new id."""
    return str(uuid7())


def parse_id(text: str) -> str | None:
    """Return an id in its usual form, or None if it is none."""
    if len(text) != 36:
        return None
    try:
        return str(UUID(text))
    except ValueError:
        return None
