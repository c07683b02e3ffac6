"""The type of answers that a person means on the command line: labels, a JSON schema, or a class of their own."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, create_model

__all__ = ["type_of_labels", "type_of_schema"]

_SCALARS: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}


def type_of_labels(labels: str) -> Any:
    """Return the type of answers that are one of some labels, given with commas between them.

    Raises:
        ValueError: There are less than two.
    """
    names = tuple(name.strip() for name in labels.split(",") if name.strip())
    if len(names) < 2:
        raise ValueError("--labels needs at least two labels, with commas between them")
    label: Any = Literal[names]
    return create_model("Label", label=(label, ...))


def type_of_schema(given: str) -> Any:
    """Return the type that `module:Class`, or the path of a JSON schema, stands for.

    Raises:
        ValueError: There is none, or the schema says something that no type here can.
    """
    if not given.endswith(".json"):
        return _imported(given)
    try:
        schema = json.loads(Path(given).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"--schema: {given} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"--schema: {given} is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ValueError(f"--schema: {given} is no JSON schema")
    return _type(cast("dict[str, Any]", schema), "Answer")


def _imported(given: str) -> Any:
    module, colon, name = given.partition(":")
    if not colon:
        raise ValueError("--schema must be the path of a .json file, or module:Class")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--schema: {given} cannot be imported: {error}") from None
    finally:
        sys.path.pop(0)


def _type(schema: dict[str, Any], name: str) -> Any:
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if isinstance(kinds := schema.get("type"), list):
        found = [_type({**schema, "type": kind}, name) for kind in cast("list[str]", kinds)]
        union = found[0]
        for one in found[1:]:
            union = union | one
        return union
    kind = cast("str | None", kinds)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        return list[_type(schema.get("items") or {"type": "string"}, name + "Item")]
    if kind == "object":
        return _object(schema, name)
    raise ValueError(f"--schema: {name} has the type {kind!r}; give a pydantic class instead, as module:Class")


def _object(schema: dict[str, Any], name: str) -> Any:
    required: set[str] = set(schema.get("required") or schema.get("properties") or ())
    fields: dict[str, Any] = {}
    for key, inner in cast("dict[str, dict[str, Any]]", schema.get("properties") or {}).items():
        kind, told = _type(inner, name + key.title().replace("_", "")), inner.get("description")
        missing = Field(description=told) if key in required else Field(None, description=told)
        fields[key] = (kind if key in required else kind | None, missing)
    return create_model(str(schema.get("title") or name), **fields)
