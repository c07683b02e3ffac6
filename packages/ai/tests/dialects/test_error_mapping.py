"""OpenRouter's errors: what each becomes, as a status of its own and inside a stream."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.failures import classify, read_failure
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
    TimeoutError,
)


def mapped(body: object, status: int | None = None, headers: Mapping[str, str] | None = None) -> AiError:
    return classify(read_failure(body, status=status, headers=headers), model="some/model", redact=str)


def typed(error_type: str, code: int, message: str = "Something happened", **fields: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "metadata": {"error_type": error_type}, **fields}


def available(code: str, status: int, *, retryable: bool = False, **fields: Any) -> dict[str, Any]:
    availability = {"code": code, "retryable": retryable, "requested_models": ["some/model"], **fields}
    return {"error_type": "not_found", "http_status": status, "message": "Not this time", "availability": availability}


def plain(code: int, message: str = "Something happened", **metadata: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}


def case(name: str, status: int, error: dict[str, Any], kind: type[AiError], **expected: Any) -> Any:
    """One error object; expected are the attributes of the `AiError`, by default an unchanged status and no retry."""
    return pytest.param(status, error, kind, {"status_code": status, "retryable": False, **expected}, id=name)


AFFORD = "This request requires more credits. You requested up to 4096 tokens, but can only afford 12."
FREE = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}

CASES = [
    case("400", 400, plain(400, "Bad thing"), BadRequestError, message="Bad thing"),
    case("400 without a sentence", 400, {"code": 400}, BadRequestError, message="The AI gateway rejected the request"),
    *(
        case(name, 400, typed(name, 400), ContextLengthError, error_type=name)
        for name in ("context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded", "string_too_long")
    ),
    *(
        case(name, 400, typed(name, 400), BadRequestError, error_type=name, message="Something happened")
        for name in ("invalid_request", "invalid_prompt", "invalid_image", "image_too_large", "image_too_small")
    ),
    case("unsupported_image_format", 400, typed("unsupported_image_format", 400), BadRequestError),
    case("image_download_failed", 400, typed("image_download_failed", 400), BadRequestError),
    *(case(name, 400, typed(name, 400), ContentPolicyError) for name in ("content_policy_violation", "refusal")),
    case("not a valid model", 400, plain(400, "foo/bar is not a valid model ID"), ModelNotAvailableError),
    case("too long", 400, plain(400, "This endpoint's maximum context length is 8192 tokens. However, you requested "
         "about 9000 tokens (8000 of text input, 1000 in the output)."), ContextLengthError,
         max_tokens=8192, requested_tokens=9000, details={"max_tokens": 8192, "requested_tokens": 9000}),
    case("401", 401, plain(401, "No auth credentials found"), AuthenticationError,
         message="AI API authentication failed - check API key", details={"reason": "No auth credentials found"}),
    case("authentication", 401, typed("authentication", 401), AuthenticationError),
    case("402", 402, plain(402, AFFORD), InsufficientCreditsError,
         message=f"Not enough credits at the AI gateway: {AFFORD}"),
    case("payment_required", 402, typed("payment_required", 402), InsufficientCreditsError),
    case("403", 403, plain(403, "Forbidden"), AuthenticationError, status_code=401),
    case("permission_denied", 403, typed("permission_denied", 403, "No"), PermissionDeniedError, message="No"),
    case("moderation", 403, plain(403, "Input flagged", reasons=["violence", "hate"], flagged_input="stab …",
         provider_name="OpenAI", model_slug="openai/gpt-4o"), ContentPolicyError, reasons=("violence", "hate"),
         details={"reasons": ["violence", "hate"]}, provider="OpenAI"),
    case("guardrail", 403, plain(403, "Blocked", patterns=["email"]), PermissionDeniedError, message="Blocked"),
    case("region", 403, plain(403, "The model is not available in your region"), PermissionDeniedError),
    case("404", 404, plain(404, "No endpoints found for foo/bar."), ModelNotAvailableError, status_code=400,
         message="Model not available: some/model", model="some/model",
         details={"model": "some/model", "reason": "No endpoints found for foo/bar."}),
    case("404 data policy", 404, plain(404, "No endpoints found matching your data policy"), ModelNotAvailableError,
         status_code=400),
    case("404 path", 404, plain(404, "Not Found"), BadRequestError,
         message="The AI gateway has no such endpoint - check AI_GATEWAY_URL"),
    case("image_not_found", 404, typed("image_not_found", 404, "The image was not found"), BadRequestError),
    case("408", 408, plain(408), TimeoutError, status_code=504, retryable=True, phase="gateway", timeout_ms=None,
         message="AI request timed out at the gateway", details={"phase": "gateway", "reason": "Something happened"}),
    case("409", 409, plain(409), BadRequestError, retryable=True),
    case("410", 410, plain(410), BadRequestError),
    case("precondition_failed", 412, typed("precondition_failed", 412), BadRequestError),
    case("413", 413, plain(413), ContextLengthError, status_code=400),
    case("payload_too_large", 413, typed("payload_too_large", 413), BadRequestError),
    case("unprocessable", 422, typed("unprocessable", 422, "Bad field"), BadRequestError, message="Bad field"),
    case("429", 429, plain(429, "Slow down"), RateLimitError, retryable=True, message="AI API rate limit exceeded",
         details={"reason": "Slow down"}, retry_after=None),
    case("429 upstream", 429, plain(429, "Provider returned error", provider_name="Chutes", raw="busy"), RateLimitError,
         retryable=True, provider="Chutes", details={"provider_message": "busy", "reason": "Provider returned error"}),
    case("429 of the free models", 429, plain(429, "Rate limit exceeded: free-models-per-day", headers=FREE),
         RateLimitError, retryable=True, retry_after=30.0,
         details={"retry_after": 30.0, "reason": "Rate limit exceeded: free-models-per-day"}),
    case("rate_limit_exceeded", 429, typed("rate_limit_exceeded", 429), RateLimitError, retryable=True,
         error_type="rate_limit_exceeded"),
    case("500", 500, plain(500, "Internal Server Error"), ProviderError, retryable=True,
         message="AI gateway error: Internal Server Error"),
    *(case(name, 500, typed(name, 500), ProviderError, retryable=True) for name in ("server", "unmapped")),
    case("502", 502, plain(502, "Provider returned error", raw="{}", provider_name="Q", is_byok=True), ProviderError,
         retryable=True, provider="Q", details={}),
    case("provider_unavailable", 502, typed("provider_unavailable", 502), ProviderError, retryable=True),
    case("provider_overloaded", 503, typed("provider_overloaded", 503), ProviderError, retryable=True),
    case("504", 504, plain(504), TimeoutError, retryable=True),
    case("timeout", 504, typed("timeout", 504), TimeoutError, retryable=True, error_type="timeout"),
    case("524", 524, plain(524), TimeoutError, status_code=504, retryable=True),
    case("529", 529, plain(529), ProviderError, retryable=True),
    case("model_not_found", 400, available("model_not_found", 400), ModelNotAvailableError),
    case("wrong_endpoint", 400, available("wrong_endpoint", 400), BadRequestError),
    *(
        case(name, 404, available(name, 404), ModelNotAvailableError, status_code=400, error_type=name)
        for name in ("no_endpoints", "model_deprecated", "model_unavailable_upstream", "privacy_restricted")
    ),
    case("constraint_filtered", 404, available("constraint_filtered", 404), ModelNotAvailableError, status_code=400),
    case("free_variant_ended", 404, available("free_variant_ended", 404), ModelNotAvailableError, status_code=400),
    case("region_restricted", 403, available("region_restricted", 403), PermissionDeniedError),
    case("capacity_exhausted", 429, available("capacity_exhausted", 429, retryable=True, retry_after=4), RateLimitError,
         retryable=True, retry_after=4.0),
    case("temporarily_unavailable", 503, available("temporarily_unavailable", 503, retryable=True), ProviderError,
         retryable=True),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "kind", "expected"), CASES)
def test_as_a_status(status: int, error: dict[str, Any], kind: type[AiError], expected: dict[str, Any]) -> None:
    failure = mapped({"error": error, "user_id": "user_2x"}, status)
    assert type(failure) is kind
    assert {name: getattr(failure, name) for name in expected} == expected
    assert "user_2x" not in f"{failure!r} {vars(failure)}"


@pytest.mark.parametrize(("status", "error", "kind", "expected"), CASES)
@pytest.mark.parametrize("place", ["stream", "choice", "document"])
def test_inside_a_response(
    drive: Drive, status: int, error: dict[str, Any], kind: type[AiError], expected: dict[str, Any], place: str
) -> None:
    event: Any = {"choices": [{"delta": {}, "error": error}]} if place == "choice" else {"error": error}
    data = json.dumps(event).encode()
    _, _, failure = drive(data if place == "document" else b"data: " + data + b"\n\n")
    assert type(failure) is kind
    same = {name: value for name, value in expected.items() if name not in ("model", "message", "details")}
    assert {name: getattr(failure, name) for name in same} == same


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {"retry-after-ms": "1500"}, 1.5),
        (429, {"x-ratelimit-reset": "12"}, 12.0),
        (503, {"retry-after": "3"}, 3.0),
        (400, {"retry-after": "3"}, 3.0),
    ],
    ids=str,
)
def test_the_wait_is_read_from_the_headers(status: int, headers: dict[str, str], seconds: float) -> None:
    failure = mapped({"error": plain(status)}, status, headers)
    assert failure.retry_after == seconds
    assert failure.details.get("retry_after") == (seconds if status == 429 else None)


@pytest.mark.parametrize(("headers", "retryable"), [({}, False), ({"retry-after": "5"}, True)], ids=["without", "with"])
def test_402_is_worth_a_retry_only_with_a_wait(headers: dict[str, str], retryable: bool) -> None:
    failure = mapped({"error": plain(402, "in-flight budget")}, 402, headers)
    assert isinstance(failure, InsufficientCreditsError)
    assert failure.retryable is retryable


@pytest.mark.parametrize("where", ["type", "code"])
def test_a_429_for_an_empty_account_is_no_rate_limit(where: str) -> None:
    failure = mapped({"error": {"message": "You exceeded your current quota", where: "insufficient_quota"}}, 429)
    assert isinstance(failure, InsufficientCreditsError)
    assert (failure.status_code, failure.retryable, failure.error_type) == (402, False, "insufficient_quota")


@pytest.mark.parametrize("retryable", [True, False], ids=["yes", "no"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_the_gateways_own_word_on_retries_wins(status: int, retryable: bool) -> None:
    availability = {"code": "something_new", "retryable": retryable}
    failure = mapped({"error": {**plain(status), "availability": availability}}, status)
    assert failure.retryable is retryable
    assert mapped({"error": {**plain(status), "availability": availability}}).retryable is retryable


@pytest.mark.parametrize("word", ["yes", 1, None, {}], ids=repr)
def test_a_word_on_retries_that_is_no_boolean_says_nothing(word: object) -> None:
    assert mapped({"error": {**plain(503), "availability": {"retryable": word}}}, 503).retryable is True


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({}, None),
        ({"x-request-id": "r"}, "r"),
        ({"x-generation-id": "gen-1", "x-request-id": "r", "cf-ray": "c"}, "gen-1"),
        ({"cf-ray": "c"}, "c"),
        ({"x-request-id": "a\x1b[31mb" + "c" * 5_000}, None),
    ],
    ids=["none", "x-request-id", "generation id first", "cf-ray", "hostile"],
)
def test_request_id(headers: dict[str, str], request_id: str | None) -> None:
    found = mapped({"error": plain(500)}, 500, headers).request_id
    if request_id is None and headers:
        assert found is not None and found.isprintable() and len(found) <= 200
    else:
        assert found == request_id
