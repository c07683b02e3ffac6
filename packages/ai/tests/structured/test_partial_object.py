"""Objects of JSON of which only the beginning is there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field, RootModel, field_validator
from typing_extensions import TypedDict

from raptscallions_ai.structured.output_format import output_format
from raptscallions_ai.structured.parsed_stream import GrowingObject
from raptscallions_ai.structured.partial_object import MISSING, partial_object

pytestmark = pytest.mark.requirement("E04-T005.AC4")


class Colour(Enum):
    RED = "red"


class Address(BaseModel):
    street: str
    city: str = "Rome"


class Person(BaseModel):
    name: str
    age: int
    born: date | None = None
    home: Address | None = None
    friends: list[Person] = []

    @field_validator("name")
    @classmethod
    def no_eves(cls, name: str) -> str:
        if name == "Eve":
            raise ValueError("no Eves")
        return name


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 7
    labels: list[str] = dataclasses.field(default_factory=list[str])
    other: Point | None = None


class Movie(TypedDict, total=False):
    title: str
    year: int


class Names(RootModel[list[str]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Renamed(BaseModel):
    first: str = Field(alias="firstName")
    second: str = Field(validation_alias=AliasChoices("two", "zwei"))


class Required(BaseModel):
    text: str
    texts: list[str]
    unique: set[int]
    pairs: Mapping[str, int]
    limited: Annotated[list[int], Field(min_length=2)]
    number: int
    home: Address
    perhaps: str | None


@dataclasses.dataclass
class RequiredToo:
    text: str
    texts: list[str]
    unique: set[int]
    pairs: Mapping[str, int]
    limited: Annotated[list[int], Field(min_length=2)]
    number: int
    home: Address
    perhaps: str | None


@pytest.mark.parametrize("kind", [Required, RequiredToo])
def test_a_field_that_is_missing_and_has_no_default_is_empty_or_none(kind: type) -> None:
    made = partial_object(kind, {})
    values = [getattr(made, name) for name in Required.model_fields]
    assert values == ["", [], set[int](), {}, [], None, None, None]


def test_a_dataclass_that_is_only_known_inside_a_function() -> None:
    @dataclasses.dataclass
    class Inner:
        point: Point

    @dataclasses.dataclass
    class Outer:
        inner: Inner

    assert partial_object(Outer, {"inner": {}}) is MISSING


def test_a_field_that_is_missing_has_its_default() -> None:
    made = partial_object(Person, {"name": "A"})
    assert isinstance(made, Person)
    assert (made.name, made.age, made.born, made.home, made.friends) == ("A", None, None, None, [])
    assert made.model_fields_set == {"name"}
    assert repr(made) == "Person(name='A', age=None, born=None, home=None, friends=[])"


def test_models_within_models_even_of_their_own_kind() -> None:
    made = partial_object(Person, {"name": "A", "home": {"street": "x"}, "friends": [{"name": "B"}, {"age": 3}]})
    assert isinstance(made.home, Address)
    assert (made.home.street, made.home.city) == ("x", "Rome")
    assert [(type(friend), friend.name, friend.age) for friend in made.friends] == [
        (Person, "B", None),
        (Person, "", 3),
    ]


def test_what_has_arrived_in_full_is_validated_and_the_rest_is_not() -> None:
    made = partial_object(list[Person], [{"name": "A", "age": 1, "born": "2000-01-02"}, {"name": "Eve"}])
    assert [type(person.born) for person in made] == [date, type(None)]
    assert made[1].name == "Eve", "a validator ran on what is still arriving"
    # The first one is whole and wrong: what can be made of it is shown, and the end of the answer will tell.
    made = partial_object(list[Person], [{"name": "Eve", "age": "no"}, {"name": "B"}])
    assert [(person.name, person.age) for person in made] == [("Eve", None), ("B", None)]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (str, "unfinis", "unfinis"),
        (date, "2024-0", MISSING),
        (date, "2024-01-02", date(2024, 1, 2)),
        (Colour, "re", MISSING),
        (Colour, "red", Colour.RED),
        (Literal["red"], "re", MISSING),
        (Decimal, 1.5, Decimal("1.5")),
        (Annotated[str, Field(min_length=3)], "ab", MISSING),
        (Annotated[int, BeforeValidator(len)], "abc", 3),
        (Annotated[str, {"unhashable": []}], "a", "a"),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | str, "a", "a"),
        (int | None, None, None),
        (dict[str, int], {"a": 1, "b": "x", "c": 2}, {"a": 1, "c": 2}),
        (dict, {"a": 1}, {"a": 1}),
        (Mapping[str, Point], {"a": {}}, {"a": None}),
        (list, [1, "a"], [1, "a"]),
        (Sequence[int], [1, "x", 2], [1, 2]),
        (set[int], [1, 2], {1, 2}),
        (set[Point], [{"x": 1}], MISSING),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1], MISSING),
        (Annotated[list[int], Field(min_length=3)], [1], [1]),
        (Movie, {"title": "M"}, {"title": "M"}),
        (Names, ["a"], Names(["a"])),
        (Names, "a", MISSING),
        (int, {"a": 1}, MISSING),
        (int, [1], MISSING),
    ],
)
def test_what_is_made_of_a_value(annotation: Any, value: Any, expected: Any) -> None:
    made = partial_object(annotation, value)
    if expected == {"a": None}:
        assert (type(made["a"]), made["a"].x, made["a"].y) == (Point, None, 7)
    elif expected is MISSING:
        assert made is MISSING
    else:
        assert (type(made), made) == (type(expected), expected)


def test_dataclasses_frozen_ones_too() -> None:
    made = partial_object(Point, {"labels": ["a"], "other": {"x": 1}})
    assert (made.x, made.y, made.labels, made.other.x, made.other.labels) == (None, 7, ["a"], 1, [])
    one, two = partial_object(Point, {}), partial_object(Point, {})
    assert one.labels is not two.labels


def test_keys_that_have_another_name_in_json() -> None:
    made = partial_object(Renamed, {"firstName": "a", "two": "b"})
    assert (made.first, made.second) == ("a", "b")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"kind": "do"}, None),
        ({"kind": "dog"}, Dog),
        ({"kind": "cat", "lives": 9}, Cat),
        ({"name": "Rex"}, Dog),
        ({"lives": 9}, Cat),
    ],
)
@pytest.mark.parametrize("annotation", [Cat | Dog, Optional[Annotated[Cat | Dog, Field(discriminator="kind")]]])  # noqa: UP045 - `|` does not take an Annotated
def test_the_likeliest_of_several_models_is_made(annotation: Any, value: dict[str, Any], kind: type | None) -> None:
    made = partial_object(annotation, value)
    assert type(made) is kind if kind else made is MISSING


def partials(model: type[Any], text: str, *, size: int = 1) -> list[Any]:
    growing = GrowingObject(output_format(model, strict=False))
    made = [growing.add(text[start : start + size]) for start in range(0, len(text), size)]
    return [one for one in made if one is not MISSING]


def test_a_number_is_there_when_it_is_whole() -> None:
    made = [
        (point["x"], point["y"]) for point in partials(dict[str, Any], '{"x": 120, "y": -1.5e3}') if len(point) == 2
    ]
    assert made == [(120, -1500.0)]


def test_a_text_grows_and_no_state_is_yielded_twice() -> None:
    made = partials(Address, '{ "street": "A1 \\u00e9", "city": "B" }')
    assert [(one.street, one.city) for one in made] == [
        *[("", "Rome"), ("A", "Rome"), ("A1", "Rome"), ("A1 ", "Rome"), ("A1 é", "Rome")],
        *[("A1 é", ""), ("A1 é", "B")],
    ]
    assert made[-1] == Address(street="A1 é", city="B")


@pytest.mark.requirement("E04-T021.AC1")
@pytest.mark.parametrize(
    "before",
    [
        "```json\n",
        "\ufeff\n",
        "<think>Hm.</think>",
        '<think>{"street": "draft"} {</think>\n```\n',
        '<|channel|>analysis<|message|>{"street": "draft"}<|end|><|start|>assistant<|channel|>final<|message|>',
    ],
)
def test_fences_and_thinking_are_passed_over_and_no_draft_is_given(before: str) -> None:
    made = partials(Address, before + '{"street": "x y", "city": "B"}\n```\nA note about {"street": "z"}.')
    assert [one.street for one in made] == ["", "x", "x ", "x y", "x y", "x y"]


@pytest.mark.requirement("E04-T021.AC1")
@pytest.mark.parametrize(
    "text",
    [
        "no object at all",
        "{no object}",
        'Sure: {"street": "x"}',
        'Perhaps ```json\n{"street": "draft"}\n``` </think> {"street": "x"}',
        '<think>{"street": "draft"}',
    ],
)
def test_what_may_be_a_draft_is_not_given_while_it_arrives(text: str) -> None:
    assert partials(Address, text) == []


names = st.text(max_size=5).filter(lambda name: name != "Eve")
persons = st.recursive(
    st.builds(Person, name=names, age=st.integers(-999, 999)),
    lambda inner: st.builds(
        Person,
        name=names,
        age=st.just(1),
        home=st.builds(Address, street=st.text(max_size=5)),
        friends=st.lists(inner, max_size=3),
    ),
    max_leaves=5,
)


@example(Person(name=".0", age=1))
@given(persons)
def test_the_parts_of_any_object_lead_to_the_whole(person: Person) -> None:
    made = partials(Person, person.model_dump_json())
    assert made[-1] == person
    names = [one.name for one in made]
    assert all(person.name.startswith(name) for name in names)
    assert names == sorted(names, key=len)
    assert {one.age for one in made} <= {None, person.age}


def test_what_a_delta_costs_does_not_grow_with_the_square() -> None:
    seen = 0

    def note(value: str) -> str:
        nonlocal seen
        seen += 1
        return value

    class Place(BaseModel):
        street: Annotated[str, AfterValidator(note)]
        city: str

    def validations(count: int) -> int:
        nonlocal seen
        seen = 0
        text = json.dumps({"value": [{"street": "Via Appia", "city": "Rome"}] * count})
        growing = GrowingObject(output_format(list[Place], strict=True))
        made = [growing.add(text[start : start + 4]) for start in range(0, len(text), 4)]
        assert len([one for one in made if one is not MISSING][-1]) > count * 0.9
        return seen

    few, many = validations(100), validations(400)
    assert few >= 100
    assert many < 6 * few, "a square would be 16 times as many"
