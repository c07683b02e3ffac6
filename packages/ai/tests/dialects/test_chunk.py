import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.chunk import WireChunk, WireDelta, decode_chunk, decode_usage, lenient
from raptscallions_ai._dialects.json import MalformedJSONError, parse_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COUNT = st.integers(0, 2**40)
NUMBER = st.floats(-1e300, 1e300, allow_nan=False)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, ANY, max_size=3)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of the fields, each of them possibly null, and with a field that nobody knows."""
    optional = {name: st.none() | strategy for name, strategy in fields.items()}
    return st.fixed_dictionaries({}, optional={**optional, "unknown field": ANY})


FUNCTION = maybe(name=TEXT, arguments=TEXT | OBJECT)
TOOL_CALL = maybe(index=COUNT, id=TEXT, function=FUNCTION, type=TEXT)
DELTA = maybe(
    role=TEXT,
    content=TEXT | st.lists(ANY, max_size=2),
    reasoning=TEXT,
    reasoning_content=TEXT,
    reasoning_details=st.lists(OBJECT, max_size=2),
    tool_calls=st.lists(TOOL_CALL, max_size=2),
    annotations=st.lists(OBJECT, max_size=2),
    images=st.lists(OBJECT, max_size=2),
    refusal=TEXT,
)
CHOICE = maybe(
    index=COUNT,
    delta=DELTA,
    message=DELTA,
    finish_reason=TEXT,
    native_finish_reason=TEXT,
    error=ANY,
    logprobs=maybe(content=st.lists(OBJECT, max_size=2)),
)
USAGE = maybe(
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    cost=st.decimals(0, 1000, places=12).map(float),
    is_byok=st.booleans(),
    prompt_tokens_details=maybe(cached_tokens=COUNT, cache_write_tokens=COUNT),
    completion_tokens_details=maybe(reasoning_tokens=COUNT),
    cost_details=maybe(upstream_inference_cost=st.integers(0, 9)),
)
CHUNK = maybe(id=TEXT, model=TEXT, provider=TEXT, choices=st.lists(CHOICE, max_size=2), usage=USAGE, error=ANY)


def parts(chunk: WireChunk) -> tuple[object, ...]:
    return chunk.id, chunk.model, chunk.provider, chunk.choices, decode_usage(chunk.usage), chunk.error


@given(value=CHUNK)
def test_both_ways_of_decoding_agree_on_what_is_valid(value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    assert parts(decode_chunk(data)) == parts(lenient(parse_object(data), WireChunk))


@given(value=CHUNK, ascii=st.booleans())
def test_every_valid_chunk_is_read_as_it_is(value: dict[str, Any], ascii: bool) -> None:
    chunk = decode_chunk(json.dumps(value, ensure_ascii=ascii).encode())
    assert (chunk.id, chunk.model, chunk.provider) == tuple(value.get(key) for key in ("id", "model", "provider"))
    for choice, wire in zip(chunk.choices or [], value.get("choices") or [], strict=True):
        assert choice.index == wire.get("index")
        assert choice.finish_reason == wire.get("finish_reason")
        assert (choice.delta is None) == (wire.get("delta") is None)
        if choice.delta is not None:
            delta: dict[str, Any] = wire["delta"]
            for field in ("content", "reasoning", "reasoning_details", "annotations", "images", "refusal"):
                assert getattr(choice.delta, field) == delta.get(field)


def delta_of(value: object) -> WireDelta:
    chunk = decode_chunk(json.dumps({"choices": [{"delta": value}]}).encode())
    assert chunk.choices is not None and chunk.choices[0].delta is not None
    return chunk.choices[0].delta


@pytest.mark.parametrize("wrong", [5, 1.5, True, {"a": 1}], ids=str)
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "refusal", "images"])
def test_a_field_of_a_wrong_type_is_dropped_alone(field: str, wrong: object) -> None:
    others = {"content": "hi", "reasoning": "hm", "refusal": "no", "images": [{"url": "x"}]}
    delta = delta_of({**others, field: wrong})
    assert getattr(delta, field) is None
    assert all(getattr(delta, name) == value for name, value in others.items() if name != field)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param([None, 5, "x", {"type": "a"}], [{"type": "a"}], id="items"),
        pytest.param("text", None, id="text"),
        pytest.param({"type": "a"}, None, id="object"),
        pytest.param([], [], id="empty"),
    ],
)
@pytest.mark.parametrize("field", ["reasoning_details", "annotations", "images"])
def test_items_of_a_wrong_type_are_dropped_from_their_list(field: str, value: object, kept: object) -> None:
    delta = delta_of({field: value, "content": "hi"})
    assert (delta.content, getattr(delta, field)) == ("hi", kept)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 5},
        {"content": True},
        {"content": {"text": "hi"}},
        {"tool_calls": {"0": {}}},
        {"tool_calls": "call"},
        {"tool_calls": [{"function": {"name": "f", "arguments": ["x"]}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": 5}}]},
    ],
    ids=str,
)
def test_what_is_the_answer_itself_is_not_dropped_unseen(delta: dict[str, Any]) -> None:
    with pytest.raises(MalformedJSONError, match=r"^its (content|tool_calls|arguments) has an unexpected type$"):
        delta_of(delta)


@pytest.mark.parametrize("nothing", [0, False, {}, "", []], ids=str)
@pytest.mark.parametrize("field", ["content", "tool_calls"])
def test_what_holds_nothing_loses_nothing(field: str, nothing: object) -> None:
    assert not getattr(delta_of({field: nothing, "refusal": 5}), field)


@pytest.mark.parametrize(
    ("index", "read"), [("0", 0), ("7", 7), ("x", None), (1.0, 1), (1.5, None), ([], None), (-1, -1)], ids=str
)
def test_indexes_are_read_from_what_means_a_number(index: object, read: int | None) -> None:
    calls = delta_of({"tool_calls": [{"index": index, "id": "a"}], "refusal": 5}).tool_calls
    assert calls is not None and calls[0].index == read


@pytest.mark.parametrize("word", ["null", "true", "1", "NaN", "", " "])
def test_words_stay_words_when_another_field_is_wrong(word: str) -> None:
    assert delta_of({"content": word, "reasoning": word, "images": 5}).content == word


@pytest.mark.parametrize("choices", [None, {}, [None], [5, "x"]], ids=str)
def test_choices_that_hold_nothing(choices: object) -> None:
    chunk = decode_chunk(json.dumps({"id": "g", "choices": choices}).encode())
    assert (chunk.id, chunk.choices or []) == ("g", [])


@pytest.mark.parametrize("choices", [{"0": {}}, "x", 5], ids=str)
def test_choices_of_a_wrong_type(choices: object) -> None:
    with pytest.raises(MalformedJSONError, match="^its choices has an unexpected type$"):
        decode_chunk(json.dumps({"id": "g", "choices": choices}).encode())
    chunk = decode_chunk(json.dumps({"choices": choices, "error": {"message": "m"}}).encode())
    assert chunk.error == {"message": "m"}


PATHS = [
    ("id",), ("model",), ("provider",), ("usage",), ("error",), ("created",), ("service_tier",),
    ("choices", 0, "index"), ("choices", 0, "logprobs"), ("choices", 0, "finish_reason"),
    ("choices", 0, "native_finish_reason"), ("choices", 0, "error"), ("choices", 0, "message"),
    ("choices", 0, "delta", "role"), ("choices", 0, "delta", "reasoning"),
    ("choices", 0, "delta", "reasoning_details"), ("choices", 0, "delta", "images"), ("choices", 0, "delta", "refusal"),
]  # fmt: skip


@given(path=st.sampled_from(PATHS), value=ANY)
def test_no_strange_value_costs_the_text_beside_it(path: tuple[str | int, ...], value: object) -> None:
    chunk: Any = {"choices": [{"delta": {"content": "hi"}}]}
    target = chunk
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    choices = decode_chunk(json.dumps(chunk).encode()).choices
    assert choices is not None and choices[0].delta is not None
    assert choices[0].delta.content == "hi"
