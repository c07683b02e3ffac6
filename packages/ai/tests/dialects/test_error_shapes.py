"""Error bodies in every shape that servers and proxies were seen to send, and what may be shown of them."""

import json
import pickle
import unicodedata
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._dialects.failures import classify, read_failure
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.redact import Redactor
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

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
PROMPT = "My name is Ada Lovelace and my card is 4111-1111-1111-1111"
REDACT = Redactor([KEY], [{"role": "user", "content": PROMPT}])
HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def mapped(body: Any, status: int | None = None) -> AiError:
    payload = parse_json(body) if isinstance(body, bytes) else body
    return classify(read_failure(payload, status=status, headers={}), model="some/model", redact=REDACT)


def shown(error: AiError) -> str:
    return f"{error} {error!r} {error.to_dict()} {vars(error)}"


def obeyed(text: str) -> list[str]:
    """Return the characters of a text that a terminal or a log viewer would obey: controls, line ends, directions."""
    directions = ("L", "R", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "AL")
    return [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
        or (unicodedata.category(character) == "Cf" and unicodedata.bidirectional(character) in directions)
    ]


def texts_in(value: Any) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, dict):
        value = list(cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return [text for item in cast("list[Any]", value) for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


def anthropic(name: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": name, "message": "m"}, "request_id": None}


SHAPES: list[tuple[str, int, Any, type[AiError], str | None]] = [
    ("empty", 503, b"", ProviderError, "AI gateway error: no reason given"),
    ("empty 401", 401, b"", AuthenticationError, "AI API authentication failed - check API key"),
    ("empty 404", 404, b"", BadRequestError, "The AI gateway has no such endpoint - check AI_GATEWAY_URL"),
    ("null", 500, b"null", ProviderError, "AI gateway error: no reason given"),
    ("number", 500, b"5", ProviderError, "AI gateway error: no reason given"),
    ("plain text", 500, b"Internal Server Error", ProviderError, "AI gateway error: Internal Server Error"),
    ("broken JSON", 500, b'{"error":', ProviderError, 'AI gateway error: {"error":'),
    ("bad utf-8", 500, b"upstream \xff died", ProviderError, "AI gateway error: upstream \ufffd died"),
    ("html", 502, HTML, ProviderError, "AI gateway error: an HTML page: 502 Bad Gateway 502 Bad Gateway"),
    ("html 404", 404, b"<html><h1>404 Not Found</h1></html>", BadRequestError,
     "The AI gateway has no such endpoint - check AI_GATEWAY_URL"),
    ("error as text", 400, {"error": "Bad thing"}, BadRequestError, "Bad thing"),
    ("error as text, model", 400, {"error": "Unknown provider prefix: 'no'"}, ModelNotAvailableError,
     "Model not available: some/model"),
    ("detail", 401, {"detail": "Invalid API key"}, AuthenticationError, "AI API authentication failed - check API key"),
    ("detail with an error", 400, {"detail": {"error": {"message": "Bad thing"}}}, BadRequestError, "Bad thing"),
    ("detail with error as text", 400, {"detail": {"error": "Bad thing"}}, BadRequestError, "Bad thing"),
    ("detail as a list", 422, {"detail": [
        {"loc": ["body", "messages", 0], "msg": "field required", "type": "missing", "input": PROMPT},
        {"loc": [], "msg": "and more"}]}, BadRequestError, "body.messages.0: field required; and more"),
    ("status and message", 500, {"status": "failure", "message": "Bad thing"}, ProviderError,
     "AI gateway error: Bad thing"),
    ("html-message", 502, {"html-message": "<h1>Bad</h1> thing"}, ProviderError,
     "AI gateway error: an HTML page: Bad thing"),
    ("list with an envelope", 429, [{"error": {"code": 429, "message": "m"}}], RateLimitError,
     "AI API rate limit exceeded"),
    ("empty list", 500, [], ProviderError, "AI gateway error: no reason given"),
    ("vLLM", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
     ModelNotAvailableError, "Model not available: some/model"),
    ("Ollama", 404, {"error": {"message": 'model "x" not found, try pulling it first', "type": "api_error"}},
     ModelNotAvailableError, "Model not available: some/model"),
    ("OpenAI model", 404, {"error": {"message": "The model `x` does not exist or you do not have access to it.",
     "type": "invalid_request_error", "param": None, "code": "model_not_found"}}, ModelNotAvailableError,
     "Model not available: some/model"),
    ("llama.cpp picture", 500, {"error": {"code": 500, "type": "server_error", "message":
     "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"}},
     ModelNotAvailableError, "Model not available: some/model"),
    ("LiteLLM picture", 500, {"error": {"code": "500", "type": "internal_server_error", "param": None, "message":
     "litellm.InternalServerError: InternalServerError: OpenAIException - image input is not supported - hint: if"}},
     ModelNotAvailableError, "Model not available: some/model"),
    ("OpenAI key", 401, {"error": {"message": "Incorrect API key provided: sk-ab***yz.", "code": "invalid_api_key",
     "type": "invalid_request_error"}}, AuthenticationError, "AI API authentication failed - check API key"),
    ("OpenAI context", 400, {"error": {"message": "This model's maximum context length is 8192 tokens.",
     "type": "invalid_request_error", "code": "context_length_exceeded"}}, ContextLengthError,
     "Context length exceeded: This model's maximum context length is 8192 tokens."),
    ("OpenAI policy", 400, {"error": {"message": "Rejected by our safety system", "code": "content_policy_violation"}},
     ContentPolicyError, "The content was rejected by policy: Rejected by our safety system"),
    ("Azure", 400, {"error": {"message": "The response was filtered", "code": "content_filter", "status": 400}},
     ContentPolicyError, "The content was rejected by policy: The response was filtered"),
    ("Anthropic authentication", 401, anthropic("authentication_error"), AuthenticationError, None),
    ("Anthropic permission", 403, anthropic("permission_error"), PermissionDeniedError, None),
    ("Anthropic billing", 402, anthropic("billing_error"), InsufficientCreditsError, None),
    ("Anthropic rate limit", 429, anthropic("rate_limit_error"), RateLimitError, None),
    ("Anthropic overloaded", 529, anthropic("overloaded_error"), ProviderError, None),
    ("Anthropic timeout", 504, anthropic("timeout_error"), TimeoutError, None),
    ("Anthropic api_error", 500, anthropic("api_error"), ProviderError, None),
    ("Anthropic invalid", 400, anthropic("invalid_request_error"), BadRequestError, None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "message"), [pytest.param(*c[1:], id=c[0]) for c in SHAPES])
def test_shapes(status: int, body: Any, kind: type[AiError], message: str | None) -> None:
    error = mapped(body, status)
    assert type(error) is kind
    assert message is None or str(error) == message
    assert PROMPT not in shown(error)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        pytest.param('{"error":{"message":"The real reason","internal":"SECRET"},"trace":"SECRET"}', "The real reason",
                     id="JSON text"),
        pytest.param({"error": {"message": "The real reason"}, "host": "SECRET"}, "The real reason", id="object"),
        pytest.param('[{"error":{"message":"The real reason","x":"SECRET"}}]', "The real reason", id="list"),
        pytest.param({"message": "The real reason", "stack": ["SECRET"]}, "The real reason", id="bare"),
        pytest.param("The real reason", "The real reason", id="text"),
        pytest.param('{"oops":"SECRET"}', None, id="no sentence"),
        pytest.param(None, None, id="null"),
        pytest.param(5, None, id="number"),
        pytest.param("", None, id="empty"),
    ],
)  # fmt: skip
def test_of_a_providers_raw_error_only_its_sentence_is_shown(raw: object, sentence: str | None) -> None:
    body = {
        "error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": raw, "provider_name": "Q"}}
    }
    error = mapped(body, 502)
    assert str(error) == "AI gateway error: Provider returned error"
    assert error.details == ({"provider_message": sentence} if sentence else {})
    assert "SECRET" not in shown(error)


def test_the_flagged_input_is_never_shown() -> None:
    metadata = {"reasons": ["violence"], "flagged_input": "words that nobody is to see", "provider_name": "P"}
    error = mapped({"error": {"code": 403, "message": "Flagged", "metadata": metadata}}, 403)
    assert isinstance(error, ContentPolicyError)
    assert error.reasons == ("violence",)
    assert "nobody" not in shown(error)


HOSTILE = f"no\x00 \x1b[31mred\r\n\u2028\u202e\u200f\u061c\u2067{KEY} {PROMPT} \x9b2J"


@pytest.mark.parametrize(
    "error",
    [
        {"message": HOSTILE},
        {"message": "m", "code": HOSTILE},
        {"message": "m", "type": HOSTILE},
        {"message": "m", "metadata": {"raw": HOSTILE, "provider_name": HOSTILE, "error_type": HOSTILE}},
        {"message": "m", "metadata": {"reasons": [HOSTILE, 5, None]}},
        {"message": "m", "availability": {"code": HOSTILE}},
    ],
    ids=["message", "code", "type", "metadata", "reasons", "availability"],
)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 504])
def test_nothing_a_terminal_obeys_and_no_secret_gets_out(error: dict[str, Any], status: int) -> None:
    failure = mapped({"error": error}, status)
    for text in texts_in([str(failure), failure.error_type, failure.provider, failure.details]):
        assert obeyed(text) == []
    assert KEY not in shown(failure)
    assert "Lovelace" not in shown(failure)
    assert "4111" not in shown(failure)


@pytest.mark.parametrize("before", [0, 150, 180, 199, 400, 470, 480, 490, 499, 3_990, 3_999])
@pytest.mark.parametrize("place", ["message", "raw", "code"])
def test_a_key_that_straddles_a_cut_is_hidden_whole(before: int, place: str) -> None:
    text = "x" * before + " " + KEY + " tail" * 500
    error: dict[str, Any] = {"message": text, "metadata": {"raw": text}, "code": text}
    failure = mapped(
        {"error": {"message": "m", place: error[place]} if place != "raw" else {"metadata": {"raw": text}}}, 400
    )
    assert KEY[:12] not in shown(failure)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
@pytest.mark.parametrize(
    "text", ["word " * 5_000, "x" * 100_000, "<p>" + "y" * 100_000], ids=["words", "one word", "html"]
)
def test_long_messages_are_cut(text: str, status: int) -> None:
    failure = mapped(
        {"error": {"message": text, "metadata": {"raw": text, "provider_name": text}, "code": text}}, status
    )
    assert len(str(failure)) < 600
    assert len(shown(failure)) < 6_000
    assert "…" in shown(failure)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "type", "metadata", "availability", "reasons", "raw",
                             "headers", "retry_after", "retryable", "msg", "loc", "error_type", "n_ctx", "status"]),
            inner, max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    body=JSON,
    status=st.none() | st.sampled_from([300, 400, 401, 402, 403, 404, 408, 413, 418, 422, 429, 500, 529, 599]),
)
def test_every_body_becomes_an_error_that_can_be_told(body: Any, status: int | None) -> None:
    failure = mapped(body, status)
    assert obeyed(str(failure)) == []
    assert len(str(failure)) < 600
    assert 400 <= failure.status_code <= 599
    assert failure.retry_after is None or failure.retry_after >= 0
    json.dumps(failure.to_dict(), allow_nan=False).encode()
    assert pickle.loads(pickle.dumps(failure)).to_dict() == failure.to_dict()


@given(body=st.binary(max_size=80), status=st.sampled_from([400, 403, 404, 500]))
def test_every_bytes_become_an_error_that_can_be_told(body: bytes, status: int) -> None:
    assert obeyed(str(mapped(body, status))) == []
