"""Every recorded error response of a real server, and what it becomes."""

import re
from pathlib import Path

import pytest
from ai_tests import Recorded

from raptscallions_ai._dialects.failures import classify, read_failure
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    ModelNotAvailableError,
    ProviderError,
    RateLimitError,
    TimeoutError,
)

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "wire"

EXPECTED: dict[str, tuple[type[AiError], float | None]] = {
    "aimock-openrouter-bad-json": (BadRequestError, None),
    "aimock-openrouter-broke": (InsufficientCreditsError, None),
    "aimock-openrouter-moderated": (ContentPolicyError, None),
    "aimock-openrouter-nomatch": (ProviderError, None),
    "aimock-openrouter-ratelimited": (RateLimitError, 7.0),
    "litellm-chat-stream-n2": (BadRequestError, None),
    "litellm-err-401-badformat": (AuthenticationError, None),
    "litellm-err-401-nokey": (AuthenticationError, None),
    "litellm-err-401-wrongkey": (AuthenticationError, None),
    "litellm-err-429-key-rpm": (RateLimitError, 60.0),
    "litellm-err-429-rpm": (RateLimitError, 60.0),
    "litellm-err-429-rpm-stream": (RateLimitError, 60.0),
    "litellm-err-bad-json": (BadRequestError, None),
    "litellm-err-bad-max-tokens": (BadRequestError, None),
    "litellm-err-bad-schema": (BadRequestError, None),
    "litellm-err-bad-temperature-type": (BadRequestError, None),
    "litellm-err-bad-tools": (ProviderError, None),
    "litellm-err-context": (ContextLengthError, None),
    "litellm-err-context-stream": (ContextLengthError, None),
    "litellm-err-cooldown-1": (ProviderError, None),
    "litellm-err-cooldown-2": (ProviderError, None),
    "litellm-err-cooldown-3": (RateLimitError, 30.0),
    "litellm-err-method": (BadRequestError, None),
    "litellm-err-no-messages": (BadRequestError, None),
    "litellm-err-timeout": (TimeoutError, None),
    "litellm-err-timeout-stream": (TimeoutError, None),
    "litellm-err-unknown-model": (ModelNotAvailableError, None),
    "litellm-err-unknown-model-stream": (ModelNotAvailableError, None),
    "litellm-err-upstream-401": (AuthenticationError, None),
    "litellm-err-upstream-dead": (ProviderError, None),
    "litellm-err-upstream-dead-stream": (ProviderError, None),
    "llamacpp-chat-stream-n2": (BadRequestError, None),
    "llamacpp-err-bad-json": (BadRequestError, None),
    "llamacpp-err-bad-max-tokens": (BadRequestError, None),
    "llamacpp-err-bad-schema": (BadRequestError, None),
    "llamacpp-err-bad-temperature-type": (BadRequestError, None),
    "llamacpp-err-bad-tools": (ProviderError, None),
    "llamacpp-err-context": (ContextLengthError, None),
    "llamacpp-err-context-stream": (ContextLengthError, None),
    "llamacpp-err-method": (BadRequestError, None),
    "llamacpp-err-no-key": (AuthenticationError, None),
    "llamacpp-err-no-messages": (BadRequestError, None),
    "llamacpp-err-wrong-key": (AuthenticationError, None),
}


def test_every_recorded_error_is_expected_here(recorded: Recorded) -> None:
    # Those of other APIs are read by tests of their dialects.
    elsewhere = re.compile(rb"/v1/messages|/api/(?:chat|generate|tags|show|version)\b")
    recordings = {path.stem: path.read_bytes().partition(b"# --- request") for path in RECORDINGS.glob("*.txt")}
    names = {
        name for name, (asked, _, rest) in recordings.items() if not elsewhere.search(asked) and b"HTTP/1.1 " in rest
    }
    assert {name for name in names if recorded(name)[0] >= 400} == set(EXPECTED)


@pytest.mark.parametrize(("name", "kind", "seconds"), [(name, *expected) for name, expected in EXPECTED.items()])
def test_recorded_errors(recorded: Recorded, name: str, kind: type[AiError], seconds: float | None) -> None:
    status, headers, body, _ = recorded(name)
    error = classify(read_failure(parse_json(body), status=status, headers=headers), model="some/model", redact=str)
    assert type(error) is kind
    assert error.retry_after == seconds
    assert error.retryable == (kind in (RateLimitError, ProviderError, TimeoutError))
    assert error.status_code == (401 if kind is AuthenticationError else {408: 504}.get(status, status))
    assert str(error).isprintable()
    assert error.request_id == (headers.get("x-request-id") or headers.get("x-litellm-call-id"))


@pytest.mark.parametrize("name", ["llamacpp-err-context", "llamacpp-err-context-stream", "litellm-err-context"])
def test_the_sizes_of_a_conversation_that_does_not_fit(recorded: Recorded, name: str) -> None:
    status, headers, body, _ = recorded(name)
    error = classify(read_failure(parse_json(body), status=status, headers=headers), model="some/model", redact=str)
    assert isinstance(error, ContextLengthError)
    assert (error.max_tokens, error.requested_tokens) == (2048, 16031)
