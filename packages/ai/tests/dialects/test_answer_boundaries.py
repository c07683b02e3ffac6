"""Boundaries of answers: what mutation testing showed that no other test would notice."""

import json
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.blocks import ReasoningBlocks, ToolCalls
from raptscallions_ai._dialects.chunk import WireFunction, WireToolCall, decode_chunk
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai.answer.chunks import ContentChunk, ImageChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from raptscallions_ai.errors import (
    ModelNotAvailableError,
    RateLimitError,
)

pytestmark = pytest.mark.requirement("E04-T003.AC9")


def blocks(*deltas: list[dict[str, Any]], whole: bool = False) -> list[dict[str, Any]]:
    reasoning = ReasoningBlocks()
    for delta in deltas:
        reasoning.feed(delta, whole=whole)
    return list(reasoning.result())


@pytest.mark.parametrize(
    ("body", "cut", "message"),
    [
        (b"", "the line went dead", "the line went dead before the answer began"),
        (b'{"choices"', "the line went dead", "the line went dead inside the answer"),
        (b'{"choices"', None, "it is not valid JSON: Expecting ':' delimiter"),
        (b"[1]", None, "it is not valid JSON: it is a JSON list, not an object"),
        (b'{"choices":[{"message":{"content":""}}],"usage":{"prompt_tokens":1}}', None, "the answer has no content"),
    ],
)
def test_what_is_wrong_with_a_body_is_reported(drive: Drive, body: bytes, cut: str | None, message: str) -> None:
    assert str(drive(body, cut=cut)[2]) == f"Invalid AI API response: {message}"


HELLO = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'


@pytest.mark.parametrize(
    "start",
    [b"data:\n\n", b"data:  \n\n", b"event: ping\ndata: 12:00\n\n", b"X: 1\n\n"],
    ids=["empty", "blank", "ping", "unknown"],
)
def test_events_that_say_nothing_do_not_hide_those_behind_them(drive: Drive, start: bytes) -> None:
    assert drive(start + HELLO)[0] == [ContentChunk("Hello")]


@pytest.mark.parametrize(
    "part", [{"id": "gen-1"}, {"choices": []}, {"usage": {"prompt_tokens": 1}}], ids=["id", "choices", "usage"]
)
def test_a_message_beside_a_part_of_a_chunk_is_no_error(drive: Drive, part: dict[str, Any]) -> None:
    event = {**part, "message": "fine", "detail": "fine"}
    assert drive(b"data: " + json.dumps(event).encode() + b"\n\n" + HELLO)[0] == [ContentChunk("Hello")]


def choice(**fields: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [fields]}).encode() + b"\n\n"


@pytest.mark.parametrize(("first", "other"), [(None, 1), (0, 1), (1, 0), (1, None)])
def test_the_first_choice_is_the_answer(drive: Drive, first: int | None, other: int | None) -> None:
    body = choice(index=first, delta={"content": "Hello"}) + choice(index=other, delta={"content": "Bonjour"})
    chunks, result, _ = drive(body * 2 + choice(index=first, finish_reason="stop"), require_usage=False)
    assert chunks == [ContentChunk("Hello")] * 2
    assert result is not None and (result.content, result.finish_reason) == ("HelloHello", "stop")


def test_choices_without_an_index_are_choices(drive: Drive) -> None:
    failure = drive(HELLO + b"data: [DONE]\n\n")[2]
    assert str(failure) == "Invalid AI API response: the stream ended without a finish reason"


def test_text_behind_a_chunk_that_says_nothing_is_an_answer_begun(drive: Drive) -> None:
    failure = drive(choice(index=0, delta={}) + choice(index=0, delta={"content": "Hello"}))[2]
    assert failure is not None and failure.partial is not None
    assert failure.partial.content == "Hello"


def test_an_error_beside_text_is_reported_behind_it(drive: Drive) -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    event = {**text, "error": {"code": 429, "message": "slow down"}}
    chunks, _, failure = drive(
        choice(index=0, delta={"content": "Hello"}) + b"data: " + json.dumps(event).encode() + b"\n\n"
    )
    assert chunks == [ContentChunk("Hello")] * 2
    assert type(failure) is RateLimitError


@pytest.mark.parametrize("parts", [["a", "b"], [{"text": "a"}, {"text": "b"}], [{"text": "a"}, "b"]], ids=str)
def test_text_in_parts(drive: Drive, parts: list[Any]) -> None:
    hello = choice(index=0, delta={"content": "Hello"})
    assert drive(hello + choice(index=0, delta={"content": parts}))[0] == [*map(ContentChunk, ("Hello", "a", "b"))]


def piece(index: int | None, arguments: object = "x", **others: object) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments}, **others}


CALLS = choice(
    index=0,
    delta={"tool_calls": [{"index": n, "id": id, "function": {"name": "f"}} for n, id in enumerate(("a", "b"))]},
)
ADDED = ToolCallChunk(0, None, None, "x")


@pytest.mark.parametrize(
    ("delta", "added"),
    [
        pytest.param({"tool_calls": [piece(0)]}, [ADDED], id="to the first"),
        pytest.param({"tool_calls": [piece(1)]}, [ToolCallChunk(1, None, None, "x")], id="to the second"),
        pytest.param({"tool_calls": [piece(None)]}, [ToolCallChunk(1, None, None, "x")], id="to the last"),
        pytest.param({"tool_calls": [piece(2)]}, [ToolCallChunk(2, None, None, "x")], id="to a new one"),
        pytest.param({"tool_calls": [piece(0), piece(1, "y")]}, [ADDED, ToolCallChunk(1, None, None, "y")],
                     id="to both"),
        pytest.param({"tool_calls": [piece(0, id="c")]}, [ToolCallChunk(2, "c", None, "x")], id="with a new id"),
        pytest.param({"tool_calls": [{"index": 0, "function": {"name": "g", "arguments": "x"}}]},
                     [ToolCallChunk(0, None, "g", "x")], id="with a new name"),
        pytest.param({"tool_calls": [{"index": 0}]}, [], id="no function"),
        pytest.param({"tool_calls": [piece(0, "")]}, [], id="no arguments"),
        pytest.param({"tool_calls": [piece(0, {"x": 1})]}, [ToolCallChunk(0, None, None, '{"x":1}')], id="an object"),
        pytest.param({"content": "", "tool_calls": [piece(0)]}, [ADDED], id="beside empty text"),
        pytest.param({"content": "t", "tool_calls": [piece(0)]}, [ContentChunk("t"), ADDED], id="beside text"),
        pytest.param({"reasoning": "r", "tool_calls": [piece(0)]}, [ReasoningChunk("r"), ADDED], id="beside reasoning"),
    ],
)  # fmt: skip
def test_pieces_of_tool_calls(drive: Drive, delta: dict[str, Any], added: list[StreamChunk]) -> None:
    chunks, result, _ = drive(
        CALLS + choice(index=0, delta=delta) + choice(index=0, finish_reason="tool_calls"), require_usage=False
    )
    assert chunks[2:] == added
    assert result is not None
    told = {chunk.index: chunk.arguments for chunk in added if isinstance(chunk, ToolCallChunk)}
    assert {at: call.raw_arguments for at, call in enumerate(result.tool_calls) if call.raw_arguments} == told


@pytest.mark.parametrize("first", [[], [{"index": 0}]], ids=["unknown call", "known call"])
def test_a_piece_of_a_tool_call_is_an_answer_begun(drive: Drive, first: list[dict[str, Any]]) -> None:
    start = choice(index=0, delta={"tool_calls": first})
    chunks, _, failure = drive(start + choice(index=0, delta={"tool_calls": [piece(0)]}))
    assert chunks == [ADDED]
    assert failure is not None and failure.partial is not None
    assert [call.raw_arguments for call in failure.partial.tool_calls] == ["x"]


@pytest.mark.parametrize(("first", "other"), [(None, 1), (0, 1), (1, 0), (1, None)])
def test_a_piece_of_another_choice_is_not_taken(drive: Drive, first: int | None, other: int | None) -> None:
    call: dict[str, Any] = {"index": 0, "id": "a", "function": {"name": "f"}}
    start = choice(index=first, delta={"tool_calls": [call]})
    assert drive(start + choice(index=other, delta={"tool_calls": [piece(0)]}))[0] == [ToolCallChunk(0, "a", "f", "")]


@pytest.mark.parametrize("index", [0, 1])
def test_an_end_beside_a_piece_of_a_tool_call(drive: Drive, index: int) -> None:
    body = CALLS + choice(index=index, delta={"tool_calls": [piece(0)]}, finish_reason="tool_calls")
    chunks, result, _ = drive(body, require_usage=False)
    assert chunks[2:] == ([] if index else [ADDED])
    assert (result is None) == (index == 1)


def test_an_error_beside_a_piece_of_a_tool_call_is_reported_behind_it(drive: Drive) -> None:
    event = {"choices": [{"index": 0, "delta": {"tool_calls": [piece(0)]}}], "error": {"code": 429, "message": "m"}}
    chunks, _, failure = drive(CALLS + b"data: " + json.dumps(event).encode() + b"\n\n")
    assert chunks[2:] == [ADDED]
    assert type(failure) is RateLimitError


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ('{"city": "Ulan Bator", "day"', '{"city": "Ulan Bator"'),
        ('{"city": "Ulan Bator"}', "Ulan Bator"),
        ("[" * 5_000, "[" * 20),
    ],
    ids=["half", "whole", "deep"],
)
def test_an_error_amid_a_tool_call_is_reported_without_its_arguments(drive: Drive, arguments: str, quoted: str) -> None:
    begun = CALLS + choice(index=0, delta={"tool_calls": [piece(0, arguments)]})
    event = {"error": {"code": 429, "message": f"flagged: {quoted}"}}
    failure = drive(begun + b"data: " + json.dumps(event).encode() + b"\n\n")[2]
    assert type(failure) is RateLimitError
    assert failure.details == {"reason": "flagged: [hidden]"}
    assert failure.partial is not None and failure.partial.tool_calls[0].raw_arguments == arguments


def test_an_event_that_was_cut_is_reported(drive: Drive) -> None:
    _, _, failure = drive(HELLO + HELLO[:20])
    assert str(failure) == "Invalid AI API response: the stream ended inside an event"
    assert failure is not None and failure.partial is not None and failure.partial.content == "Hello"
    nothing = drive(HELLO[:20])[2]
    assert nothing is not None and nothing.partial is None


def test_a_whole_body_needs_neither_a_finish_reason_nor_usage_to_be_complete(drive: Drive) -> None:
    body = b'{"choices":[{"message":{"content":"Hello"}}]}'
    _, result, failure = drive(body, require_usage=False)
    assert failure is None
    assert result is not None and (result.content, result.finish_reason) == ("Hello", None)
    assert result.native_finish_reason is None
    assert drive(b"data: " + body + b"\n\ndata: [DONE]\n\n", require_usage=False)[1] is None


@pytest.mark.parametrize(
    ("finish", "usage", "awaits_end"), [(None, None, False), ("stop", None, False), (None, 1, False), ("stop", 1, True)]
)
def test_only_the_end_mark_is_missing_once_finish_reason_and_usage_are_there(
    finish: str | None, usage: int | None, awaits_end: bool
) -> None:
    fold = Fold(model="m", require_usage=True, redact=str)
    event = {"choices": [{"finish_reason": finish}], "usage": {"prompt_tokens": usage}}
    fold.feed(decode_chunk(json.dumps(event).encode()), [])
    assert fold.awaits_end == awaits_end


@pytest.mark.parametrize(
    ("event", "anything"),
    [
        ({"object": "x"}, False),
        ({"id": "gen-1"}, True),
        ({"usage": {"prompt_tokens": 1}}, True),
        ({"choices": [{"delta": {"content": "x"}}]}, True),
        ({"model": "m", "choices": [{"finish_reason": None}]}, False),
    ],
    ids=["nothing", "id", "usage", "content", "neither"],
)
def test_what_counts_as_anything(drive: Drive, event: dict[str, Any], anything: bool) -> None:
    failure = drive(b"data: " + json.dumps(event).encode() + b"\n\n")[2]
    assert failure is not None and (failure.partial is not None) == anything


def test_a_provider_that_failed_while_it_was_answering_may_be_asked_again(drive: Drive) -> None:
    failure = drive(b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"error"}]}\n\n')[2]
    assert str(failure) == "Invalid AI API response: the provider failed while it was answering"
    assert failure is not None and failure.retryable


PIECES: dict[str, Any] = {
    "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "x"}],
    "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}],
}


@pytest.mark.parametrize(("place", "count"), [("delta", 1), ("message", 2)])
def test_pieces_grow_together_in_deltas_and_stay_apart_in_messages(drive: Drive, place: str, count: int) -> None:
    part = {name: items * (1 if place == "delta" else 2) for name, items in PIECES.items()}
    event = b"data: " + json.dumps({"choices": [{place: part}]}).encode() + b"\n\n"
    failure = drive(event * (2 if place == "delta" else 1))[2]
    assert failure is not None and failure.partial is not None
    assert len(failure.partial.reasoning_details) == len(failure.partial.tool_calls) == count
    assert failure.partial.reasoning == "xx"


def test_the_model_that_was_asked_for_is_the_one_that_is_not_available(drive: Drive) -> None:
    event = b'data: {"model":"another","error":{"code":404,"message":"no such model"}}\n\n'
    failure = drive(event)[2]
    assert isinstance(failure, ModelNotAvailableError)
    assert failure.model == "asked/model"


@pytest.mark.parametrize(
    ("call", "chunk"),
    [
        (WireToolCall(index=0, id="a"), ToolCallChunk(0, "a", None, "")),
        (WireToolCall(index=0, function=WireFunction(name="f")), ToolCallChunk(0, None, "f", "")),
    ],
    ids=["id", "name"],
)
def test_a_tool_call_is_reported_as_soon_as_it_has_an_id_or_a_name(call: WireToolCall, chunk: ToolCallChunk) -> None:
    assert ToolCalls().feed([call], whole=False) == [chunk]


def test_blocks_of_one_key_with_different_ids_stay_apart() -> None:
    first, second = {"type": "t", "index": 0, "id": "a", "text": "x"}, {"type": "t", "index": 0, "id": "b", "text": "y"}
    assert blocks([first], [second]) == [first, second]
    assert blocks([first], [first]) == [{**first, "text": "xx"}]


def test_opaque_data_that_comes_late_belongs_to_its_block() -> None:
    text, data = {"type": "t", "index": 0, "text": "x"}, {"type": "t", "index": 0, "data": "d"}
    assert blocks([text], [data], [{"type": "t", "index": 0, "text": "y"}]) == [{**text, "data": "d", "text": "xy"}]


def test_whole_blocks_stay_apart() -> None:
    block = {"type": "t", "index": 0, "text": "x"}
    assert blocks([block, block], whole=True) == [block, block]


def test_blocks_are_distinguished_by_an_index_of_any_type() -> None:
    deltas = [[{"type": "t", "index": [n], "text": "x"}] for n in (0, 1, 0)]
    assert blocks(*deltas) == [{"type": "t", "index": [0], "text": "xx"}, {"type": "t", "index": [1], "text": "x"}]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "-1e999", "1e99999999999999999999"])
def test_numbers_that_json_has_not_are_null(drive: Drive, number: str) -> None:
    message = f'{{"content":"x","images":[{{"y":{number}}}]}}'
    body = f'{{"choices":[{{"message":{message}}}],"usage":{{"prompt_tokens":1,"z":[{number}]}}}}'
    result = drive(body.encode())[1]
    assert result is not None
    assert result.images == ({"y": None},)
    assert result.usage.raw == {"prompt_tokens": 1, "z": [None]}


def test_many_brackets_beside_what_is_no_json_are_not_deep_ones(drive: Drive) -> None:
    images = ",".join(["{}"] * 300)
    event = f'data: {{"x":NaN,"choices":[{{"delta":{{"content":"x","images":[{images}]}}}}]}}\n\n'
    assert drive(event.encode())[0] == [ContentChunk("x"), *[ImageChunk({})] * 300]
