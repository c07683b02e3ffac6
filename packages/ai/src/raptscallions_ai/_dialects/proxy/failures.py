"""Errors as a proxy of ours tells them: the class and all that belongs to it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from raptscallions_ai import errors
from raptscallions_ai._dialects.failure import cleaned
from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.answer.codec import from_object
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["error_of"]

# What a class has beside the fields of every error, where nothing is told of it.
_OWN: dict[str, dict[str, Any]] = {
    "ModelNotAvailableError": {"model": ""},
    "TimeoutError": {"phase": "gateway", "timeout_ms": None},
    "ContextLengthError": {"max_tokens": None, "requested_tokens": None},
    "ContentPolicyError": {"reasons": []},
    "RefusalError": {"reasons": []},
    "BudgetExceededError": {"limit": "requests", "allowed": 0, "used": 0},
    "RateLimitError": {"limits": None},
    "InvalidOutputError": {"errors": []},
    "TruncatedOutputError": {"errors": []},
}
_COPIED = ("status_code", "retryable", "retry_after", "error_type")


def error_of(failure: Mapping[str, Any]) -> AiError | None:
    """Return the error that a failure stands for; None if it is not told in our form.

    Args:
        failure: What a proxy of ours says, as `web.payloads.error_payload` makes it.
    """
    name, message = failure.get("type"), failure.get("message")
    kind = getattr(errors, name, None) if isinstance(name, str) else None
    if not (isinstance(kind, type) and issubclass(kind, AiError)) or not isinstance(message, str):
        return None
    details = json_object(failure.get("details"))
    own = {field: details.get(field, default) for field, default in _OWN.get(kind.__name__, {}).items()}
    if own.get("limit") == "cost":
        own |= {field: _amount(own[field]) for field in ("allowed", "used")}
    if isinstance(reference := failure.get("reference"), str):
        details = {**details, "reference": cleaned(reference)}
    fields = {field: failure[field] for field in _COPIED if failure.get(field) is not None}
    try:
        made = from_object(
            {"kind": "error", "name": kind.__name__, "message": cleaned(message), "details": details, **fields, **own}
        )
    except ValueError:
        return None
    return made if isinstance(made, AiError) else None


def _amount(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
