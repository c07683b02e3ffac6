"""A type becomes a response format, and a text an object of it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import TypedDict

from raptscallions_ai.answer.result import OutputIssue
from raptscallions_ai.structured.output_format import OutputFormat, Unfit, output_format

pytestmark = pytest.mark.requirement("E04-T005.AC4")


class Person(BaseModel):
    name: str
    born: date


class Node(BaseModel):
    value: int
    children: list[Node] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str


class Names(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Owner(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")

    @field_validator("pet")
    @classmethod
    def no_dogs(cls, pet: Cat | Dog) -> Cat | Dog:
        if isinstance(pet, Dog):
            raise ValueError("dogs are not let in")
        return pet


def read(model: type[Any], text: str, *, strict: bool = True) -> Any:
    return output_format(model, strict=strict).read(text)


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (Person, '{"name": "Ada", "born": "1815-12-10"}', Person(name="Ada", born=date(1815, 12, 10))),
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Movie, '{"title": "Metropolis"}', {"title": "Metropolis"}),
        (Node, '{"value": 1, "children": [{"value": 2}]}', Node(value=1, children=[Node(value=2)])),
        (list[Point], '{"value": [{"x": 1}]}', [Point(1)]),
        (Names, '{"value": ["a"]}', Names(["a"])),
        (int, '{"value": 3}', 3),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Point | Movie, '{"value": {"title": "M"}}', {"title": "M"}),
        (Annotated[list[int], {"unhashable": []}], '{"value": [1]}', [1]),
    ],
)
def test_all_kinds_of_types(model: type[Any], text: str, expected: object) -> None:
    asked = output_format(model, strict=True).response_format["json_schema"]
    assert asked["strict"] is True
    assert (asked["schema"]["type"], asked["schema"]["additionalProperties"]) == ("object", False)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", asked["name"])
    assert read(model, text) == expected


def test_without_strict_mode_the_schema_is_pydantics_own() -> None:
    asked = output_format(dict[str, int], strict=False).response_format
    assert asked == {
        "type": "json_schema",
        "json_schema": {
            "name": "dict",
            "strict": False,
            "schema": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    assert read(dict[str, int], '{"a": 1}', strict=False) == {"a": 1}
    with pytest.raises(ValueError, match="strict=False"):
        output_format(dict[str, int], strict=True)


def test_the_titles_that_pydantic_makes_of_names_are_not_sent() -> None:
    schema = output_format(Person, strict=True).response_format["json_schema"]["schema"]
    assert schema["properties"]["name"] == {"type": "string"}


def test_a_types_schema_is_made_once() -> None:
    assert output_format(list[Person], strict=True) is output_format(list[Person], strict=True)
    assert output_format(Person, strict=True) is not output_format(Person, strict=False)


@pytest.mark.parametrize("model", ["my secret", 5, None, Person(name="my secret", born=date.min), ["my secret"]])
def test_what_is_no_type_is_refused_without_quoting_it(model: Any) -> None:
    with pytest.raises(TypeError, match=f"must be a type.*not {type(model).__name__}") as caught:
        output_format(model, strict=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("model", [Callable[[], None], type("Own", (), {})])
def test_a_type_without_a_schema_is_refused(model: Any) -> None:
    with pytest.raises(TypeError, match="cannot make a JSON schema from") as caught:
        output_format(model, strict=True)
    assert caught.value.__context__ is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON: EOF"),
        ('{"x": 1', "Invalid JSON: EOF"),
        ("no", "Invalid JSON"),
        ("[" * 5000, "Invalid JSON"),
        ('{"x": "\ud800"}', ""),
        ('{"x": ' + "9" * 6000 + "}", ""),
    ],
)
def test_what_is_not_json(text: str, reason: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(Point, text)
    assert caught.value.issues[0].reason.startswith(reason)


def test_what_does_not_fit_is_reported_with_its_place_and_without_its_value() -> None:
    with pytest.raises(Unfit) as caught:
        read(
            list[Owner],
            '{"value": [{"pet": {"kind": "cat"}}, {"pet": {"kind": "a secret"}}, {"pet": {"kind": "dog"}}]}',
        )
    assert caught.value.is_json
    assert caught.value.issues == (
        OutputIssue((1, "pet"), "The tag must be one of 'cat', 'dog'"),
        OutputIssue((2, "pet"), "Value error, dogs are not let in"),
    )


DRAFT, ANSWER = '{"x": 7}', '{"x": 1}'


@pytest.mark.requirement("E04-T021.AC1")
@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"x": 1}\n```',
        '```\n{"x": 1}\n```\n',
        'Here it is: {"x": 1}. Anything else?',
        '\ufeff{"x": 1}',
        '<think>One.</think>\n{"x": 1}',
        f"<think>{DRAFT}, or so?</think>\n{ANSWER}",
        f"<Thinking>{DRAFT}</Thinking>```json\n{ANSWER}\n```\nI hope {{this}} helps.",
        f"<think></think><think>{DRAFT} {{ and a brace</think>{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"◁think▷{DRAFT}◁/think▷{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
        f"The gateway kept the mark: {DRAFT} </think> {ANSWER}",
        f"I must end with </think>, so: {DRAFT}\n</think>\n{ANSWER}",
        f'{ANSWER}\n\nNote: {{"x"}} is a point, </think> is not.',
        f'{ANSWER}\nIn a map it would be {{"map": {{"x": "no"}}}}.',
        f'A set {{1, 2}} and {{"a": bad}} first: {ANSWER}',
        f"{ANSWER}\n\nAgain: {ANSWER}",
    ],
)
def test_the_object_is_found_as_models_write(text: str) -> None:
    assert read(Point, text) == Point(1)


@pytest.mark.requirement("E04-T021.AC1")
@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1} {"x": 2}',
        'First {"x": 7}, no: {"x": 1}',
        '{"x": 1} and {',
        'First {"x": 7}, no: {"x": ',
        'First {"x": 7}, no: {"x": "1',
        '<think>{"x": 7}',
        '{"points": [{"x": 1}, {"x',
        "{" * 5000,
        '{"' * 5000,
        "no {object} here",
    ],
)
def test_a_text_with_no_object_or_more_than_one_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(Point, text)
    assert not caught.value.is_json


def test_an_embedded_object_that_does_not_fit_is_reported_as_such() -> None:
    with pytest.raises(Unfit) as caught:
        read(Point, '```\n{"x": "no"}\n```')
    assert caught.value.is_json
    assert caught.value.issues[0].path == ("x",)


def test_reading_what_was_written() -> None:
    node = Node(value=1, children=[Node(value=2, children=[Node(value=3)])])
    assert OutputFormat(Node, strict=True).read(node.model_dump_json()) == node
    assert OutputFormat(list[Node], strict=True).read(json.dumps({"value": [node.model_dump()]})) == [node]
