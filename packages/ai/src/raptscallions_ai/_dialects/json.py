"""JSON of unknown shape, read without trusting it."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai._dialects.split_pairs import well_formed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MalformedJSONError",
    "json_list",
    "json_object",
    "parse_json",
    "parse_object",
    "refuse_deep_nesting",
    "with_floats",
]


_LARGEST_FLOAT = Decimal("1e308")
_DEEPEST = 200  # levels of nesting; far above any gateway's, far below what copying and pickling survive


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
    """Parse JSON with the standard library, which takes what real servers send: a lone surrogate, bad UTF-8, NaN.

    Numbers with a fraction come as `Decimal`, so that a cost stays exact; see `with_floats`.

    Raises:
        MalformedJSONError: The data is not a JSON object.
    """
    try:
        parsed = json.loads(data.decode("utf-8", "replace"), parse_constant=_no_value, parse_float=_decimal)
        if isinstance(parsed, dict):
            refuse_deep_nesting(data, cast("object", parsed))
            return json_object(_well_formed(cast("object", parsed)))
    except RecursionError:
        raise MalformedJSONError("it is nested too deeply") from None
    except ValueError as error:
        # json's own message quotes nothing of the data; another ValueError might.
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it contains an absurdly long number"
        raise MalformedJSONError(why) from None
    raise MalformedJSONError(f"it is a JSON {type(cast('object', parsed)).__name__}, not an object")


def refuse_deep_nesting(data: bytes, value: object = None) -> None:
    """Let no JSON pass that is nested deeper than what is made of it can be copied, encoded or pickled.

    Args:
        data: The JSON.
        value: What it was parsed to, where that is at hand.

    Raises:
        MalformedJSONError: It is nested too deeply.
    """
    if len(data) <= 2 * _DEEPEST or data.count(b"{") + data.count(b"[") <= _DEEPEST:
        return  # nearly always; whatever is opened must be closed
    value = parse_json(data) if value is None else value
    if not isinstance(value, str):  # a text is what the parser gives back when even it finds no bottom
        level = [value]
        for _ in range(_DEEPEST + 1):
            level = [inner for outer in level for inner in _members(outer)]
            if not level:
                return
    raise MalformedJSONError("it is nested too deeply")


def with_floats(value: object) -> object:
    """Return a value of `parse_object` with plain floats, as other JSON parsers give it."""
    if isinstance(value, Decimal):
        return float(value) if value.copy_abs() < _LARGEST_FLOAT else None
    if isinstance(value, dict):
        return {key: with_floats(item) for key, item in json_object(cast("object", value)).items()}
    if isinstance(value, list):
        return [with_floats(item) for item in json_list(cast("object", value))]
    return value


def _members(value: object) -> Iterable[object]:
    return json_object(value).values() or json_list(value)


def _no_value(_constant: str) -> None:
    """Read NaN and Infinity, which are no JSON but what some servers write, as null."""


def _decimal(digits: str) -> Decimal | None:
    """Read a number with a fraction exactly; one beyond all decimals is read as null."""
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None


def _well_formed(value: object) -> object:
    """Replace lone surrogates, which no terminal, database or encoder accepts."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in json_object(cast("object", value)).items()}
    if isinstance(value, list):
        return [_well_formed(item) for item in json_list(cast("object", value))]
    return value
