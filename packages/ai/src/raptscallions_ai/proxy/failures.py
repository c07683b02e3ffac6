"""What a caller is told of a failure that is between the operator and the gateway."""

from __future__ import annotations

from raptscallions_ai.errors import (
    AiError,
    AuthenticationError,
    ConfigurationError,
    InsufficientCreditsError,
    ProviderError,
)

__all__ = ["for_callers"]

_OPERATORS_BUSINESS = (AuthenticationError, ConfigurationError, InsufficientCreditsError)


def for_callers(error: AiError) -> AiError:
    """Return the error to tell: that the proxy's own key is refused is nothing that a caller's token could mend.

    What the gateway said stays on it, for the log.
    """
    if not isinstance(error, _OPERATORS_BUSINESS):
        return error
    return ProviderError(
        "The proxy cannot use its gateway; tell whoever runs the proxy",
        retryable=False,
        partial=error.partial,
        request_id=error.request_id,
        gateway_status=error.gateway_status,
        gateway_message=error.gateway_message or error.message,
    )
