"""Every way a call can fail, as one tree of exceptions."""

from raptscallions_ai.errors.tree import (
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

# The names that another library's programs catch.
LLMError = AiError
LLMAuthError = AuthenticationError
LLMConnectionError = ConnectionError
LLMContextLengthError = ContextLengthError
LLMRateLimitError = RateLimitError
LLMTimeoutError = TimeoutError

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
