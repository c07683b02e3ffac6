"""Lossless JSON: a value that a gateway, a tool or a user put into a field comes back unchanged.

Plain JSON stands for itself. Three things that JSON cannot hold are written as an object with one key: `{"$decimal":
"0.10"}`, `{"$float": "nan"}`, and `{"$object": {...}}` for an object that would look like one of these.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import cast

import msgspec

__all__ = ["decode_json", "encode_json", "from_plain", "to_plain"]

_TAGS = frozenset({"$decimal", "$float", "$object"})
_PLAIN = frozenset({str, int, bool, type(None)})


def to_plain(value: object) -> object:
    """Return a value as JSON can hold it; tuples become lists.

    Raises:
        TypeError: It holds something that is not JSON, such as bytes or an object of a class.
        ValueError: It is nested too deeply.
    """
    try:
        return _to_plain(value)
    except RecursionError:
        raise ValueError("the value is nested too deeply to be written as JSON") from None


def _to_plain(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        plain = {_key(key): _to_plain(item) for key, item in items}
        return {"$object": plain} if len(plain) == 1 and not _TAGS.isdisjoint(plain) else plain
    if isinstance(value, str | int):  # an enum, for instance
        return str.__str__(value) if isinstance(value, str) else int(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_to_plain(item) for item in cast("Sequence[object]", value)]
    raise TypeError(f"a {kind.__name__} cannot be written as JSON")


def _key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise TypeError(f"the keys of a JSON object are str, not {type(key).__name__}")


def from_plain(value: object) -> object:
    """Return the value that `to_plain` wrote."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        if len(fields) == 1 and not _TAGS.isdisjoint(fields):
            return _untagged(*next(iter(fields.items())))
        return {key: from_plain(item) for key, item in fields.items()}
    if isinstance(value, list):
        return [from_plain(item) for item in cast("list[object]", value)]
    return value


def _untagged(tag: str, value: object) -> object:
    if tag == "$object" and isinstance(value, dict):
        return {key: from_plain(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, str) and tag != "$object":
        try:
            return Decimal(value) if tag == "$decimal" else float(value)
        except (InvalidOperation, ValueError):
            pass
    raise ValueError(f"{tag!r} holds an invalid value")


def encode_json(value: dict[str, object]) -> bytes:
    """Return an object of `to_plain` as JSON: UTF-8, or ASCII if a text in it has no UTF-8 (a lone surrogate)."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def decode_json(data: bytes | str) -> dict[str, object]:
    """Return a JSON object as plain Python values.

    Raises:
        ValueError: It is not JSON, or not an object; the message quotes nothing of it.
    """
    try:
        value = _decode(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except ValueError:
        raise ValueError("this is not JSON") from None
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    raise ValueError(f"this is a JSON {type(value).__name__}, not an object")


def _decode(data: bytes | str) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError):
        return json.loads(data)  # the standard library reads a lone surrogate
