"""Fields of a JSON object that a gateway sent, each read as what it should be, or as absent where it is not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from raptscallions_ai._dialects.json import json_list

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["amount", "count", "flag", "moment", "names", "number", "price", "text"]

_LARGEST_EXPONENT = 100


def text(entry: Mapping[str, object], name: str) -> str | None:
    """Return a text that is not empty."""
    value = entry.get(name)
    return value if isinstance(value, str) and value else None


def names(entry: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return the texts of a list."""
    return tuple(value for value in json_list(entry.get(name)) if isinstance(value, str))


def flag(entry: Mapping[str, object], name: str) -> bool | None:
    """Return a truth value."""
    value = entry.get(name)
    return value if isinstance(value, bool) else None


def number(entry: Mapping[str, object], name: str) -> float | None:
    """Return a number."""
    value = entry.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(entry: Mapping[str, object], *keys: str) -> int | None:
    """Return the first of several fields that is a whole number of at least 0."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def amount(entry: Mapping[str, object], name: str) -> Decimal | None:
    """Return an amount of money, which some gateways send as a number and some as a text."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return None
    return exact if exact.is_finite() and abs(exact.adjusted()) < _LARGEST_EXPONENT else None


def price(entry: Mapping[str, object], name: str) -> Decimal | None:
    """Return a price; routers list -1, because theirs depends on the model that they pick."""
    value = amount(entry, name)
    return value if value is not None and value >= 0 else None


def moment(entry: Mapping[str, object], name: str) -> datetime | None:
    """Return a point in time, sent as seconds since 1970 or as an ISO 8601 text; one without a zone is in UTC."""
    value = entry.get(name)
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
