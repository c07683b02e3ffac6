"""Errors that a reader of the API may see, each with its code and its HTTP status."""

from __future__ import annotations

from typing import Any

from raptscallions_ai import AppError

__all__ = ["ChatError"]

_STATUS_OF = {
    "invalid_request": 422,
    "bad_cursor": 422,
    "unknown_parent": 422,
    "unknown_tool": 422,
    "idempotency_mismatch": 422,
    "malformed_json": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "run_active": 409,
    "stale_parent": 409,
    "conversation_completed": 409,
    "nothing_to_continue": 409,
    "idempotency_in_progress": 409,
    "conflict": 409,
    "precondition_failed": 412,
    "bad_host": 421,
    "message_too_large": 413,
    "attachment_too_large": 413,
    "unsupported_media_type": 415,
    "ai_not_configured": 424,
    "budget_exceeded": 402,
    "rate_limited": 429,
    "queue_full": 429,
    "too_many_runs": 429,
    "too_many_streams": 429,
    "draining": 503,
    "overloaded": 503,
    "queue_timeout": 503,
    "store_unavailable": 503,
}
_RETRYABLE = {"rate_limited", "queue_full", "too_many_runs", "too_many_streams", "draining", "overloaded"} | {
    "queue_timeout",
    "store_unavailable",
    "idempotency_in_progress",
}


class ChatError(AppError):
    """A request that cannot be served, told to whoever made it.

    Args:
        code: The machine-readable name; it decides the HTTP status.
        message: What is wrong and what to do, in one sentence.
        details: Further facts, such as `{"head_id": ...}`.
        retry_after: Seconds after which to try again.

    Raises:
        KeyError: There is no such code.
    """

    def __init__(
        self, code: str, message: str, *, details: dict[str, Any] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status_code=_STATUS_OF[code], details=details)
        self.code = code
        self.retryable = code in _RETRYABLE
        self.retry_after = retry_after

    def payload(self) -> dict[str, Any]:
        """Return the error as the API's envelope holds it."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "details": self.details,
        }
