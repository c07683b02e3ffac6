"""What a user is told of an answer that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai import AiError, AuthenticationError, ConfigurationError, InsufficientCreditsError
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["failure_payload"]

# These are between the operator and the gateway; their texts name variables and accounts.
_OPERATORS_BUSINESS = (AuthenticationError, ConfigurationError, InsufficientCreditsError)
_PUBLIC_DETAILS = ("max_tokens", "model", "phase", "reasons", "requested_tokens", "retry_after", "timeout_ms")


def failure_payload(error: Exception) -> dict[str, Any]:
    """Return an error as the API tells it; of what is no error of the client's or ours, only that it happened."""
    if isinstance(error, ChatError):
        return error.payload()
    if not isinstance(error, AiError):
        error = AiError("The answer could not be generated.")
    own = isinstance(error, _OPERATORS_BUSINESS)
    details: Mapping[str, Any] = {} if own else error.details
    return {
        "type": type(error).__name__,
        "code": error.code,
        "message": clean(error.default_message if own else error.sentence),
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "details": {key: details[key] for key in _PUBLIC_DETAILS if key in details},
    }
