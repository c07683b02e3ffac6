"""Parsers do work in proportion to their input, in every dimension of it; validation of hostile output ends."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator

from raptscallions_ai import StreamCollector, tool
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.lines import LinesDecoder
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai._dialects.sse import SSEDecoder
from raptscallions_ai._transport.http.incoming import ResponseParser
from raptscallions_ai.answer.chunks import ContentChunk, ToolCallChunk
from raptscallions_ai.errors import InvalidOutputError, ToolError
from raptscallions_ai.structured.embedded import objects
from raptscallions_ai.structured.output_format import OutputFormat
from raptscallions_ai.structured.partial_json import StreamingJson
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.tools.nesting import deepest

Feed = Callable[[Any], object]


def json_feed() -> Feed:
    return StreamingJson().feed


def collector_feed(make: Callable[[str], Any]) -> Callable[[], Feed]:
    def new() -> Feed:
        collector = StreamCollector()
        return lambda letter: collector.add(make(letter))

    return new


def sse_feed() -> Feed:
    return SSEDecoder(1 << 30).feed


def lines_feed() -> Feed:
    return LinesDecoder(1 << 30).feed


def http_feed() -> Feed:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    return parser.feed


def answer_feed() -> Feed:
    fold = Fold(model="m", require_usage=False, redact=str)
    decoder = AnswerDecoder(fold, OpenAIReader(fold), max_bytes=1 << 30)
    return decoder.feed


def objects_feed() -> Feed:
    return objects


def octets(text: str) -> Iterable[bytes]:
    return (text[at : at + 1].encode() for at in range(len(text)))


def event(delta: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def tool_calls(count: int) -> Iterable[bytes]:
    function = {"name": "f", "arguments": "{}"}
    return (event({"tool_calls": [{"index": at, "id": f"c{at}", "function": function}]}) for at in range(count))


# What reads, and what it is given in as many pieces as there are letters, bytes, events or texts.
WORK: dict[str, tuple[Callable[[], Feed], Callable[[int], Iterable[Any]]]] = {
    "a long name": (json_feed, lambda size: '{"' + "n" * size + '": 1}'),
    "a long name with escapes": (json_feed, lambda size: '{"' + "\\n" * (size // 2) + '": 1}'),
    "a long text": (json_feed, lambda size: '{"a": "' + "x" * size + '"}'),
    "many names": (json_feed, lambda size: "{" + ", ".join(f'"{i:06}": 1' for i in range(size // 10)) + "}"),
    "long names": (json_feed, lambda size: "{" + ", ".join(f'"{i:0100}": 1' for i in range(size // 100)) + "}"),
    "many items": (json_feed, lambda size: '{"a": [' + ", ".join(["1"] * (size // 3)) + "]}"),
    "deep": (json_feed, lambda size: '{"a":' * 190 + "[" + "[], " * (size // 4)),
    "spaces": (json_feed, lambda size: '{"a": ' + " " * size + "1}"),
    "what is no JSON": (json_feed, lambda size: "{]" + "x" * size),
    "an answer in letters": (collector_feed(ContentChunk), lambda size: "x" * size),
    "arguments in letters": (collector_feed(lambda x: ToolCallChunk(0, "1", "f", x)), lambda size: "x" * size),
    "an event in bytes": (sse_feed, lambda size: octets("data: " + "x" * size + "\n\n")),
    "an event of many lines": (sse_feed, lambda size: octets("data: x\n" * (size // 8) + "\n")),
    "an event of comments": (sse_feed, lambda size: octets(": x\n" * (size // 4))),
    "a document in bytes": (lines_feed, lambda size: octets('{"a": "' + "x" * size + '"}\n')),
    "a body of small chunks": (http_feed, lambda size: octets("1\r\nx\r\n" * (size // 6))),
    "an answer of many events": (answer_feed, lambda size: (event({"content": "x"}) for _ in range(size // 10))),
    "many tool calls": (answer_feed, lambda size: tool_calls(size // 10)),
    "objects in a text": (objects_feed, lambda size: ['{"a": {"b": 1}} and {so on}, ' * (size // 28)]),
    "beginnings of objects": (objects_feed, lambda size: ['{"a": ' * (size // 6)]),
    "braces": (objects_feed, lambda size: ["{" * size]),
}


def calls_of(feed: Feed, pieces: Iterable[Any]) -> int:
    """Return how many calls it took, in Python and in C."""
    calls = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    for piece in pieces:
        sys.setprofile(note)
        try:
            feed(piece)
        finally:
            sys.setprofile(before)
    return calls


def bytes_of(feed: Feed, pieces: Iterable[Any]) -> int:
    """Return how many bytes were allocated on the way: what is copied again and again is a single call each time."""
    allocated = 0
    tracemalloc.start()
    try:
        for piece in pieces:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            feed(piece)
            allocated += max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return allocated


LEAST = {calls_of: 50, bytes_of: 10_000}  # of what is done once, whatever there is to read


@pytest.mark.requirement("E04-T016.AC3")
@pytest.mark.parametrize("what", WORK)
def test_eight_times_the_input_takes_about_eight_times_the_work(what: str) -> None:
    new_feed, pieces = WORK[what]
    calls_of(new_feed(), pieces(100))  # what is made on first use
    for count in (calls_of, bytes_of):  # which are the same on every machine
        assert count(new_feed(), pieces(6400)) < 12 * max(count(new_feed(), pieces(800)), LEAST[count])


def test_a_name_of_a_megabyte_comes_out_whole() -> None:
    name = "näme \\ud83d\\ude00" * 1000
    parser = StreamingJson()
    for letter in '{"' + name + '": {"b": 1}}':
        parser.feed(letter)
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


@pytest.mark.requirement("E04-T016.AC4")
async def test_hostile_output_ends_at_once() -> None:
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

    with pytest.raises(ToolError, match="nested too deeply"):
        plant.validate('{"leaf": ' + nested(40) + "}")


def test_braces_within_texts_are_no_levels() -> None:
    @tool
    def plant(leaf: Leaf, note: str) -> None:
        raise NotImplementedError

    assert plant.validate(json.dumps({"leaf": {}, "note": "{" * 100 + '"\\'}))["note"].startswith("{{")
