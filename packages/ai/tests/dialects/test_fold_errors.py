"""Errors inside a response: every shape, in every position."""

import json
from decimal import Decimal
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai.answer.chunks import ContentChunk
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
)

USAGE = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11, "cost": 0.0123}
HEAD = {"id": "gen-1", "model": "m-1", "provider": "P"}
TEXT: dict[str, Any] = {**HEAD, "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
LENGTH: dict[str, Any] = {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
STOP: dict[str, Any] = {**HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
DONE = b"data: [DONE]\n\n"


def stream(*events: object, name: str = "") -> bytes:
    lines = [
        event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n" for event in events
    ]
    return b"".join(lines)


def named(event: Any) -> bytes:
    return b"event: error\ndata: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n"


def choice(**fields: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": {"content": ""}, **fields}]}


FAILED = choice(finish_reason="error")
LIMIT = {"code": 429, "message": "Rate limit exceeded", "metadata": {"error_type": "rate_limit_exceeded"}}

ERRORS = [
    pytest.param({**FAILED, "error": LIMIT}, RateLimitError, id="as documented"),
    pytest.param({**HEAD, "choices": [], "error": LIMIT}, RateLimitError, id="empty choices"),
    pytest.param({**HEAD, "choices": None, "error": LIMIT}, RateLimitError, id="null choices"),
    pytest.param({"error": LIMIT}, RateLimitError, id="error alone"),
    pytest.param({**HEAD, "error": {"code": "429", "message": "x"}}, RateLimitError, id="code as text"),
    pytest.param({"error": {"code": "rate_limit_exceeded"}}, RateLimitError, id="code as a word"),
    pytest.param({"error": {"type": "rate_limit_error", "message": "x"}}, RateLimitError, id="type as a word"),
    pytest.param({"error": {"error_type": "timeout", "http_status": 504}}, TimeoutError, id="availability shape"),
    pytest.param({"error": {"code": "server_error", "message": "x"}}, ProviderError, id="server_error"),
    pytest.param({"error": {"code": 502, "message": "x"}}, ProviderError, id="502"),
    pytest.param({"error": {"code": None, "type": None, "message": "x"}}, ProviderError, id="nothing but a message"),
    pytest.param({"error": "upstream died"}, ProviderError, id="error as text"),
    pytest.param({"error": True}, ProviderError, id="error as true"),
    pytest.param({"error": ["x"]}, ProviderError, id="error as a list"),
    pytest.param(choice(finish_reason="error", error=LIMIT), RateLimitError, id="inside the choice"),
    pytest.param(choice(error=LIMIT), RateLimitError, id="inside the choice, no finish reason"),
    pytest.param(choice(finish_reason="stop", error={"code": 502}), ProviderError, id="benign finish"),
    pytest.param(FAILED, StreamInterruptedError, id="finish reason only"),
    pytest.param(choice(finish_reason="stop", native_finish_reason="network_error"), StreamInterruptedError,
                 id="native network_error"),
    pytest.param(choice(finish_reason="stop", native_finish_reason="error"), StreamInterruptedError, id="native error"),
    pytest.param(named({"error": LIMIT}), RateLimitError, id="named, enveloped"),
    pytest.param(named({"message": "slow down", "code": 429}), RateLimitError, id="named, bare"),
    pytest.param(named({**HEAD, "message": "slow down", "code": 429}), RateLimitError, id="named, bare, with an id"),
    pytest.param(named({"message": "slow down", "type": "rate_limit_error"}), RateLimitError, id="named, with type"),
    pytest.param(named({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}), ProviderError,
                 id="named, Anthropic"),
    pytest.param(named({"detail": "no"}), ProviderError, id="named, detail"),
    pytest.param(named({}), ProviderError, id="named, empty object"),
    pytest.param(named(b"upstream died"), ProviderError, id="named, plain text"),
    pytest.param(named(b'"upstream died"'), ProviderError, id="named, JSON text"),
    pytest.param(named([{"error": LIMIT}]), RateLimitError, id="named, list"),
    pytest.param({"message": "slow down", "code": 429}, RateLimitError, id="unnamed, bare"),
    pytest.param({"detail": "no"}, ProviderError, id="unnamed, detail"),
]  # fmt: skip

BEFORE = [
    pytest.param([], None, id="first"),
    pytest.param([TEXT], "Hello", id="after text"),
    pytest.param([TEXT, STOP], "Hello", id="after the finish reason"),
]


@pytest.mark.parametrize(("before", "content"), BEFORE)
@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_every_shape_in_every_position(
    drive: Drive, error: Any, kind: type[AiError], before: list[Any], content: str | None
) -> None:
    chunks, result, failure = drive(stream(*before, error, DONE))
    assert result is None
    assert failure is not None and type(failure) is kind
    assert chunks == ([ContentChunk(content)] if content else [])
    assert (failure.partial.content if failure.partial else None) in ([content] if content else [None, ""])


@pytest.mark.parametrize("size", [1, 3, 7, 64, 100, 200])
@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_the_class_does_not_depend_on_the_reads_nor_on_what_follows(
    drive: Drive, error: Any, kind: type[AiError], size: int
) -> None:
    chunks, _, failure = drive(stream(TEXT, error, TEXT, DONE) + b'data: {"id":"cut', size)
    assert type(failure) is kind
    assert chunks == [ContentChunk("Hello")]


def test_what_the_error_carries(drive: Drive) -> None:
    error = {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "Q", "raw": "overloaded"}}
    _, _, failure = drive(stream(TEXT, {**FAILED, "error": error, "usage": USAGE}, DONE))
    assert isinstance(failure, ProviderError)
    assert str(failure) == "AI gateway error: Provider returned error"
    assert (failure.status_code, failure.retryable, failure.provider, failure.request_id) == (502, True, "Q", "gen-1")
    assert failure.details == {"provider_message": "overloaded"}
    assert failure.partial is not None
    assert (failure.partial.content, failure.partial.id, failure.partial.model) == ("Hello", "gen-1", "m-1")
    assert failure.partial.usage.cost == Decimal("0.0123")


@pytest.mark.parametrize(
    ("name", "status"),
    [("overloaded_error", 529), ("provider_overloaded", 503), ("server", 500), ("server_error", 502)],
)
def test_the_status_of_an_error_that_has_only_a_name(drive: Drive, name: str, status: int) -> None:
    _, _, failure = drive(stream(TEXT, {"error": {"type": name, "message": "x"}}))
    assert isinstance(failure, ProviderError)
    assert failure.status_code == status


def test_the_provider_of_the_stream_is_named_when_the_error_names_none(drive: Drive) -> None:
    _, _, failure = drive(stream(TEXT, {"error": {"code": 502}}))
    assert failure is not None
    assert failure.provider == "P"


def test_usage_on_the_failing_chunk_is_kept_even_without_text(drive: Drive) -> None:
    _, _, failure = drive(stream({**FAILED, "error": LIMIT, "usage": USAGE}))
    assert failure is not None and failure.partial is not None
    assert failure.partial.usage.total_tokens == 11


def test_text_on_the_failing_chunk_is_kept(drive: Drive) -> None:
    failing = {**HEAD, "error": LIMIT, "choices": [{"delta": {"content": " wor"}, "finish_reason": "error"}]}
    chunks, _, failure = drive(stream(TEXT, failing))
    assert chunks == [ContentChunk("Hello"), ContentChunk(" wor")]
    assert failure is not None and failure.partial is not None
    assert failure.partial.content == "Hello wor"


def test_an_error_before_anything_has_no_partial(drive: Drive) -> None:
    _, _, failure = drive(stream({"error": LIMIT}))
    assert failure is not None
    assert failure.partial is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (429, RateLimitError),
        (500, ProviderError),
        (504, TimeoutError),
    ],
)
def test_a_whole_body_fails_as_a_stream_does(drive: Drive, code: int, kind: type[AiError]) -> None:
    error = {"code": code, "message": "x"}
    for body in ({"error": error, "user_id": "u"}, {"choices": None, "error": error}, [{"error": error}]):
        _, _, failure = drive(json.dumps(body).encode())
        assert type(failure) is kind


def test_a_whole_body_with_a_failed_choice_keeps_what_it_says(drive: Drive) -> None:
    failed_choice = {"message": {"content": "Hel"}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}
    _, _, failure = drive(json.dumps({"choices": [failed_choice], "usage": USAGE}).encode())
    assert isinstance(failure, ProviderError)
    assert failure.partial is not None
    assert (failure.partial.content, failure.partial.usage.total_tokens) == ("Hel", 11)


LIMITS = [
    {"code": 400, "message": "Token limit reached"},
    {"code": 400, "message": "x", "metadata": {"error_type": "max_tokens_exceeded"}},
    {"code": 400, "message": "x", "metadata": {"error_type": "token_limit_exceeded"}},
    {"code": 400, "message": "x", "error_type": "context_length_exceeded"},
]


@pytest.mark.parametrize("error", LIMITS, ids=str)
@pytest.mark.parametrize("shape", ["alone", "no choices", "failed choice", "inside the choice", "same chunk"])
def test_a_token_limit_after_length_is_no_error(drive: Drive, error: dict[str, Any], shape: str) -> None:
    shapes: dict[str, dict[str, Any]] = {
        "alone": {"error": error},
        "no choices": {**HEAD, "choices": [], "error": error},
        "failed choice": {**FAILED, "error": error},
        "inside the choice": choice(finish_reason="error", error=error),
        "same chunk": {**LENGTH, "error": error},
    }
    before = [TEXT] if shape == "same chunk" else [TEXT, LENGTH]
    chunks, result, failure = drive(stream(*before, shapes[shape], {"choices": [], "usage": USAGE}, DONE))
    assert (chunks, result, failure) == drive(stream(*before, {**shapes[shape], "usage": USAGE}, DONE))
    assert failure is None
    assert chunks == [ContentChunk("Hello")]
    assert result is not None
    assert (result.content, result.finish_reason, result.usage.total_tokens) == ("Hello", "length", 11)


@pytest.mark.parametrize("size", [None, 1])
def test_a_token_limit_that_is_no_json_hides_nothing_behind_it(drive: Drive, size: int | None) -> None:
    body = stream(TEXT, LENGTH) + b"event: error\ndata: token limit reached\n\n"
    chunks, result, failure = drive(body + stream({"choices": [], "usage": USAGE}, DONE), size)
    assert (chunks, failure) == ([ContentChunk("Hello")], None)
    assert result is not None
    assert (result.finish_reason, result.usage.total_tokens) == ("length", 11)


@pytest.mark.parametrize(
    ("events", "error", "kind"),
    [
        pytest.param([TEXT, LENGTH], LIMIT, RateLimitError, id="another error after length"),
        pytest.param([TEXT, STOP], LIMITS[0], AiError, id="token limit after stop"),
        pytest.param([TEXT], LIMITS[3], ContextLengthError, id="token limit before any end"),
    ],
)
def test_other_errors_stay_errors(drive: Drive, events: list[Any], error: object, kind: type[AiError]) -> None:
    _, result, failure = drive(stream(*events, {"choices": [], "usage": USAGE, "error": error}, DONE))
    assert result is None
    assert isinstance(failure, kind)


@pytest.mark.parametrize("nothing", [None, {}, "", [], 0, False], ids=str)
@pytest.mark.parametrize("place", ["top", "choice"])
def test_an_error_that_is_none_is_none(drive: Drive, nothing: object, place: str) -> None:
    event: Any = {**HEAD, "choices": None, "error": nothing} if place == "top" else choice(error=nothing)
    _, result, failure = drive(stream(TEXT, event, {**STOP, "usage": USAGE}, DONE))
    assert failure is None
    assert result is not None and result.finish_reason == "stop"


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(b'event: ping\ndata: {"type":"ping"}\n\n', id="ping"),
        pytest.param(b'event: ping\ndata: {"message":"still here"}\n\n', id="ping with a message"),
        pytest.param(b"event: heartbeat\ndata: 12:30\n\n", id="heartbeat that is no JSON"),
        pytest.param(b"data: {}\n\n", id="empty object"),
        pytest.param(b"data:\n\n", id="empty data"),
        pytest.param(b"data: \ndata:\n\n", id="blank data"),
        pytest.param(b'data: {"choices":[],"debug":{"echo_upstream_body":{"model":"m"}}}\n\n', id="debug"),
        pytest.param(b'data: {"object":"chat.completion.chunk","choices":[]}\n\n', id="no choices"),
        pytest.param(
            b'data: {"choices":[{"delta":{}}],"message":"a note","detail":"x"}\n\n', id="a message beside choices"
        ),
        pytest.param(b'data: {"id":"gen-1","message":"a note"}\n\n', id="a message beside an id"),
        pytest.param(b'data: {"usage":{"prompt_tokens":1},"message":"a note"}\n\n', id="a message beside usage"),
        pytest.param(b"event: error\n\n", id="name without data"),
        pytest.param(b"id: 1\nretry: 5\n\n", id="id and retry"),
    ],
)
def test_harmless_events_are_skipped(drive: Drive, event: bytes) -> None:
    chunks, result, failure = drive(stream(event, TEXT, event, {**STOP, "usage": USAGE}, event, DONE))
    assert failure is None
    assert chunks == [ContentChunk("Hello")]
    assert result is not None and result.content == "Hello"
