"""`BoundedMap`: what is remembered under names that strangers may choose."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["BoundedMap"]

V = TypeVar("V")

_LONGEST_NAME = 200  # characters; of a longer one a digest is kept


class BoundedMap(Generic[V]):
    """Values under names, for what outlives a call: it holds so many and no more, and no long name.

    The one that was not used for longest goes first. Not safe for several threads at once.

    Args:
        most: How many values it holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, name: str) -> V | None:
        """Return the value of a name, or None; it then counts as used."""
        key = _key(name)
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, name: str, value: V) -> None:
        """Keep a value, and drop the oldest if there are too many."""
        key = _key(name)
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget a name, if it is known."""
        self._values.pop(_key(name), None)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"BoundedMap({len(self)} of {self._most})"


def _key(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
