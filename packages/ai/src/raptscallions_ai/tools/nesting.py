"""How deep a JSON text may be for a type whose validation slows down with each level.

Pydantic tries every member of a union that has no discriminator, in each of its modes. If the members contain the union
again, each level multiplies that: ten levels of three members took seven seconds, while nothing else could run.
"""

from __future__ import annotations

import math
import re
from typing import Any, cast

__all__ = ["TOO_DEEP", "deepest", "is_too_deep"]

TOO_DEEP = "nested too deeply for a union of models without a discriminator"

_MOST_WORK = 1_000_000
_LEAST = 3
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}]', re.DOTALL)


def deepest(schema: dict[str, Any]) -> int | None:
    """Return how many objects within each other a text for a JSON schema may have; None for any number.

    Args:
        schema: The schema as pydantic makes it, discriminators included.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    leads_to = {name: _references(definition) for name, definition in definitions.items()}
    most = max((_arms_of_itself(name, part, leads_to) for name, part in definitions.items()), default=0)
    return None if most < 2 else max(_LEAST, int(math.log(_MOST_WORK) / math.log(2 * most)))


def is_too_deep(text: str, most: int | None) -> bool:
    """Whether a JSON text has more objects within each other than that."""
    if most is None:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth > most:
            return True
    return False


def _arms_of_itself(name: str, definition: Any, leads_to: dict[str, set[str]]) -> int:
    """Return the most arms of a union in a definition through which it leads to itself."""
    most = 0
    for union in _unions(definition):
        arms = [_references(arm) for arm in union]
        models = [arm for arm in arms if arm]
        if any(name in _all_from(arm, leads_to) for arm in models):
            most = max(most, len(models))
    return most


def _all_from(names: set[str], leads_to: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += leads_to.get(name, ())
    return found


def _unions(schema: Any) -> list[list[Any]]:
    return [cast("list[Any]", arms) for part in _parts(schema) if isinstance(arms := part.get("anyOf"), list)]


def _references(schema: Any) -> set[str]:
    return {str(part["$ref"]).removeprefix("#/$defs/") for part in _parts(schema) if "$ref" in part}


def _parts(schema: Any) -> list[dict[str, Any]]:
    """Return every object in a schema, itself included."""
    found: list[dict[str, Any]] = []
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            found.append(cast("dict[str, Any]", part))
            waiting += cast("dict[str, Any]", part).values()
        elif isinstance(part, list):
            waiting += cast("list[Any]", part)
    return found
