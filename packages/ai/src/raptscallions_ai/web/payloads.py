"""What a browser is told of errors and usage, in every protocol the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai.answer.codec import to_object
from raptscallions_ai.errors import AuthenticationError, ConfigurationError, InsufficientCreditsError

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.errors import AiError

__all__ = ["SSE_HEADERS", "error_payload", "sse_event", "usage_payload"]

SSE_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    # nginx, and what is built on it, would hold the events back.
    "X-Accel-Buffering": "no",
}

# These are between the operator and the gateway; their texts name variables, accounts and pages of the provider.
_OPERATORS_BUSINESS = (AuthenticationError, ConfigurationError, InsufficientCreditsError)

# Other details hold free text of the gateway or of the provider behind it, meant for the operator's log.
_PUBLIC_DETAILS = (
    "max_tokens",
    "model",
    "phase",
    "reasons",
    "requested_tokens",
    "retry_after",
    "timeout_ms",
)

_PUBLIC_USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cost",
    "cost_source",
)

_encode = msgspec.json.Encoder(decimal_format="number").encode


def sse_event(payload: dict[str, Any]) -> bytes:
    """Return one event with this JSON; decimals are written as exact numbers."""
    return b"data: %b\n\n" % _encode(payload)


def error_payload(error: AiError) -> dict[str, Any]:
    """Return what a browser may know of an error: `to_dict()` without the operator's details, and how to go on."""
    own = isinstance(error, _OPERATORS_BUSINESS)
    return {
        "type": type(error).__name__,
        "message": error.default_message if own else error.sentence,
        "code": error.code,
        "error_type": None if own else error.error_type,
        "status_code": error.status_code,
        "details": {} if own else {key: error.details[key] for key in _PUBLIC_DETAILS if key in error.details},
        "retryable": error.retryable,
        "retry_after": error.retry_after,
    }


def usage_payload(usage: Usage) -> dict[str, Any]:
    """Return a usage without what is between the operator and the gateway; the cost is a text, so nothing rounds it."""
    return {name: value for name, value in to_object(usage).items() if name in _PUBLIC_USAGE}
