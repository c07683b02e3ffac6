"""Parsers take time in proportion to their input, in every dimension of it; validation of hostile output ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from time import process_time
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator

from raptscallions_ai import StreamCollector, tool
from raptscallions_ai.answer.chunks import ContentChunk, ToolCallChunk
from raptscallions_ai.errors import InvalidOutputError, ToolError
from raptscallions_ai.structured.output_format import OutputFormat
from raptscallions_ai.structured.partial_json import StreamingJson
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.nesting import deepest


def letters(text: str) -> Iterable[str]:
    return text


def fed(deltas: Iterable[str]) -> StreamingJson:
    parser = StreamingJson()
    for delta in deltas:
        parser.feed(delta)
    return parser


def collected(size: int, make: Callable[[str], Any]) -> StreamCollector:
    collector = StreamCollector()
    for _ in range(size):
        collector.add(make("x"))
    return collector


WORK: dict[str, Callable[[int], object]] = {
    "a long name": lambda size: fed(letters('{"' + "n" * size + '": 1}')),
    "a long name with escapes": lambda size: fed(letters('{"' + "\\n" * (size // 2) + '": 1}')),
    "a long text": lambda size: fed(letters('{"a": "' + "x" * size + '"}')),
    "many names": lambda size: fed(letters("{" + ", ".join(f'"{i}": 1' for i in range(size // 10)) + "}")),
    "long names": lambda size: fed(letters("{" + ", ".join(f'"{i:01000}": 1' for i in range(size // 1000)) + "}")),
    "many items": lambda size: fed(letters('{"a": [' + ", ".join(["1"] * (size // 3)) + "]}")),
    "deep": lambda size: fed(letters('{"a":' * 190 + "[" + "[], " * (size // 4))),
    "spaces": lambda size: fed(letters('{"a": ' + " " * size + "1}")),
    "what is no JSON": lambda size: fed(letters("{]" + "x" * size)),
    "an answer in letters": lambda size: collected(size, ContentChunk),
    "arguments in letters": lambda size: collected(size, lambda x: ToolCallChunk(0, "1", "f", x)),
}


@pytest.mark.parametrize("what", WORK)
def test_eight_times_the_input_takes_about_eight_times_as_long(what: str) -> None:
    def seconds(size: int) -> float:
        times: list[float] = []
        for _ in range(2):
            began = process_time()
            WORK[what](size)
            times.append(process_time() - began)
        return min(times)

    # Quadratic work would take 64 times as long; what is copied only in bulk shows from about this size on.
    size = 60_000 if what == "a long name" else 12_000
    small = max(seconds(size), 0.001)
    assert seconds(8 * size) / small < 30


def test_a_name_of_a_megabyte_comes_out_whole() -> None:
    name = "näme \\ud83d\\ude00" * 1000
    parser = fed(letters('{"' + name + '": {"b": 1}}'))
    assert parser.value == json.loads('{"' + name + '": {"b": 1}}')


class Leaf(BaseModel):
    kind: Literal["leaf"] = "leaf"
    child: Leaf | Twig | None = None


class Twig(BaseModel):
    kind: Literal["twig"] = "twig"
    child: Leaf | Twig | None = None


class Bough(BaseModel):
    kind: Literal["bough"] = "bough"
    children: list[Annotated[Bough | Tree, Discriminator("kind")]] = []


class Tree(BaseModel):
    kind: Literal["tree"] = "tree"
    children: list[Annotated[Bough | Tree, Discriminator("kind")]] = []


class Chain(BaseModel):
    next: Chain | None = None


class Pair(BaseModel):
    one: Leaf | int = 5
    two: Chain | str = ""


def nested(depth: int, innermost: str = '{"child": 5}') -> str:
    return '{"child": ' * depth + innermost + "}" * depth


@pytest.mark.parametrize(
    ("kind", "limited"), [(Leaf, True), (Twig, True), (Pair, True), (Bough, False), (Tree, False), (Chain, False)]
)
def test_only_unions_that_hold_themselves_without_a_discriminator_are_limited(kind: Any, limited: bool) -> None:
    assert (deepest(kind.model_json_schema()) is not None) == limited


async def test_hostile_output_ends_at_once() -> None:
    began = process_time()
    for depth in (12, 40, 1000, 100_000):
        with pytest.raises(InvalidOutputError) as caught:
            await ScriptedClient(nested(depth)).parse("Hi", Leaf)
        if depth < 1000:
            assert "nested too deeply" in caught.value.errors[0].reason
        pieces = [nested(depth)[start : start + 5000] for start in range(0, len(nested(depth)), 5000)]
        with pytest.raises(InvalidOutputError):
            await ScriptedClient(pieces).stream_parse("Hi", Leaf).result()
        with pytest.raises(InvalidOutputError):
            async for _ in ScriptedClient(pieces).stream_parse("Hi", Leaf):
                pass
    assert process_time() - began < 10


def test_what_is_not_too_deep_is_read() -> None:
    output = OutputFormat(Leaf, strict=False)
    assert output.read(nested(6, "{}")).child is not None
    assert output.read('{"child": null, "kind": "leaf"}').child is None
    deep = '{"kind": "bough", "children": [' * 50 + "]}" * 50
    assert OutputFormat(Bough, strict=False).read(deep).children


def test_hostile_arguments_end_at_once() -> None:
    @tool
    def plant(leaf: Leaf) -> None:
        raise NotImplementedError

    began = process_time()
    with pytest.raises(ToolError, match="nested too deeply"):
        plant.validate('{"leaf": ' + nested(40) + "}")
    assert process_time() - began < 1


def test_braces_within_texts_are_no_levels() -> None:
    @tool
    def plant(leaf: Leaf, note: str) -> None:
        raise NotImplementedError

    assert plant.validate(json.dumps({"leaf": {}, "note": "{" * 100 + '"\\'}))["note"].startswith("{{")
