"""JSON schemas for models: without useless parts, and in OpenAI's strict mode, which gateways enforce.

In strict mode every object must list all its properties as required and allow no other, and only some keywords are
known; see "Supported schemas" in OpenAI's guide to structured outputs. What the dialect cannot express, such as the
length of a text, goes into the description, so that the model still knows; pydantic checks it afterwards anyway.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic.json_schema import GenerateJsonSchema

__all__ = ["WithoutTitles", "strict_schema"]

Schema: TypeAlias = dict[str, Any]

_DROPPED = ("default", "discriminator")
_UNKNOWN = frozenset(
    {"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties", "patternProperties", "propertyNames"}
    | {"contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties", "contentEncoding"}
    | {"contentMediaType"}
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = ("(?=", "(?!", "(?<")
_SAYING_WHAT = ("type", "enum", "const", "anyOf", "$ref")


class WithoutTitles(GenerateJsonSchema):
    """Leaves out titles: they only repeat the field's name, and every call would pay for them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False."""
        return False


def strict_schema(schema: Schema) -> Schema:
    """Return the same schema in the strict dialect, as far as it can be expressed there.

    Args:
        schema: As pydantic makes it; it is not changed.

    Raises:
        ValueError: Part of it cannot be expressed: an object with keys of any name, a tuple, or a value of any type.
    """
    strict = _strict(schema, "the model")
    if "$defs" in schema:
        strict["$defs"] = {name: _strict(inner, name) for name, inner in schema["$defs"].items()}
    return strict


def _strict(schema: Schema, where: str) -> Schema:
    strict = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "oneOf" in strict:
        strict["anyOf"] = strict.pop("oneOf")
    if "$ref" in strict and len(strict) > 1:
        # A reference stands alone in this dialect, but a choice of one may have a description beside it.
        strict["anyOf"] = [{"$ref": strict.pop("$ref")}]
    if not any(key in strict for key in _SAYING_WHAT):
        raise _unsupported(where, "a value of any type")
    _move_to_description(strict)
    if "anyOf" in strict:
        strict["anyOf"] = [_strict(choice, where) for choice in strict["anyOf"]]
    if strict.get("type") == "object":
        if "properties" not in strict:
            raise _unsupported(where, "an object with keys of any name")
        properties: dict[str, Schema] = strict["properties"]
        strict["properties"] = {name: _strict(inner, f"{where}.{name}") for name, inner in properties.items()}
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
    elif strict.get("type") == "array":
        if "prefixItems" in strict:
            raise _unsupported(where, "a tuple")
        strict["items"] = _strict(strict.get("items", {}), f"{where}[]")
    return strict


def _move_to_description(schema: Schema) -> None:
    unknown = [key for key in schema if key in _UNKNOWN]
    if schema.get("format", "date") not in _FORMATS:
        unknown.append("format")
    if any(token in schema.get("pattern", "") for token in _LOOKAROUND):
        unknown.append("pattern")
    if unknown:
        notes = ", ".join(f"{key}: {schema.pop(key)}" for key in unknown)
        schema["description"] = f"{schema['description']} ({notes})" if schema.get("description") else notes


def _unsupported(where: str, what: str) -> ValueError:
    return ValueError(f"strict mode does not support {what} ({where}); change the model, or pass strict=False")
