"""JSON schemas as Anthropic's structured output enforces them.

What it does not enforce (lengths, ranges, most formats) is written into the description, so that the model still knows
of it. Source: Anthropic API reference, "Structured outputs", limits of JSON schemas.
"""

from __future__ import annotations

import json
from typing import Any, cast

__all__ = ["enforceable_schema"]

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_KEPT = frozenset(
    {"$defs", "$ref", "allOf", "anyOf", "const", "default", "definitions", "description"}
    | {"enum", "format", "items", "oneOf", "properties", "required", "title", "type"}
)
_BY_NAME = frozenset({"$defs", "definitions", "properties"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf"})


def enforceable_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with what cannot be enforced moved into the descriptions, and every object closed."""
    made: dict[str, Any] = {}
    unenforced: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "additionalProperties" and isinstance(value, bool):
            continue  # every object is closed below
        if name not in _KEPT or (name == "format" and value not in _FORMATS):
            unenforced[name] = value
        elif name in _BY_NAME and isinstance(value, dict):
            made[name] = {key: _inner(each) for key, each in cast("dict[str, Any]", value).items()}
        elif name in _LISTS and isinstance(value, list):
            made["anyOf" if name == "oneOf" else name] = [_inner(each) for each in cast("list[Any]", value)]
        elif name == "items":
            made[name] = _inner(value)
        else:
            made[name] = value
    if schema.get("minItems") in (0, 1):  # the only limits of a list that are enforced
        made["minItems"] = unenforced.pop("minItems")
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    if unenforced:
        notes = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in unenforced.items())
        made["description"] = f"{made['description']} ({notes})" if made.get("description") else f"({notes})"
    return made


def _inner(schema: Any) -> Any:
    return enforceable_schema(cast("dict[str, Any]", schema)) if isinstance(schema, dict) else schema
