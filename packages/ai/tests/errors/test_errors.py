import builtins
import copy
import json
import pickle
import traceback
from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai import errors
from raptscallions_ai.answer.result import Attempt, ChatResult, OutputIssue, Usage
from raptscallions_ai.errors import (
    AiError,
    AppError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    CallbackError,
    ConfigurationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidMediaError,
    InvalidOutputError,
    InvalidResponseError,
    ModelNotAvailableError,
    NotSupportedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RefusalError,
    StreamInterruptedError,
    TimeoutError,
    ToolError,
    TruncatedOutputError,
)
from raptscallions_ai.tools.tool_call import ToolCall

PARTIAL = ChatResult(
    content="words of the answer",
    usage=Usage(prompt_tokens=1, cost=Decimal("0.1"), raw={"prompt_tokens": 1}),
    model="m",
    tool_calls=(ToolCall("c", "f", '{"words":"of the answer"}'),),
    reasoning="words of the answer",
    reasoning_details=({"text": "words of the answer"},),
)
COMMON: dict[str, Any] = {
    "status_code": 418,
    "details": {"reason": "because", "nested": {"a": [1]}},
    "retryable": True,
    "retry_after": 2.5,
    "error_type": "a_type",
    "provider": "P",
    "request_id": "gen-1",
    "partial": PARTIAL,
    "attempts": [Attempt("m", "ProviderError", "failed", 502, 1.5, 0.5), Attempt("m")],
}

FULL: list[AppError] = [
    AppError("went wrong", status_code=418, details={"a": 1}),
    AiError("went wrong", **COMMON),
    AuthenticationError(**COMMON),
    BadRequestError("went wrong", **COMMON),
    BudgetExceededError("tokens", allowed=10, used=12, **COMMON),
    CallbackError("went wrong", **COMMON),
    ConfigurationError("went wrong", **COMMON),
    ConnectionError(**COMMON),
    ContentPolicyError(reasons=["violence", "hate"], **COMMON),
    ContextLengthError(max_tokens=10, requested_tokens=20, **COMMON),
    InsufficientCreditsError(**COMMON),
    InvalidOutputError("no fit", errors=[OutputIssue(("a", 0), "why")], **COMMON),
    InvalidMediaError("empty", reason="empty", **COMMON),
    InvalidResponseError("no choices", **COMMON),
    ModelNotAvailableError("some/model", **COMMON),
    NotSupportedError(**COMMON),
    PermissionDeniedError(**COMMON),
    ProviderError(**COMMON),
    RateLimitError(**COMMON),
    RefusalError(reasons=["violence"], **COMMON),
    StreamInterruptedError("cut", **COMMON),
    TruncatedOutputError("cut", errors=[OutputIssue((), "why")], **COMMON),
    TimeoutError(5_000, phase="idle", **COMMON),
    ToolError("went wrong", **COMMON),
]
# What a call without arguments beyond the necessary ones is: message, status, whether a retry may help, details.
PLAIN: list[tuple[AppError, str, int, bool, dict[str, Any] | None]] = [
    (AiError(), "Unknown error occurred", 500, False, None),
    (AuthenticationError(), "AI API authentication failed - check API key", 401, False, None),
    (BadRequestError(), "The AI gateway rejected the request", 400, False, None),
    (
        BudgetExceededError("cost", allowed=Decimal("0.5"), used=Decimal("0.75")),
        "The budget of 0.5 USD is not enough for this call",
        402,
        False,
        {"limit": "cost", "allowed": "0.5", "used": "0.75"},
    ),
    (CallbackError(), "A function of the caller raised something that is not an Exception", 500, False, None),
    (ConfigurationError(), "The AI gateway configuration is invalid", 500, False, None),
    (ConnectionError(), "Failed to connect to AI gateway", 503, True, None),
    (ContentPolicyError(), "The content was rejected by policy", 400, False, None),
    (ContentPolicyError(reasons=["hate"]), "The content was rejected by policy", 400, False, {"reasons": ["hate"]}),
    (ContextLengthError(), "Context length exceeded", 400, False, None),
    (ContextLengthError(max_tokens=9), "Context length exceeded", 400, False, {"max_tokens": 9}),
    (InsufficientCreditsError(), "Not enough credits at the AI gateway", 402, False, None),
    (InvalidOutputError("why"), "Invalid AI API response: why", 502, False, None),
    (InvalidOutputError("why", errors=[OutputIssue((), "x")]), "Invalid AI API response: why", 502, False, None),
    (InvalidMediaError("a is empty", reason="empty"), "a is empty", 400, False, {"reason": "empty"}),
    (InvalidResponseError("why"), "Invalid AI API response: why", 502, False, None),
    (ModelNotAvailableError("a/b"), "Model not available: a/b", 400, False, {"model": "a/b"}),
    (NotSupportedError(), "The AI gateway does not offer this", 501, False, None),
    (PermissionDeniedError(), "The AI gateway refused this request", 403, False, None),
    (ProviderError(), "AI gateway error", 502, True, None),
    (RateLimitError(), "AI API rate limit exceeded", 429, True, None),
    (RateLimitError(30), "AI API rate limit exceeded", 429, True, {"retry_after": 30}),
    (RateLimitError(retry_after=1.5), "AI API rate limit exceeded", 429, True, {"retry_after": 1.5}),
    (RefusalError(), "The model refused to answer", 400, False, None),
    (StreamInterruptedError("why"), "Invalid AI API response: why", 502, False, None),
    (TruncatedOutputError("why"), "Invalid AI API response: why", 502, False, None),
    (TimeoutError(30_000), "AI request timed out after 30000ms", 504, True, {"timeout_ms": 30_000, "phase": "total"}),
    (TimeoutError(5, phase="idle"), "AI request timed out after 5ms", 504, True, {"timeout_ms": 5, "phase": "idle"}),
    (TimeoutError(phase="gateway"), "AI request timed out", 504, True, {"phase": "gateway"}),
    (ToolError(), "The tool failed", 500, False, None),
    (TimeoutError(5, message=None), "AI request timed out after 5ms", 504, True, {"timeout_ms": 5, "phase": "total"}),
]


def name_of(error: object) -> str:
    return type(error).__name__


def test_the_tables_hold_every_class() -> None:
    classes = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, AppError)}
    assert {cls.__name__ for cls in classes} == set(errors.__all__)
    assert {type(error) for error in FULL} == classes
    assert {type(row[0]) for row in PLAIN} == classes - {AppError}


@pytest.mark.parametrize(("error", "message", "status", "retryable", "details"), PLAIN, ids=name_of)
def test_what_an_error_says(
    error: AiError, message: str, status: int, retryable: bool, details: dict[str, Any] | None
) -> None:
    assert (str(error), error.message, error.args) == (message, message, (message,))
    assert (error.status_code, error.retryable) == (status, retryable)
    assert error.to_dict() == {"message": message, "code": "AI_ERROR", "status_code": status, "details": details}
    assert (error.partial, error.attempts, error.provider, error.request_id, error.error_type) == (
        (None, (), None, None, None)
    )


def test_the_root_of_the_product() -> None:
    error = AppError("went wrong")
    assert error.to_dict() == {"message": "went wrong", "code": "APP_ERROR", "status_code": 500, "details": None}
    assert not isinstance(error, AiError)


@pytest.mark.parametrize("error", FULL, ids=name_of)
def test_keys_and_types_of_a_dict(error: AppError) -> None:
    told = error.to_dict()
    assert list(told) == ["message", "code", "status_code", "details"]
    assert told["status_code"] == 418
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("error", FULL[1:], ids=name_of)
def test_every_field_is_kept(error: AiError) -> None:
    details: dict[str, Any] = COMMON["details"]
    expected: dict[str, Any] = {**COMMON, "attempts": tuple(COMMON["attempts"])}
    del expected["details"]
    assert {name: getattr(error, name) for name in expected} == expected
    assert error.details.items() >= details.items()


def attributes(error: BaseException) -> dict[str, Any]:
    return {**vars(error), "args": error.args, "notes": getattr(error, "__notes__", None)}


@pytest.mark.parametrize("error", [*FULL, *(row[0] for row in PLAIN)], ids=name_of)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(error: AppError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert attributes(again) == attributes(error)
    assert (str(again), repr(again), again.to_dict()) == (str(error), repr(error), error.to_dict())


@pytest.mark.parametrize("error", FULL, ids=name_of)
def test_copies_keep_everything(error: AppError) -> None:
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert again is not error
        assert type(again) is type(error)
        assert attributes(again) == attributes(error)


def test_pickling_keeps_notes_and_subclasses_of_ones_own() -> None:
    error = OwnError("some/model", provider="P")
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is OwnError
    assert (again.model, again.provider, again.__notes__) == ("some/model", "P", ["a note"])


class OwnError(ModelNotAvailableError):
    pass


@pytest.mark.parametrize("error", FULL[1:], ids=name_of)
def test_nothing_printable_shows_the_answer(error: AiError) -> None:
    try:
        raise error
    except AiError as caught:
        printed = "".join(traceback.format_exception(caught))
    for text in (str(error), repr(error), f"{error}", json.dumps(error.to_dict()), printed):
        assert "words" not in text
    assert "words" not in repr(error.partial)
    assert "words" not in repr(error.attempts)


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (TimeoutError(), builtins.TimeoutError),
        (TimeoutError(), OSError),
        (ConnectionError(), builtins.ConnectionError),
        (ConfigurationError(), ValueError),
        (StreamInterruptedError("why"), InvalidResponseError),
        (InvalidOutputError("why"), InvalidResponseError),
        (TruncatedOutputError("why"), InvalidOutputError),
        (RefusalError(), ContentPolicyError),
    ],
    ids=name_of,
)
def test_other_bases(error: AiError, base: type[BaseException]) -> None:
    with pytest.raises(base):
        raise error


@pytest.mark.parametrize("error", FULL[1:], ids=name_of)
def test_all_are_ai_errors_and_app_errors(error: AppError) -> None:
    assert isinstance(error, AiError)
    assert issubclass(AiError, AppError)
    assert error.code == "AI_ERROR"


def test_details_leave_out_what_is_unknown() -> None:
    assert AiError("m", details={"a": None, "b": 0, "c": ""}).details == {"b": 0, "c": ""}


def test_the_callers_details_are_not_changed() -> None:
    details: dict[str, Any] = {"a": 1}
    RateLimitError(5, details=details).details["b"] = 2
    assert details == {"a": 1}


def test_a_bare_error_has_no_history() -> None:
    try:
        try:
            raise KeyError("secret")
        except KeyError as cause:
            raise ProviderError() from cause
    except ProviderError as error:
        bare = error.without_traceback()
        assert bare is error
        assert (bare.__cause__, bare.__context__, bare.__traceback__) == (None, None, None)
