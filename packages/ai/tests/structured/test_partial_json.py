"""Partial JSON: of any valid text, cut anywhere, the incremental parser tells what jiter tells of the whole."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai.structured import StreamingJson, parse_streaming_json, partial_json

pytestmark = pytest.mark.requirement("E04-T005.AC3")

TEXTS = st.text(st.sampled_from('ab "\\/\n\t\x00é\u2028\ud7ff😀'), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=12)
DOCUMENTS = st.builds(
    json.dumps,
    st.dictionaries(TEXTS, VALUES),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 1]),
    separators=st.sampled_from([(",", ":"), (" , ", " : ")]),
)


def test_the_example_of_the_documentation() -> None:
    assert parse_streaming_json('{"query": "hello') == {"query": "hello"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{", {}), ('{"a', {}), ('{"a"', {}), ('{"a":', {}), ('{"a":1', {"a": 1}), ('{"a":12', {"a": 12}),
        ('{"a":1.', {}), ('{"a":tru', {}), ('{"a":true', {"a": True}), ('{"a":[1,', {"a": [1]}),
        ('{"a":{"b":"c', {"a": {"b": "c"}}), ('{"a":"x\\', {"a": "x"}), ('{"a":"x\\u00', {"a": "x"}),
        ('{"a":"\\ud83d', {"a": ""}), ('{"a":"\\ud83d\\ude00', {"a": "😀"}), ('{"a":1} ', {"a": 1}),
        ('{"a":-', {}), (' {"a":nul', {}), ('{"a":"x","a":"y', {"a": "y"}),
    ],
)  # fmt: skip
def test_beginnings(text: str, value: dict[str, Any]) -> None:
    assert parse_streaming_json(text) == value
    assert StreamingJson().feed(text) == value
    letters = StreamingJson()
    for letter in text:
        letters.feed(letter)
    assert letters.value == value


@pytest.mark.parametrize("text", ["", " ", "[1]", '"x', "5", "null", "nothing", "\ufeff{}", "\ud83d", '[{"a":1}'])
def test_what_is_no_object_is_none(text: str) -> None:
    assert parse_streaming_json(text) is None
    assert StreamingJson().feed(text) is None


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ('{"a":1,}', {"a": 1}), ('{"a":1,"b":tx', {"a": 1}), ('{"a":"x\n"', {"a": "x"}), ('{"a":1,b', {"a": 1}),
        ('{"a" 1', {}), ('{"a":01', {}), ('{"a":1} and more', {"a": 1}), ('{"a":[1 2', {"a": [1]}),
        ('{"a":"\\x', {"a": ""}), ('{"a":"x\\ude00', {"a": "x"}), ('{"a":-x', {}), ('{"a":[1,]', {"a": [1]}),
        ('{"a":[1}', {"a": [1]}), ('{"a":' * 300, None), ('{"a":' + "9" * 5000 + "}", {}),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_after_a_fault_the_object_stays_what_it_was(text: str, before: dict[str, Any] | None) -> None:
    parser = StreamingJson()
    seen = parser.feed(text)
    assert parser.feed(',"late":1}') is seen
    if before is None:
        assert json.dumps(seen).count("{") == 201
    else:
        assert seen == before


@given(DOCUMENTS, st.data())
def test_any_document_in_any_pieces(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parser = StreamingJson()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        assert parser.feed(text[start:end]) == parse_streaming_json(text[:end])
    assert parser.value == json.loads(text)


@given(DOCUMENTS, st.data())
def test_any_damaged_document_gives_a_beginning_and_no_exception(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = (
        text[:at]
        + data.draw(st.sampled_from(["", "x", '"', "\\", "{", "]", "}", ",", ":", "1", "\\ud800"]))
        + text[at + 1 :]
    )
    parser = StreamingJson()
    for letter in damaged:
        parser.feed(letter)
    whole = StreamingJson().feed(damaged)
    assert parser.value == whole
    try:
        json.loads(damaged)
    except ValueError:
        return
    # Half a surrogate pair is JSON to Python, but to nobody else.
    assert "\\ud" in damaged.lower() or whole == parse_streaming_json(damaged)


@pytest.mark.parametrize("document", [{"text": 'a "word" \n' * 16_000}, {"rows": [{"n": i} for i in range(16_000)]}])
def test_a_delta_costs_the_same_at_the_end_as_at_the_beginning(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    deltas = [text[at : at + 8] for at in range(0, len(text), 8)]
    assert len(deltas) > 16_000
    parser = StreamingJson()
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line" and frame.f_code.co_filename == partial_json.__file__
        return trace

    def work_of(part: list[str]) -> int:
        nonlocal lines
        lines = 0
        before = sys.gettrace()
        sys.settrace(trace)
        for delta in part:
            parser.feed(delta)
        sys.settrace(before)
        return lines

    first = work_of(deltas[:1000])
    for delta in deltas[1000:-1000]:
        parser.feed(delta)
    last = work_of(deltas[-1000:])
    assert parser.value == document
    assert first > 5000
    assert last < first * 1.2


def test_the_same_object_grows() -> None:
    parser = StreamingJson()
    first = parser.feed('{"a": {"b": "x')
    assert parser.feed('y"}, "c": 1') is first
    assert first == {"a": {"b": "xy"}, "c": 1}
    assert repr(parser) == "StreamingJson(2 keys)"
    assert repr(StreamingJson()) == "StreamingJson(nothing yet)"
