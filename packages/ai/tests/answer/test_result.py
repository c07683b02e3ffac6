import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    StreamChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.result import Attempt, ChatResult, Usage
from raptscallions_ai.errors import InvalidResponseError
from raptscallions_ai.messages.message import to_wire
from raptscallions_ai.tools.tool_call import ToolCall

DETAILS = (
    {
        "type": "reasoning.text",
        "text": "é\u2028 hm",
        "signature": "c2ln==",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"index": 1, "data": "gAAAA\\u0000==", "type": "reasoning.encrypted", "id": None},
)


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ("", {}), (" \n", {}), ("{}", {}), ("null", {}),
        (" null ", {}), ('"{\\"a\\": 1}"', {"a": 1}), ('{"city":"Rome"}', {"city": "Rome"}),
        (' {"a": [1, {"b": null}]} ', {"a": [1, {"b": None}]}),
        ('{"a":1,"a":2}', {"a": 2}), ('{"a":"\\u00e9\\ud83d\\ude00"}', {"a": "é😀"}),
    ],
    ids=repr,
)  # fmt: skip
def test_arguments(raw: str, arguments: dict[str, Any]) -> None:
    assert ToolCall("c", "f", raw).arguments == arguments


@pytest.mark.parametrize(
    "raw",
    ['{"secret', '{"city":"secret"', "[1]", '"secret"', "5", "true", "secret",
     '{"a":1} secret', '{"a":' * 100_000,
     '{"a":' + "9" * 5_000 + "}", "{'secret':1}", "\0"],
    ids=lambda raw: raw[:20],
)  # fmt: skip
def test_arguments_that_are_not_one_object_are_a_typed_error(raw: str) -> None:
    call = ToolCall("c", "get_weather", raw)
    with pytest.raises(InvalidResponseError) as caught:
        _ = call.arguments
    assert str(caught.value).startswith("Invalid AI API response: the arguments of tool call 'get_weather' are n")
    assert "secret" not in f"{caught.value} {caught.value!r} {caught.value.details}"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert call.raw_arguments == raw


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
       lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))  # fmt: skip
def test_arguments_are_an_object_or_an_error(value: Any) -> None:
    call = ToolCall("c", "f", json.dumps(value))
    if isinstance(value, dict) or value is None:
        assert call.arguments == (value or {})
    else:
        with pytest.raises(InvalidResponseError):
            _ = call.arguments


def test_a_result_becomes_the_message_to_send_back() -> None:
    result = ChatResult(
        content="Hello",
        tool_calls=(ToolCall("c1", "f", '{"a": 1}'), ToolCall("", "g")),
        reasoning="é hm",
        reasoning_details=DETAILS,
        annotations=({"type": "file", "file": {"hash": "h"}}, {"type": "url_citation", "url_citation": {}}),
        images=({"type": "image_url", "image_url": {"url": "data:,"}},),
        refusal="No",
    )
    wire = result.to_message().to_dict()
    assert wire == {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "", "type": "function", "function": {"name": "g", "arguments": ""}},
        ],
        "reasoning_details": list(DETAILS),
        "annotations": [{"type": "file", "file": {"hash": "h"}}],
        "images": [{"type": "image_url", "image_url": {"url": "data:,"}}],
        "refusal": "No",
    }
    assert [list(detail) for detail in wire["reasoning_details"]] == [list(detail) for detail in DETAILS]
    assert json.loads(json.dumps(to_wire([result.to_message()]))) == [wire]


@pytest.mark.parametrize(
    ("result", "wire"),
    [
        pytest.param(ChatResult(content="a"), {"role": "assistant", "content": "a"}, id="text"),
        pytest.param(ChatResult(), {"role": "assistant", "content": ""}, id="nothing"),
        pytest.param(ChatResult(content="a", reasoning="r"), {"role": "assistant", "content": "a", "reasoning": "r"},
                     id="reasoning without details"),
        pytest.param(ChatResult(content="a", reasoning="r", reasoning_details=DETAILS),
                     {"role": "assistant", "content": "a", "reasoning_details": list(DETAILS)}, id="details instead"),
        pytest.param(ChatResult(tool_calls=(ToolCall("c", "f", "{}"),)),
                     {"role": "assistant", "content": None,
                      "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                     id="calls only"),
    ],
)  # fmt: skip
def test_only_what_is_there_is_sent_back(result: ChatResult, wire: dict[str, Any]) -> None:
    assert result.to_message().to_dict() == wire


def test_has_tool_calls() -> None:
    assert not ChatResult().has_tool_calls
    assert ChatResult(tool_calls=(ToolCall("c", "f"),)).has_tool_calls


def test_usage_knows_whether_it_was_reported() -> None:
    assert not Usage().reported
    assert Usage(raw={"prompt_tokens": 0}).reported


SECRET = "secret words"
RESULT = ChatResult(
    content=SECRET,
    usage=Usage(prompt_tokens=1, cost=Decimal("0.1"), raw={"note": SECRET}),
    tool_calls=(ToolCall("c", "f", SECRET),),
    reasoning=SECRET,
    reasoning_details=({"text": SECRET},),
    refusal=SECRET,
    annotations=({"type": "file", "text": SECRET},),
    attempts=(Attempt("m", "ProviderError", "failed", 502, 1.0, 0.5),),
)
CHUNKS: list[StreamChunk] = [
    ContentChunk(SECRET),
    ReasoningChunk(SECRET),
    ToolCallChunk(0, "c", "f", SECRET),
    AnnotationChunk({"type": "url_citation", "title": SECRET}),
    ImageChunk({"image_url": {"url": SECRET}}),
    WaitingChunk(),
    DoneChunk(RESULT),
]


@pytest.mark.parametrize(
    "told", [RESULT, RESULT.usage, *RESULT.tool_calls, *CHUNKS], ids=lambda told: type(told).__name__
)
def test_no_repr_shows_what_the_model_said(told: object) -> None:
    assert "secret" not in repr(told)
    # A result prints as its text, which is asked for; its repr is what a log shows.
    assert isinstance(told, ChatResult) or "secret" not in str(told)
    assert type(told).__name__ in repr(told)


@pytest.mark.parametrize("told", [RESULT, *CHUNKS], ids=lambda told: type(told).__name__)
def test_results_and_chunks_can_be_pickled_and_compared(told: object) -> None:
    assert pickle.loads(pickle.dumps(told)) == told


@pytest.mark.parametrize(
    ("chunk", "type_"),
    list(zip(CHUNKS, ["content", "reasoning", "tool_call", "annotation", "image", "waiting", "done"], strict=True)),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_chunks_are_distinguished_by_their_type_and_cannot_be_changed(chunk: StreamChunk, type_: str) -> None:
    assert chunk.type == type_
    with pytest.raises(AttributeError):
        chunk.type = "other"  # pyright: ignore[reportAttributeAccessIssue] - this is what must fail


def test_the_last_chunk_has_the_usage_of_its_result() -> None:
    assert DoneChunk(RESULT).usage is RESULT.usage


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ({"type": "image_url", "image_url": {"url": "data:,x"}}, "data:,x"),
        ({"image_url": "https://example.com/a"}, "https://example.com/a"),
        ({"image_url": {"url": 5}}, None), ({"image_url": None}, None), ({"image_url": []}, None), ({}, None),
    ],
    ids=str,
)  # fmt: skip
def test_the_url_of_an_image(image: dict[str, Any], url: str | None) -> None:
    assert ImageChunk(image).url == url


def test_usages_add_up_and_an_unknown_cost_makes_the_sum_unknown() -> None:
    one = Usage(1, 2, 3, 1, 1, 1, Decimal("0.1"), "reported", Decimal("0.2"), raw={"a": 1})
    other = Usage(10, 20, 30, cost=Decimal("0.5"), cost_source="reported", is_byok=True, raw={"b": 1})
    added = one + other
    assert added == Usage(11, 22, 33, 1, 1, 1, Decimal("0.6"), "reported", Decimal("0.2"), is_byok=True, raw={"b": 1})
    priced = Usage(cost=Decimal(1), cost_source="priced")
    assert (one + priced).cost_source == "priced"
    assert ((one + Usage()).cost, (one + Usage()).cost_source) == (Decimal("0.1"), "unknown")
    assert (Usage() + Usage()).cost is None
    assert (Usage() + one).raw == {"a": 1}
