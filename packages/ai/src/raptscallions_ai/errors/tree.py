"""Every error that leaves this library.

::

    AppError                            what all packages of the product share: code, status, details
    └── AiError                         500  anything that went wrong with an AI call
        ├── ConfigurationError          500  settings are missing or invalid          (also a ValueError)
        ├── InvalidMediaError           400  a file cannot be part of a message       (also a ValueError)
        ├── RateLimitError              429  the gateway or every provider is limiting
        ├── TimeoutError                504  a deadline passed, ours or the gateway's (also a builtin TimeoutError)
        ├── InvalidResponseError        502  not an answer: HTML, no choices, no usage, broken event
        │   ├── StreamInterruptedError  502  the stream ended before the answer was complete
        │   └── InvalidOutputError      502  the answer does not fit the response model
        │       └── TruncatedOutputError  502  it ended at its token limit, in the middle of the JSON
        ├── AuthenticationError         401  the key is missing, wrong or revoked
        ├── PermissionDeniedError       403  guardrail, region or policy
        ├── ModelNotAvailableError      400  unknown model, or no provider serves it now
        ├── ContextLengthError          400  the conversation does not fit the model
        ├── ContentPolicyError          400  moderation or a provider's policy rejected the content
        │   └── RefusalError            400  the model itself declined to answer
        ├── InsufficientCreditsError    402  the account or key has no credit left
        ├── BudgetExceededError         402  your own `Budget` is used up
        ├── BadRequestError             400  the gateway says that the request is wrong
        ├── NotSupportedError           501  the gateway does not offer what was requested
        ├── ProviderError               5xx  the gateway or the provider behind it failed
        ├── ConnectionError             503  the gateway was not reached             (also a builtin ConnectionError)
        ├── CallbackError               500  your tool or hook raised something that is not an `Exception`
        └── ToolError                   500  your tool failed; its message is for the model

A failure inside a stream has the class that the same failure has before the stream. Errors are picklable,
hold no request, and never contain the key or the prompt; what had arrived of the answer is in ``partial``.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Literal

from raptscallions_ai.errors.base import AiError, AppError, ErrorFields
from raptscallions_ai.errors.text import one_line, printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal
    from typing import Unpack

    from raptscallions_ai.answer.result import OutputIssue, RateLimits

__all__ = [
    "AiError",
    "AppError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "CallbackError",
    "ConfigurationError",
    "ConnectionError",
    "ContentPolicyError",
    "ContextLengthError",
    "InsufficientCreditsError",
    "InvalidOutputError",
    "InvalidMediaError",
    "InvalidResponseError",
    "ModelNotAvailableError",
    "NotSupportedError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "RefusalError",
    "StreamInterruptedError",
    "TimeoutError",
    "ToolError",
    "TruncatedOutputError",
]


_LONGEST_LINE = 500


class ConfigurationError(AiError, ValueError):
    """The settings are missing something or hold something invalid; the message names every variable."""

    default_message = "The AI gateway configuration is invalid"

    @classmethod
    def shown(cls, message: str) -> str:
        """Return the message with a line for each variable."""
        return printable_lines(message, _LONGEST_LINE)


class InvalidMediaError(AiError, ValueError):
    """An image, document or audio cannot be part of a message; nothing has been sent.

    Attributes:
        reason: `unreadable`, `empty`, `too_large` (413), `unknown_type` or `wrong_type`.
    """

    status_code = 400

    def __init__(self, why: str, *, reason: str, **fields: Unpack[ErrorFields]) -> None:
        self.reason = reason
        fields["details"] = {"reason": reason, **(fields.get("details") or {})}
        fields["message"] = why
        super().__init__(**fields)


class RateLimitError(AiError):
    """The gateway, or every provider behind it, is limiting requests; see `retry_after`.

    Attributes:
        limits: The limits that the gateway reported; None if it reported none.
    """

    status_code = 429
    retryable = True
    default_message = "AI API rate limit exceeded"

    def __init__(self, seconds: float | None = None, /, **fields: Unpack[ErrorFields]) -> None:
        fields.setdefault("retry_after", seconds)
        fields["details"] = {"retry_after": fields.get("retry_after"), **(fields.get("details") or {})}
        super().__init__(**fields)
        self.limits: RateLimits | None = None


class TimeoutError(AiError, builtins.TimeoutError):
    """A deadline passed.

    Attributes:
        phase: Which one: `connect`, `first_chunk`, `idle` or `total` are the caller's own
            (`Timeouts`), `gateway` means that the gateway gave up (408, 504, 524).
        timeout_ms: The deadline in milliseconds; None when it was not ours.
    """

    status_code = 504
    retryable = True

    def __init__(self, timeout_ms: int | None = None, *, phase: str = "total", **fields: Unpack[ErrorFields]) -> None:
        self.timeout_ms = timeout_ms
        self.phase = phase
        fields["details"] = {"timeout_ms": timeout_ms, "phase": phase, **(fields.get("details") or {})}
        after = "" if timeout_ms is None else f" after {timeout_ms}ms"
        fields["message"] = fields.get("message") or f"AI request timed out{after}"
        super().__init__(**fields)


class InvalidResponseError(AiError):
    """The gateway answered with something that is not a complete, readable answer."""

    status_code = 502

    def __init__(self, why: str, **fields: Unpack[ErrorFields]) -> None:
        fields["message"] = f"Invalid AI API response: {why}"
        super().__init__(**fields)


class StreamInterruptedError(InvalidResponseError):
    """The stream ended before the answer was complete; `partial` holds what had arrived."""

    def __init__(self, why: str = "the stream ended too early", **fields: Unpack[ErrorFields]) -> None:
        super().__init__(why, **fields)


class InvalidOutputError(InvalidResponseError):
    """The answer is complete, but it does not fit the response model; `partial` holds it as it was received.

    Attributes:
        errors: What is wrong with it.
    """

    def __init__(self, why: str, *, errors: Sequence[OutputIssue] = (), **fields: Unpack[ErrorFields]) -> None:
        self.errors: tuple[OutputIssue, ...] = tuple(errors)
        super().__init__(why, **fields)


class TruncatedOutputError(InvalidOutputError):
    """The answer ended at its token limit in the middle of the JSON; ask with a larger `max_tokens`."""


class AuthenticationError(AiError):
    """The gateway does not accept the key."""

    status_code = 401
    default_message = "AI API authentication failed - check API key"


class PermissionDeniedError(AiError):
    """The key is good, but this request is not allowed: guardrail, region or policy."""

    status_code = 403
    default_message = "The AI gateway refused this request"


class ModelNotAvailableError(AiError):
    """The gateway does not know the model, or no provider serves it under the given conditions.

    Attributes:
        model: The requested model.
    """

    status_code = 400

    def __init__(self, model: str, **fields: Unpack[ErrorFields]) -> None:
        self.model = model = one_line(model)
        fields["details"] = {"model": model, **(fields.get("details") or {})}
        fields["message"] = f"Model not available: {model}"
        super().__init__(**fields)


class ContextLengthError(AiError):
    """The conversation and the requested answer do not fit into the model's context.

    Attributes:
        max_tokens: The model's context length in tokens, if the gateway reported it.
        requested_tokens: The tokens that were requested, if the gateway reported them.
    """

    status_code = 400
    default_message = "Context length exceeded"

    def __init__(
        self,
        *,
        max_tokens: int | None = None,
        requested_tokens: int | None = None,
        **fields: Unpack[ErrorFields],
    ) -> None:
        self.max_tokens = max_tokens
        self.requested_tokens = requested_tokens
        sizes = {"max_tokens": max_tokens, "requested_tokens": requested_tokens}
        fields["details"] = {**sizes, **(fields.get("details") or {})}
        super().__init__(**fields)


class ContentPolicyError(AiError):
    """Moderation or a provider's policy rejected the content.

    Attributes:
        reasons: The categories that the gateway named, such as `violence`.
    """

    status_code = 400
    default_message = "The content was rejected by policy"

    def __init__(self, *, reasons: Sequence[str] = (), **fields: Unpack[ErrorFields]) -> None:
        self.reasons: tuple[str, ...] = tuple(reasons)
        fields["details"] = {"reasons": list(reasons) or None, **(fields.get("details") or {})}
        super().__init__(**fields)


class RefusalError(ContentPolicyError):
    """The model declined to answer; its words are in `partial.refusal`, and what for, if it said so, in `reasons`."""

    default_message = "The model refused to answer"


class InsufficientCreditsError(AiError):
    """The account or the key has no credit left for this request."""

    status_code = 402
    default_message = "Not enough credits at the AI gateway"


class BudgetExceededError(AiError):
    """Your `Budget` is used up: the call was not made, or was stopped and has a `partial`.

    Attributes:
        limit: What is used up: `cost`, `tokens` or `requests`.
        allowed: How much of it the budget allows; USD for `cost`.
        used: How much of it is used; calls under way count with an estimate.
    """

    status_code = 402

    def __init__(
        self,
        limit: Literal["cost", "tokens", "requests"],
        *,
        allowed: Decimal | int,
        used: Decimal | int,
        **fields: Unpack[ErrorFields],
    ) -> None:
        self.limit: Literal["cost", "tokens", "requests"] = limit
        self.allowed = allowed
        self.used = used
        facts = {"limit": limit, "allowed": _plain(allowed), "used": _plain(used)}
        fields["details"] = {**facts, **(fields.get("details") or {})}
        fields["message"] = (
            fields.get("message") or f"The budget of {allowed} {_UNITS[limit]} is not enough for this call"
        )
        super().__init__(**fields)


_UNITS = {"cost": "USD", "tokens": "tokens", "requests": "requests"}


def _plain(amount: Decimal | int) -> str | int:
    """Return an amount as JSON can hold it without loss."""
    return amount if isinstance(amount, int) else str(amount)


class BadRequestError(AiError):
    """The gateway says that the request itself is wrong."""

    status_code = 400
    default_message = "The AI gateway rejected the request"


class NotSupportedError(AiError):
    """The gateway does not offer this: it has no such endpoint, such as a look-up of costs."""

    status_code = 501
    default_message = "The AI gateway does not offer this"


class ProviderError(AiError):
    """The gateway, or the provider behind it, failed to answer; usually worth a retry."""

    status_code = 502
    retryable = True
    default_message = "AI gateway error"


class ConnectionError(AiError, builtins.ConnectionError):
    """The gateway was not reached: name not found, connection refused, TLS failure, or reset before an answer."""

    status_code = 503
    retryable = True
    default_message = "Failed to connect to AI gateway"


class ToolError(AiError):
    """A tool failed, or the model's arguments do not fit it; `run_tools` sends the message to the model as it is.

    Raise it in a tool for a failure that the model can correct.
    """

    default_message = "The tool failed"

    @classmethod
    def shown(cls, message: str) -> str:
        """Return the message as it is, for the model."""
        return message


class CallbackError(AiError):
    """Your tool, hook or store raised something that is not an `Exception`, such as `SystemExit`; that is the cause.

    It would have ended more than the call: the task, the thread that all sync clients share, or the process.
    """

    default_message = "A function of the caller raised something that is not an Exception"
