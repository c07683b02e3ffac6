import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ai_tests import Outcome

from raptscallions_ai._dialects.chunk import decode_chunk
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai.answer.chunks import (
    ContentChunk,
    StreamChunk,
    ToolCallChunk,
)
from raptscallions_ai.answer.result import ChatResult
from raptscallions_ai.errors import AiError, InvalidResponseError, StreamInterruptedError

USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11, "cost": 0.0123}


def fold(
    *events: Any, done: bool = True, whole: bool = False, require_usage: bool = True, cut: str | None = None
) -> Outcome:
    folding = Fold(model="asked/model", require_usage=require_usage, redact=str)
    chunks: list[StreamChunk] = []
    for event in events:
        folding.feed(decode_chunk(json.dumps(event).encode()), chunks)
        if folding.failure is not None:
            break
    else:
        if done or whole:
            folding.mark_done(whole=whole)
    result = folding.close(cut)
    if (failure := folding.failure) is not None:
        folding.describe(failure)
    return chunks, result, failure


def event(content: object = None, finish: str | None = None, native: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content, **delta}, "finish_reason": finish}
    return {"id": "gen-1", "model": "m-1", "provider": "P", "choices": [{**choice, "native_finish_reason": native}]}


def good(*events: Any, **options: Any) -> ChatResult:
    _, result, error = fold(*events, **options)
    assert error is None
    assert result is not None
    return result


def failed(*events: Any, **options: Any) -> AiError:
    _, result, error = fold(*events, **options)
    assert result is None
    assert error is not None
    return error


def case(*events: Any, id: str) -> Any:
    return pytest.param(list(events), id=id)


END = event("", "stop", "completed")
SHAPES = [
    case(END, {**event(""), "usage": USAGE}, id="A: usage beside a null finish reason"),
    case(END, {**event(), "choices": [], "usage": USAGE}, id="B: usage beside no choices"),
    case(END, {**END, "service_tier": "default", "usage": USAGE}, id="C: finish reason repeated"),
    case(END, {**event(), "choices": None, "usage": USAGE}, id="usage beside null choices"),
    case(END, {"usage": USAGE}, id="usage alone"),
    case({**END, "usage": USAGE}, id="usage with the finish reason"),
    case({**event(), "choices": [], "usage": USAGE}, END, id="usage before the finish reason"),
    case({**END, "usage": None}, {**event(), "choices": [], "usage": USAGE}, id="usage null at first"),
    case(END, {"choices": [{"index": 0, "delta": {}}], "usage": USAGE}, id="LiteLLM: no finish reason"),
]


@pytest.mark.parametrize("end", SHAPES)
def test_the_shapes_of_the_end(end: list[dict[str, Any]]) -> None:
    chunks, result, _ = fold(event(""), event("Hel"), event("lo"), *end)
    assert chunks == [ContentChunk("Hel"), ContentChunk("lo")]
    assert result is not None
    assert (result.content, result.finish_reason, result.native_finish_reason) == ("Hello", "stop", "completed")
    assert (result.id, result.model, result.provider) == ("gen-1", "m-1", "P")
    assert (result.usage.total_tokens, result.usage.cost) == (11, Decimal("0.0123"))


@pytest.mark.parametrize("end", SHAPES)
def test_the_end_mark_is_not_needed_when_there_is_a_finish_reason(end: list[dict[str, Any]]) -> None:
    assert good(event("Hello"), *end, done=False) == good(event("Hello"), *end)


def test_text_may_share_a_chunk_with_the_finish_reason_and_usage() -> None:
    chunks, result, _ = fold({**event("Hello", "stop"), "usage": USAGE})
    assert chunks == [ContentChunk("Hello")]
    assert result is not None and result.content == "Hello"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls", "eos", "STOP"])
def test_finish_reasons_are_passed_on(reason: str) -> None:
    assert good({**event("Hello", reason), "usage": USAGE}).finish_reason == reason


def test_the_last_finish_reason_that_is_not_null_counts() -> None:
    assert good(event("a", "stop"), event("", "length"), {**event(""), "usage": USAGE}).finish_reason == "length"


def test_without_anything_the_answer_is_from_the_model_that_was_asked() -> None:
    result = good({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}], "usage": USAGE})
    assert (result.model, result.id, result.provider) == ("asked/model", None, None)


def test_the_first_id_and_the_last_provider_count() -> None:
    first, last = event("a"), {**event("b", "stop"), "usage": USAGE}
    result = good({**first, "provider": None}, {**last, "id": "gen-2", "provider": "Q"})
    assert (result.id, result.provider) == ("gen-1", "Q")


class TestEvidence:
    """Success only with terminal evidence."""

    def test_end_mark_and_usage_without_a_finish_reason(self) -> None:
        result = good(event("Hello"), {"choices": [], "usage": USAGE})
        assert (result.content, result.finish_reason) == ("Hello", None)

    @pytest.mark.parametrize("done", [False, True], ids=["no end mark", "end mark"])
    @pytest.mark.parametrize(
        "events",
        [
            case(event("Hello"), id="text only"),
            case(event("Hello"), {"choices": [], "usage": {}}, id="empty usage"),
            case(event("Hello", ""), id="empty finish reason"),
        ],
    )
    def test_missing(self, events: list[Any], done: bool) -> None:
        error = failed(*events, done=done)
        assert type(error) is StreamInterruptedError
        assert str(error) == "Invalid AI API response: the stream ended without a finish reason"
        assert (error.status_code, error.retryable, error.request_id, error.provider) == (502, True, "gen-1", "P")
        assert error.partial is not None
        assert (error.partial.content, error.partial.finish_reason, error.partial.id) == ("Hello", None, "gen-1")

    def test_usage_without_an_end_mark_is_no_evidence(self) -> None:
        assert type(failed(event("Hello"), {"choices": [], "usage": USAGE}, done=False)) is StreamInterruptedError

    def test_usage_that_came_is_in_the_partial(self) -> None:
        partial = failed(event("Hello"), {"choices": [], "usage": USAGE}, done=False).partial
        assert partial is not None and partial.usage.cost == Decimal("0.0123")

    def test_a_cut_is_named(self) -> None:
        error = failed(event("Hello"), done=False, cut="the connection was lost (reset)")
        assert type(error) is StreamInterruptedError
        assert str(error) == "Invalid AI API response: the connection was lost (reset)"

    def test_a_cut_after_everything_came_costs_nothing(self) -> None:
        assert (
            good(event("Hello"), {**END, "usage": USAGE}, done=False, cut="the connection was lost").content == "Hello"
        )

    @pytest.mark.parametrize("cut", [None, "the connection was lost (reset)"], ids=["end", "cut"])
    def test_nothing_at_all(self, cut: str | None) -> None:
        error = failed(done=False, cut=cut)
        assert isinstance(error, InvalidResponseError)
        assert error.retryable
        assert error.partial is None


class TestUsage:
    def test_missing_usage_is_an_error_after_the_text(self) -> None:
        chunks, _, error = fold(event("Hello"), END)
        assert chunks == [ContentChunk("Hello")]
        assert type(error) is InvalidResponseError
        assert str(error) == "Invalid AI API response: No usage metadata in response"
        assert not error.retryable
        assert error.partial is not None and error.partial.content == "Hello"

    @pytest.mark.parametrize("usage", [None, {}, [], "none", 5, {"prompt_tokens": None}], ids=str)
    def test_usage_that_says_nothing_is_missing(self, usage: object) -> None:
        assert "No usage metadata" in str(failed(event("Hello"), {**END, "usage": usage}))

    def test_usage_that_is_not_required(self) -> None:
        result = good(event("Hello"), END, require_usage=False)
        assert (result.content, result.usage.reported, result.usage.total_tokens) == ("Hello", False, 0)


class TestToolCalls:
    @pytest.mark.parametrize("finish", ["stop", "tool_calls", None], ids=str)
    def test_finish_reason_is_inferred(self, finish: str | None) -> None:
        call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}
        chunks, result, _ = fold(event(None, finish, tool_calls=[call]), {"choices": [], "usage": USAGE})
        assert chunks == [ToolCallChunk(0, "c1", "f", '{"a":1}')]
        assert result is not None
        assert (result.finish_reason, result.tool_calls[0].arguments) == ("tool_calls", {"a": 1})

    @pytest.mark.parametrize("finish", ["length", "content_filter", "weird"])
    def test_other_finish_reasons_are_kept(self, finish: str) -> None:
        call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"ci'}}
        result = good({**event(None, finish, tool_calls=[call]), "usage": USAGE})
        assert (result.finish_reason, result.tool_calls[0].raw_arguments) == (finish, '{"ci')

    def test_calls_of_a_cut_stream_are_in_the_partial_without_a_finish_reason(self) -> None:
        call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"ci'}}
        partial = failed(event(None, tool_calls=[call]), done=False).partial
        assert partial is not None
        assert (partial.finish_reason, partial.tool_calls[0].raw_arguments) == (None, '{"ci')


class TestNoContent:
    @pytest.mark.parametrize("finish", [None, ""], ids=["null", "blank"])
    def test_no_content_and_no_finish_reason_is_worth_a_retry(self, finish: str | None) -> None:
        error = failed(event("", finish), {"choices": [], "usage": USAGE})
        assert type(error) is InvalidResponseError
        assert error.retryable

    @pytest.mark.parametrize("choices", [[], None], ids=["empty", "null"])
    def test_no_choices(self, choices: object) -> None:
        error = failed({"id": "gen-1", "choices": choices}, {"choices": choices, "usage": USAGE})
        assert type(error) is InvalidResponseError
        assert (error.retryable, error.request_id) == (True, "gen-1")

    def test_an_empty_answer_with_a_finish_reason_is_an_answer(self) -> None:
        result = good({**event("", "stop"), "usage": USAGE})
        assert (result.content, result.finish_reason) == ("", "stop")

    def test_reasoning_that_ate_the_token_limit_is_an_answer(self) -> None:
        result = good(event("", reasoning="hm"), {**event("", "length"), "usage": USAGE})
        assert (result.content, result.reasoning, result.finish_reason) == ("", "hm", "length")


@pytest.mark.parametrize(
    "choices",
    [
        case({"delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}, id="two in one chunk"),
        case({"index": 2, "delta": {"content": "a"}}, id="only another index"),
        case({"index": 0, "delta": {"content": "a"}}, {"index": 1, "error": {"code": 429}}, id="error of another"),
    ],
)
def test_one_choice_is_followed(choices: Any) -> None:
    last = {**choices[0], "delta": None, "finish_reason": "stop"}
    assert good({"choices": choices}, {"choices": [last], "usage": USAGE}).content == "a"


def test_a_whole_body_needs_no_finish_reason_but_content() -> None:
    message = {"role": "assistant", "content": "Hello", "tool_calls": None}
    body = {"choices": [{"index": 0, "message": message}], "usage": USAGE}
    assert good(body, whole=True).content == "Hello"
    assert type(failed({"choices": [], "usage": USAGE}, whole=True)) is InvalidResponseError


def test_what_counts_as_started() -> None:
    folding = Fold(model="m", require_usage=True, redact=str)
    silent_events: list[Any] = [
        event(""),
        event(None),
        event("", "stop"),
        {"choices": []},
        {"usage": USAGE},
        {"id": "g"},
    ]
    for silent in silent_events:
        folding.feed(decode_chunk(json.dumps(silent).encode()), [])
        assert not folding.started
    folding.feed(decode_chunk(json.dumps(event(None, reasoning="hm")).encode()), [])
    assert folding.started


@pytest.mark.parametrize("place", ["choice", "x_groq", "both"])
@pytest.mark.parametrize("size", [None, 1, 7])
def test_usage_that_stands_elsewhere(drive: Callable[..., Any], place: str, size: int | None) -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    event: dict[str, Any] = {"choices": [choice]}
    if place != "x_groq":
        choice["usage"] = counts
    if place != "choice":
        event["x_groq"] = {"id": "req_1", "usage": counts}
    text = {"choices": [{"index": 0, "delta": {"content": "Hi"}}], "x_groq": {"id": "req_1"}}
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (text, event)) + b"data: [DONE]\n\n"
    _, result, failure = drive(body, size)
    assert failure is None and result is not None
    assert (result.content, result.usage.total_tokens, result.usage.raw) == ("Hi", 5, counts)
