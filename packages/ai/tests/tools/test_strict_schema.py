"""Schemas in OpenAI's strict dialect: everything is required, nothing else allowed, and unknown keywords are told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from raptscallions_ai.tools.json_schema import strict_schema

pytestmark = pytest.mark.requirement("E04-T005.AC4")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Node(BaseModel):
    value: int
    children: list[Node] = []


class Owner(BaseModel):
    """Who has a pet."""

    model_config = ConfigDict(extra="allow")
    name: Annotated[str, Field(min_length=2, max_length=9, description="In full.")] = "Ada"
    age: int | None = Field(None, ge=0, le=150)
    pet: Cat | Dog = Field(discriminator="kind")
    cat: Cat = Field(description="The best.")
    link: str = Field("", json_schema_extra={"format": "uri"})
    born: str = Field("", json_schema_extra={"format": "date"})
    code: str = Field("", json_schema_extra={"pattern": "^(?!x)"})
    plain: str = Field("", pattern="^[a-z]+$")
    tags: set[str] = set()


def test_the_dialect() -> None:
    schema = strict_schema(TypeAdapter(Owner).json_schema())
    pet: dict[str, Any] = {"type": "object", "required": ["kind"], "additionalProperties": False}
    properties = schema.pop("properties")
    assert schema == {
        "$defs": {
            name: {**pet, "title": name, "properties": {"kind": {"const": tag, "title": "Kind", "type": "string"}}}
            for name, tag in (("Cat", "cat"), ("Dog", "dog"))
        },
        "title": "Owner",
        "description": "Who has a pet.",
        "type": "object",
        "required": list(Owner.model_fields),
        "additionalProperties": False,
    }
    for inner in properties.values():
        inner.pop("title", None)
    assert properties == {
        "name": {"type": "string", "description": "In full. (maxLength: 9, minLength: 2)"},
        "age": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 150}, {"type": "null"}]},
        "pet": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
        "cat": {"anyOf": [{"$ref": "#/$defs/Cat"}], "description": "The best."},
        "link": {"type": "string", "description": "format: uri"},
        "born": {"type": "string", "format": "date"},
        "code": {"type": "string", "description": "pattern: ^(?!x)"},
        "plain": {"type": "string", "pattern": "^[a-z]+$"},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "uniqueItems: True"},
    }


def test_a_schema_that_refers_to_itself() -> None:
    given_schema = TypeAdapter(Node).json_schema()
    schema = strict_schema(given_schema)
    assert schema["$defs"]["Node"]["required"] == ["value", "children"]
    assert schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert given_schema == TypeAdapter(Node).json_schema(), "the schema that was given was changed"


class Free(BaseModel):
    extra: dict[str, int]


class Point(BaseModel):
    at: tuple[int, int]


class Anything(BaseModel):
    inner: list[Any]


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (Free, r"an object with keys of any name \(the model\.extra\)"),
        (Point, r"a tuple \(the model\.at\)"),
        (Anything, r"a value of any type \(the model\.inner\[\]\)"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_place(model: type[BaseModel], where: str) -> None:
    with pytest.raises(ValueError, match=f"{where}.*strict=False"):
        strict_schema(TypeAdapter(model).json_schema())


Schema = dict[str, Any]
SCALARS: list[Schema] = [{"type": "string"}, {"type": "integer", "default": 3}, {"enum": ["a"], "title": "A"}]


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def choice(choices: list[Schema]) -> Schema:
    return {"oneOf": choices}


def an_object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties}


def larger(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    fields = st.dictionaries(st.sampled_from(["a", "default", "title", "oneOf"]), inner, max_size=3)
    choices = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(st.builds(array, inner), st.builds(choice, choices), st.builds(an_object, fields))


schemas: st.SearchStrategy[Schema] = st.recursive(st.sampled_from(SCALARS), larger, max_leaves=8)


def nodes(schema: Schema) -> list[Schema]:
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    inner += [schema["items"]] if "items" in schema else []
    return [schema, *(node for one in inner for node in nodes(one))]


@given(schemas)
def test_every_part_of_any_schema_is_strict_and_no_property_is_lost(schema: Schema) -> None:
    strict = strict_schema(schema)
    for before, after in zip(nodes(schema), nodes(strict), strict=True):
        assert not after.keys() & {"oneOf", "default"}
        assert list(after.get("properties", ())) == list(before.get("properties", ()))
        if after.get("type") == "object":
            assert (after["required"], after["additionalProperties"]) == (list(after["properties"]), False)
