"""JSON of unknown shape, read without trusting it."""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

__all__ = ["MalformedJSONError", "json_list", "json_object", "parse_json", "parse_object"]


class MalformedJSONError(Exception):
    """The data is not a JSON object; the message says why without quoting it."""


def json_object(value: object) -> dict[str, Any]:
    """Return a value that is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def json_list(value: object) -> list[object]:
    """Return a value that is a JSON array, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def parse_json(data: bytes) -> object:
    """Return any JSON as Python values, or the data as text where it is not JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return data.decode("utf-8", "replace")


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse JSON with the standard library, which takes what real servers send: a lone surrogate, bad UTF-8, NaN."""
    try:
        parsed = json.loads(data.decode("utf-8", "replace"), parse_constant=_no_value)
    except RecursionError:
        raise MalformedJSONError("it is nested too deeply") from None
    except ValueError as error:
        # json's own message quotes nothing of the data; another ValueError might.
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it holds a number of absurd length"
        raise MalformedJSONError(why) from None
    if not isinstance(parsed, dict):
        raise MalformedJSONError(f"it is a JSON {type(cast('object', parsed)).__name__}, not an object")
    return _well_formed(cast("dict[str, Any]", parsed))


def _no_value(_constant: str) -> None:
    """Read NaN and Infinity, which are no JSON but what some servers write, as null."""


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, which no terminal, database or encoder accepts."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {_well_formed(key): _well_formed(item) for key, item in items}
    if isinstance(value, list):
        return [_well_formed(item) for item in cast("list[Any]", value)]
    return value
