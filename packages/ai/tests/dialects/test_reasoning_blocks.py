import json
from collections.abc import Sequence
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.blocks import ReasoningBlocks

TEXT = "reasoning.text"
SUMMARY = "reasoning.summary"
ENCRYPTED = "reasoning.encrypted"


def text(text: str, **fields: object) -> dict[str, Any]:
    return {"type": TEXT, "text": text, **fields}


def encrypted(data: str, **fields: object) -> dict[str, Any]:
    return {"type": ENCRYPTED, "data": data, **fields}


def blocks(*deltas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    reasoning = ReasoningBlocks()
    for delta in deltas:
        reasoning.feed(delta, whole=False)
    return list(reasoning.result())


def test_text_grows_and_the_signature_comes_late() -> None:
    assert blocks(
        [{"type": TEXT, "text": "Let me", "signature": None, "format": "anthropic-claude-v1", "index": 0}],
        [{"type": TEXT, "text": " think", "format": "anthropic-claude-v1", "index": 0}],
        [{"type": TEXT, "signature": "c2ln==", "format": "anthropic-claude-v1", "index": 0}],
    ) == [{"type": TEXT, "text": "Let me think", "signature": "c2ln==", "format": "anthropic-claude-v1", "index": 0}]


@pytest.mark.parametrize("nothing", [{"text": None}, {"text": ""}, {}], ids=str)
def test_a_text_less_delta_takes_nothing_back(nothing: dict[str, Any]) -> None:
    first = {"type": TEXT, "index": 0, "text": "hm", "signature": "s", "id": "r1", "format": "f"}
    later = {"type": TEXT, "index": 0, "signature": None, "id": None, "format": None, **nothing}
    assert blocks([first], [later]) == [first]


def test_null_text_first_is_filled_later() -> None:
    assert blocks([{"type": TEXT, "text": None, "index": 0}], [{"type": TEXT, "text": "hm", "index": 0}]) == [
        {"type": TEXT, "text": "hm", "index": 0}
    ]


def test_null_stays_null_when_nothing_comes() -> None:
    block = {"type": TEXT, "text": None, "signature": None, "id": None, "format": None, "index": 0}
    assert blocks([block]) == [block]


def test_types_of_one_index_are_blocks_of_their_own() -> None:
    deltas = [
        [{"type": SUMMARY, "summary": "First", "index": 0, "format": "openai-responses-v1"}],
        [{"type": SUMMARY, "summary": " steps", "index": 0, "format": "openai-responses-v1"}],
        [{"type": ENCRYPTED, "data": "gAAAA==", "id": "rs_1", "index": 0, "format": "openai-responses-v1"}],
    ]
    assert blocks(*deltas) == [
        {"type": SUMMARY, "summary": "First steps", "index": 0, "format": "openai-responses-v1"},
        {"type": ENCRYPTED, "data": "gAAAA==", "id": "rs_1", "index": 0, "format": "openai-responses-v1"},
    ]


def test_another_id_under_one_index_is_another_block() -> None:
    first = {"type": ENCRYPTED, "data": "A", "id": "rs_1", "index": 0}
    second = {"type": ENCRYPTED, "data": "B", "id": "rs_2", "index": 0}
    assert blocks([first], [second]) == [first, second]
    assert blocks([first, second]) == [first, second]


def test_an_id_that_comes_late_belongs_to_the_block() -> None:
    assert blocks(
        [{"type": TEXT, "text": "a", "id": None, "index": 0}], [{"type": TEXT, "text": "b", "id": "r", "index": 0}]
    ) == [{"type": TEXT, "text": "ab", "id": "r", "index": 0}]


def test_place_in_the_delta_means_nothing() -> None:
    assert blocks(
        [{"type": TEXT, "text": "a", "index": 0}, {"type": TEXT, "text": "x", "index": 1}],
        [{"type": TEXT, "text": "y", "index": 1}],
        [{"type": TEXT, "text": "z", "index": 1}, {"type": TEXT, "text": "b", "index": 0}],
    ) == [{"type": TEXT, "text": "ab", "index": 0}, {"type": TEXT, "text": "xyz", "index": 1}]


def test_order_is_that_of_appearance_not_of_index() -> None:
    given = [{"type": TEXT, "text": "b", "index": 3}, {"type": TEXT, "text": "a", "index": 1}]
    assert blocks(given) == given


def test_opaque_data_is_kept_to_the_byte() -> None:
    data = "gAAAA\u2028\u0085 é😀\\n\t=="
    block = {"type": ENCRYPTED, "data": data, "index": 0, "vendor": {"deep": [1, {"a": None}]}}
    assert blocks([block]) == [block]


def test_key_order_is_kept() -> None:
    [block] = blocks(
        [{"format": "f", "text": "a", "index": 0, "type": TEXT}],
        [{"text": "b", "type": TEXT, "index": 0, "signature": "s"}],
    )
    assert list(block) == ["format", "text", "index", "type", "signature"]


def test_text_and_signature_of_one_index_in_one_delta_are_one_block() -> None:
    pieces = [text("a", index=0), text("b", index=0), {"type": TEXT, "signature": "s", "index": 0}]
    assert blocks(pieces) == [text("ab", index=0, signature="s")]


def test_a_server_tool_call_is_kept_and_not_shown() -> None:
    call = {"type": "reasoning.server_tool_call", "tool_name": "web", "arguments": "{}", "result": "r", "index": 0}
    reasoning = ReasoningBlocks()
    assert reasoning.feed([call], whole=False) == ""
    assert reasoning.result() == (call,)


def test_only_text_and_summary_are_visible() -> None:
    reasoning = ReasoningBlocks()
    shown = reasoning.feed(
        [
            {"type": SUMMARY, "summary": "S", "index": 0},
            {"type": ENCRYPTED, "data": "D", "index": 1},
            {"type": TEXT, "text": "T", "signature": "G", "index": 2},
        ],
        whole=False,
    )
    assert shown == "ST"


@pytest.mark.parametrize("index", [None, 0, "0", 1.5, [], {"a": 1}, True], ids=str)
def test_strange_indexes_still_tell_blocks_together(index: object) -> None:
    assert blocks([text("a", index=index)], [text("b", index=index)]) == [text("ab", index=index)]


WHOLE = [
    pytest.param([encrypted("A"), encrypted("B")], id="no index"),
    pytest.param([encrypted("A", index=0), encrypted("B", index=0)], id="same index"),
    pytest.param([text("a", signature="s"), text("b", signature="t")], id="texts"),
    pytest.param([text("", signature="s", index=0)], id="empty text"),
    pytest.param([text("é😀\u2028", index=1, id=None), {"x": 1}, {}], id="odd"),
]


@pytest.mark.parametrize("details", WHOLE)
def test_the_details_of_a_whole_message_are_kept_as_they_are(drive: Drive, details: list[dict[str, Any]]) -> None:
    message = {"content": "hi", "reasoning_details": details}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    _, result, _ = drive(json.dumps(body).encode())
    assert result is not None
    assert list(result.reasoning_details) == details


@pytest.mark.parametrize("details", WHOLE[:3])
def test_blocks_that_arrive_whole_in_one_delta_are_all_kept(drive: Drive, details: list[dict[str, Any]]) -> None:
    choice = {"delta": {"content": "hi", "reasoning_details": details}, "finish_reason": "stop"}
    event = {"choices": [choice], "usage": {"prompt_tokens": 1}}
    _, result, _ = drive(b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n")
    assert result is not None
    assert list(result.reasoning_details) == details
