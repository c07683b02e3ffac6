"""Boundaries and neighbours: what mutation testing showed that no other test would notice."""

import json
import pickle
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from raptscallions_ai._wire.blocks import ReasoningBlocks, ToolCalls
from raptscallions_ai._wire.chunk import WireFunction, WireToolCall, decode_chunk
from raptscallions_ai._wire.errors import classify, is_no_such_endpoint, read_failure
from raptscallions_ai._wire.fold import Fold
from raptscallions_ai._wire.redact import Redactor, printable_line
from raptscallions_ai._wire.retry_after import parse_retry_after
from raptscallions_ai._wire.sse import Event, EventTooLargeError, SSEDecoder
from raptscallions_ai.chunks import ContentChunk, ImageChunk, ReasoningChunk, StreamChunk, ToolCallChunk
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    ModelNotAvailableError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
)
from raptscallions_ai.result import ChatResult

pytestmark = pytest.mark.requirement("E04-T003.AC9")

Drive = Callable[..., tuple[list[StreamChunk], ChatResult | None, AiError | None]]


def mapped(payload: object, status: int | None = None, headers: dict[str, str] | None = None) -> AiError:
    return classify(read_failure(payload, status=status, headers=headers), model="some/model", redact=str)


def blocks(*deltas: list[dict[str, Any]], whole: bool = False) -> list[dict[str, Any]]:
    reasoning = ReasoningBlocks()
    for delta in deltas:
        reasoning.feed(delta, whole=whole)
    return list(reasoning.result())


def test_line_ends_in_reads_of_their_own() -> None:
    decoder = SSEDecoder(100)
    assert [decoder.feed(read) for read in (b"data: a\r", b"\n", b"\n", b"data: b\n", b"\n")] == [
        [],
        [],
        [b"a"],
        [],
        [b"b"],
    ]


@pytest.mark.parametrize(
    ("reads", "events"),
    [
        pytest.param([b"data: ab\n\n"], [b"ab"], id="one event"),
        pytest.param([b"data: a\n\ndata: b\n\n"], [b"a", b"b"], id="two events"),
        pytest.param([b"data: a\ndata: b\n\n"], [b"a\nb"], id="two lines"),
        pytest.param([b"data: a\rdata: b\n\n"], [b"a\nb"], id="two lines, one of them ends with cr"),
        pytest.param([b"data: a\nx: b\n", b"\n"], [b"a"], id="no blank line"),
        pytest.param([b"data: a\n", b"data: b\n\n"], [b"a\nb"], id="behind data"),
        pytest.param([b"x: ", b"data: b\n\n"], [], id="behind half a line"),
        pytest.param([b"event: e\n", b"data: b\n\n"], [Event("e", b"b")], id="behind a name"),
        pytest.param([b"\xef\xbb\xbfdata: b\n\n"], [], id="behind a byte order mark"),
    ],
)
def test_reads_of_one_whole_event_and_what_only_looks_like_it(reads: list[bytes], events: list[bytes | Event]) -> None:
    decoder = SSEDecoder(100)
    assert decoder.feed(b"data: 0\n\n") == [b"0"]
    assert [event for read in reads for event in decoder.feed(read)] == events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: " + b"x" * 21 + b"\n", [b"a"]),
        (b"data: a\n\n: " + b"x" * 30 + b"\n", [b"a"]),
        (b"data: a\n\ndata: " + b"x" * 40, [b"a"]),
        (b"data: a\n\ndata: " + b"x" * 21 + b"\n\n", [b"a"]),
    ],
    ids=["data", "comment", "unfinished line", "complete"],
)
def test_an_event_above_the_limit_leaves_those_before_it(stream: bytes, events: list[bytes]) -> None:
    with pytest.raises(EventTooLargeError, match=r"^one event is larger than the limit$") as caught:
        SSEDecoder(20).feed(stream)
    assert caught.value.events == events


@pytest.mark.parametrize(
    "line", [b": " + b"x" * 24, b"data:" + b"x" * 20, b"data:" + b"x" * 9 + b"\ndata:" + b"x" * 10]
)
def test_lines_as_long_as_the_limit_allows(line: bytes) -> None:
    assert SSEDecoder(20).feed(line + b"\n\n") == ([] if line[:1] == b":" else [line.replace(b"data:", b"")])


@pytest.mark.parametrize("lines", [b"x\n: x\n", b"data:1\n", b"data: 1\n"])
def test_what_is_read_of_an_event_in_many_reads_counts_once(lines: bytes) -> None:
    decoder = SSEDecoder(19)  # ten digits and nine line ends
    for _ in range(10):
        decoder.feed(lines)
    assert decoder.feed(b"\n") == ([] if lines[:1] == b"x" else [b"\n".join([b"1"] * 10)])


def test_an_event_does_not_count_towards_the_next() -> None:
    decoder = SSEDecoder(20)
    full = b"data: " + b"x" * 20 + b"\n"
    assert decoder.feed(full + b"\n" + full) == [b"x" * 20]
    assert decoder.feed(b"\n") == [b"x" * 20]


def test_names_and_ids_that_are_no_utf8() -> None:
    decoder = SSEDecoder(100)
    assert decoder.feed(b"event: a\xff\nid: b\xff\ndata: x\n\n") == [Event("a\ufffd", b"x")]
    assert decoder.last_event_id == "b\ufffd"


@pytest.mark.parametrize(("digits", "read"), [("123456789", 123456789), ("1234567891", 123456789)])
def test_of_a_retry_time_nine_digits_count(digits: str, read: int) -> None:
    decoder = SSEDecoder(100)
    decoder.feed(f"retry: {digits}\n".encode())
    assert decoder.retry_ms == read


@pytest.mark.parametrize("excess", [1, 2, 3])
def test_an_unfinished_event_just_above_the_limit_is_refused_at_the_end(drive: Drive, excess: int) -> None:
    text = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
    chunks, _, failure = drive(text + b"data: " + b"x" * (100 + excess), max_bytes=100)
    assert chunks == [ContentChunk("Hello")]
    assert failure is not None and "AI_MAX_EVENT_BYTES" in str(failure)


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
def test_what_is_wrong_with_a_body_is_told(drive: Drive, body: bytes, cut: str | None, message: str) -> None:
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


def test_an_error_beside_text_is_told_behind_it(drive: Drive) -> None:
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


def test_an_error_beside_a_piece_of_a_tool_call_is_told_behind_it(drive: Drive) -> None:
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
def test_an_error_amid_a_tool_call_is_told_without_its_arguments(drive: Drive, arguments: str, quoted: str) -> None:
    begun = CALLS + choice(index=0, delta={"tool_calls": [piece(0, arguments)]})
    event = {"error": {"code": 429, "message": f"flagged: {quoted}"}}
    failure = drive(begun + b"data: " + json.dumps(event).encode() + b"\n\n")[2]
    assert type(failure) is RateLimitError
    assert failure.details == {"reason": "flagged: [hidden]"}
    assert failure.partial is not None and failure.partial.tool_calls[0].raw_arguments == arguments


def test_an_event_that_was_cut_is_told(drive: Drive) -> None:
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
    ("finish", "usage", "settled"), [(None, None, False), ("stop", None, False), (None, 1, False), ("stop", 1, True)]
)
def test_settled_is_finish_reason_and_usage(finish: str | None, usage: int | None, settled: bool) -> None:
    fold = Fold(model="m", require_usage=True, redact=str)
    event = {"choices": [{"finish_reason": finish}], "usage": {"prompt_tokens": usage}}
    fold.feed(decode_chunk(json.dumps(event).encode()))
    assert fold.settled == settled


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
def test_a_tool_call_is_told_as_soon_as_it_has_an_id_or_a_name(call: WireToolCall, chunk: ToolCallChunk) -> None:
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


def test_blocks_are_told_apart_by_an_index_of_any_type() -> None:
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


CONTEXT, POLICY, CREDITS = "the prompt is too long", "flagged by moderation", "insufficient credits"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (None, CONTEXT, ContextLengthError),
        (400, CONTEXT, ContextLengthError),
        (422, CONTEXT, ContextLengthError),
        (413, POLICY, ContentPolicyError),
        (None, POLICY, ContentPolicyError),
        (404, POLICY, ContentPolicyError),
        (405, POLICY, BadRequestError),
        (429, POLICY, RateLimitError),
        (429, CONTEXT, RateLimitError),
        (429, CREDITS, InsufficientCreditsError),
        (400, CREDITS, InsufficientCreditsError),
        (500, CONTEXT, ProviderError),
        (404, "gone fishing", ModelNotAvailableError),
        (413, "gone fishing", ContextLengthError),
        (403, "gone fishing", AuthenticationError),
        (403, "blocked in your country", PermissionDeniedError),
    ],
)
def test_a_sentence_counts_where_the_status_says_little(status: int | None, message: str, kind: type[AiError]) -> None:
    assert type(mapped({"error": {"message": message}}, status)) is kind


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (404, "Not Found", True),
        (404, "gone fishing", False),
        (405, "Not Found", True),
        (501, "Not Found", True),
        (400, "Not Found", False),
        (500, "Not Found", False),
    ],
)
def test_what_says_that_there_is_nothing_at_a_path(status: int, message: str, expected: bool) -> None:
    assert is_no_such_endpoint(read_failure({"error": {"message": message}}, status=status)) == expected


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"reasons": ["x"]}, ContentPolicyError),
        ({"flagged_input": "x"}, ContentPolicyError),
        ({"patterns": ["x"]}, PermissionDeniedError),
        ({"others": ["x"]}, AuthenticationError),
    ],
    ids=str,
)
def test_what_a_refusal_is_about(metadata: dict[str, object], kind: type[AiError]) -> None:
    assert type(mapped({"error": {"message": "m", "metadata": metadata}}, 403)) is kind


@pytest.mark.parametrize(("length", "shown"), [(499, "x" * 499), (500, "x" * 500), (501, "x" * 499 + "…")])
def test_a_message_is_cut_at_500_characters(length: int, shown: str) -> None:
    assert str(mapped({"error": {"message": "x" * length}}, 400)) == shown


@pytest.mark.parametrize(
    ("code", "status"), [(399, 502), (500, 500), (599, 599), (600, 502), ("599", 599), ("0599", 502), (True, 502)]
)
def test_the_statuses_that_an_error_may_name(code: object, status: int) -> None:
    error = mapped({"error": {"message": "m", "type": "server_error", "code": code}})
    assert (type(error), error.status_code) == (ProviderError, status)


@pytest.mark.parametrize("status", [400, 418])
def test_a_failure_of_the_provider_is_a_5xx_whatever_the_status(status: int) -> None:
    error = mapped({"error": {"message": "m", "type": "server_error"}}, status)
    assert (type(error), error.status_code) == (ProviderError, 502)


@pytest.mark.parametrize("name", ["code", "http_status", "status"])
def test_the_places_where_a_status_is_named(name: str) -> None:
    assert type(mapped({"error": {"message": "m", name: 429}})) is RateLimitError


@pytest.mark.parametrize("level", ["{%s}", "[{%s}]"], ids=["objects", "lists"])
def test_envelopes_are_opened_to_a_depth(level: str) -> None:
    def wrapped(times: int) -> object:
        text = '"message":"found"'
        for _ in range(times):
            text = '"error":' + level % text
        return json.loads("{" + text + "}")

    reached = [times for times in range(1, 12) if str(mapped(wrapped(times), 400)) == "found"]
    assert reached == ([1, 2, 3, 4, 5] if level == "{%s}" else [1, 2])


def test_lists_in_lists_are_opened_to_a_depth() -> None:
    def wrapped(times: int) -> object:
        return json.loads("[" * times + '{"message":"found"}' + "]" * times)

    assert [times for times in range(1, 12) if str(mapped(wrapped(times), 400)) == "found"] == [1, 2, 3, 4, 5]


def test_five_validation_errors_are_told() -> None:
    assert str(mapped([{"msg": str(number)} for number in range(7)], 400)) == "0; 1; 2; 3; 4"


@pytest.mark.parametrize("raw", [' \n{"message":"why"}', '{"message":"why"}', '["a"]', '[{"message":"why"}] '])
def test_raw_errors_are_recognised_as_json_behind_blanks(raw: str) -> None:
    details = mapped({"error": {"message": "m", "metadata": {"raw": raw}}}, 500).details
    assert details == {"provider_message": "a" if raw == '["a"]' else "why"}


def test_a_raw_error_with_a_lone_surrogate() -> None:
    error = mapped({"error": {"message": "m", "metadata": {"raw": '{"message":"why \ud800 not"}'}}}, 500)
    assert error.details == {"provider_message": "why ? not"}


def test_a_page_is_recognised_behind_blanks() -> None:
    assert str(mapped("\n <p>down</p> ", 500)) == "AI gateway error: an HTML page: down"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"n_ctx": 7}, (7, None)),
        ({"n_prompt_tokens": 8}, (None, 8)),
        ({"n_ctx": "7", "n_prompt_tokens": 8}, (None, 8)),
        ({"n_ctx": True, "n_prompt_tokens": -1}, (None, None)),
        ({"n_ctx": 0, "n_prompt_tokens": 999_999_999}, (0, 999_999_999)),
        ({"n_ctx": 1_000_000_000}, (None, None)),
    ],
    ids=str,
)
def test_sizes_of_the_context(sizes: dict[str, object], expected: tuple[int | None, int | None]) -> None:
    error = mapped({"error": {"message": "m", "type": "exceed_context_size_error", **sizes}}, 400)
    assert isinstance(error, ContextLengthError)
    assert (error.max_tokens, error.requested_tokens) == expected


@pytest.mark.parametrize("name", ["x-generation-id", "x-request-id", "request-id", "x-litellm-call-id", "cf-ray"])
def test_the_headers_that_hold_an_id(name: str) -> None:
    assert mapped({}, 500, {name: "id-1"}).request_id == "id-1"


def hidden(text: str, *contents: str) -> str:
    return Redactor([], [{"role": "user", "content": content} for content in contents])(text)


@pytest.mark.parametrize("contents", [("zz secret", "a zz secret plan"), ("a zz secret plan", "zz secret")])
def test_the_longest_quotation_is_hidden_first(contents: tuple[str, str]) -> None:
    assert hidden("about a zz secret plan", *contents) == "about [hidden]"


@pytest.mark.parametrize(
    ("said", "shown"), [("two word", "[hidden]"), ("a words", "a words"), ("x" * 16, "[hidden]"), ("x" * 15, "x" * 15)]
)
def test_how_short_a_message_is_hidden(said: str, shown: str) -> None:
    assert hidden(said, said) == shown


def test_quotations_side_by_side_are_each_hidden() -> None:
    first, second = "abcdefgh ijklmno", "pqrstuvw yzabcde"
    assert hidden(first + second, f"- {first} -", f"- {second} -") == "[hidden][hidden]"


def test_an_invisible_mark_does_not_save_a_quotation() -> None:
    said = "my \u200fname is\u200b Ada\ufeff Lovelace"
    assert hidden(str(mapped({"error": {"message": f"bad: {said}"}}, 400)), said) == "bad: [hidden]"


def test_a_printable_line() -> None:
    assert printable_line("  a\u200bb\n\x00 c\u00a0d é ") == "a b c d é"


def test_a_redactor_tells_nothing_of_itself() -> None:
    assert repr(Redactor(["key"], ["prompt"])) == "Redactor(...)"


def test_a_redactor_is_not_pickled() -> None:
    why = "what belongs to a call is not pickled or copied: it holds the key and the conversation"
    with pytest.raises(TypeError, match=f"^{why}$"):
        pickle.dumps(Redactor(["key"], ["prompt"]))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its time zone")
    monkeypatch.setenv("TZ", "XYZ-5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_date_without_a_zone_is_utc_and_not_local_time() -> None:
    assert time.localtime(0).tm_hour == 5
    headers = {"retry-after": "Fri, 15 Jan 2027 08:00:30 -0000"}
    assert parse_retry_after(headers, {}, now=1_800_000_000) == 30.0


@pytest.mark.parametrize(
    ("reset", "now", "seconds"),
    [
        (999_999_999, 10**9, 999_999_999.0),
        (10**9, 10**9 - 5, 5.0),
        (10**9, 10**9 + 5, 0.0),
        (10**12 - 1, 0, 10**12 - 1.0),
        (10**12, 0, 10**9),
    ],
)
def test_where_a_duration_ends_and_a_point_in_time_begins(reset: int, now: int, seconds: float) -> None:
    assert parse_retry_after({"x-ratelimit-reset": str(reset)}, {}, now=now) == seconds


def test_the_types_own_status_where_nothing_else_names_one() -> None:
    assert mapped({"error": {"message": "m", "type": "overloaded_error"}}).status_code == 529
    assert mapped({"error": {"message": "m", "error_type": "provider_overloaded"}}).status_code == 503


@pytest.mark.parametrize(("status", "read"), [(399, None), (400, 400), (599, 599), (600, None)])
def test_the_statuses_that_are_read_and_passed_on(status: int, read: int | None) -> None:
    assert read_failure({"error": {"message": "m", "code": status}}).status == read
    error = mapped({"error": {"message": "m", "type": "server_error"}}, status)
    assert error.status_code == (599 if status == 599 else 502)


def test_an_error_in_a_stream_that_names_no_status_is_a_400() -> None:
    assert mapped({"error": {"message": "m", "type": "content_filter"}}).status_code == 400


def test_at_most_twenty_reasons_are_told_and_odd_ones_are_empty() -> None:
    error = mapped({"error": {"message": "m", "metadata": {"reasons": [5, *map(str, range(30))]}}}, 403)
    assert isinstance(error, ContentPolicyError)
    assert error.reasons == ("", *map(str, range(19)))


def test_a_redirect_names_its_status_and_keeps_its_id() -> None:
    error = mapped({}, 302, {"x-request-id": "id-1"})
    assert str(error) == "Invalid AI API response: the gateway answered with status 302 - check AI_GATEWAY_URL"
    assert error.request_id == "id-1"


def test_an_error_that_is_wrapped_too_deeply_says_nothing() -> None:
    wrapped: Any = "why"
    for _ in range(9):
        wrapped = {"error": wrapped}
    assert str(mapped(wrapped, 400)) == "The AI gateway rejected the request"
