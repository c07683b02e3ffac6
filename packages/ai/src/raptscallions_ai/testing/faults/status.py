"""Errors before the stream, by HTTP status and by the gateway's own name for them."""

from __future__ import annotations

from typing import Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.replies import json_reply
from raptscallions_ai.testing.wire import error_body

# status, what it means, our class, its status, whether it may pass, source
_STATUSES: tuple[tuple[int, str, str, int, bool, str], ...] = (
    (400, "the request is wrong", "BadRequestError", 400, False, sources.ERRORS),
    (401, "the key is not accepted", "AuthenticationError", 401, False, sources.ERRORS),
    (402, "the account is empty", "InsufficientCreditsError", 402, False, sources.ERRORS),
    (403, "access is forbidden", "AuthenticationError", 401, False, sources.HTTP),
    (404, "nobody serves this model", "ModelNotAvailableError", 400, False, sources.ERRORS),
    (405, "the method is not allowed", "BadRequestError", 405, False, sources.LITELLM),
    (408, "the request took too long", "TimeoutError", 504, True, sources.ERRORS),
    (409, "there is a conflict", "BadRequestError", 409, True, sources.ERRORS),
    (410, "the model is gone", "BadRequestError", 410, False, sources.ERRORS),
    (412, "a condition is not met", "BadRequestError", 412, False, sources.ERRORS),
    (413, "the conversation is too long", "ContextLengthError", 400, False, sources.ERRORS),
    (415, "the media type is unsupported", "BadRequestError", 415, False, sources.HTTP),
    (418, "it is a teapot", "BadRequestError", 418, False, "RFC 2324"),
    (422, "a parameter makes no sense", "BadRequestError", 422, False, sources.ERRORS),
    (429, "requests come too fast", "RateLimitError", 429, True, sources.LIMITS),
    (451, "it is illegal here", "BadRequestError", 451, False, sources.HTTP),
    (500, "it failed inside", "ProviderError", 500, True, sources.ERRORS),
    (501, "this is not implemented", "ProviderError", 501, True, sources.HTTP),
    (502, "the provider is down", "ProviderError", 502, True, sources.ERRORS),
    (503, "the provider is overloaded", "ProviderError", 503, True, sources.ERRORS),
    (504, "the provider took too long", "TimeoutError", 504, True, sources.ERRORS),
    (520, "its front end got nonsense", "ProviderError", 520, True, sources.CLOUDFLARE),
    (524, "its front end gave up waiting", "TimeoutError", 504, True, sources.CLOUDFLARE),
    (529, "the provider is overloaded", "ProviderError", 529, True, sources.ERRORS),
)

# error_type, status sent, our class, its status, whether it may pass
_TYPES: tuple[tuple[str, int, str, int, bool], ...] = (
    ("context_length_exceeded", 400, "ContextLengthError", 400, False),
    ("content_policy_violation", 400, "ContentPolicyError", 400, False),
    ("refusal", 400, "ContentPolicyError", 400, False),
    ("authentication", 401, "AuthenticationError", 401, False),
    ("payment_required", 402, "InsufficientCreditsError", 402, False),
    ("permission_denied", 403, "PermissionDeniedError", 403, False),
    ("rate_limit_exceeded", 429, "RateLimitError", 429, True),
    ("provider_unavailable", 502, "ProviderError", 502, True),
    ("provider_overloaded", 503, "ProviderError", 503, True),
    ("timeout", 504, "TimeoutError", 504, True),
    ("server", 500, "ProviderError", 500, True),
    ("payload_too_large", 413, "BadRequestError", 413, False),
    ("image_not_found", 404, "BadRequestError", 404, False),
)

# availability code, status sent, our class, its status
_AVAILABILITY: tuple[tuple[str, int, str, int], ...] = (
    ("model_not_found", 400, "ModelNotAvailableError", 400),
    ("no_endpoints", 404, "ModelNotAvailableError", 400),
    ("model_deprecated", 404, "ModelNotAvailableError", 400),
    ("privacy_restricted", 404, "ModelNotAvailableError", 400),
    ("region_restricted", 403, "PermissionDeniedError", 403),
    ("capacity_exhausted", 429, "RateLimitError", 429),
    ("temporarily_unavailable", 503, "ProviderError", 503),
)


def _status(id: str, title: str, status: int, body: Any, expected: Fails, source: str = sources.ERRORS) -> Fault:
    reply = json_reply(body, status=status)
    return Fault(id=id, title=title, category=Category.STATUS, source=source, replies=(reply,), expected=expected)


_BY_STATUS = tuple(
    _status(
        f"status-{status}",
        f"The gateway answers {status}: {meaning}.",
        status,
        error_body(status, "Cannot do that"),
        Fails(error=error, status_code=ours, retryable=retryable),
        source,
    )
    for status, meaning, error, ours, retryable, source in _STATUSES
)

_BY_TYPE = tuple(
    _status(
        f"type-{name.replace('_', '-')}",
        f"The gateway answers {status} with the error type `{name}`.",
        status,
        error_body(status, "Cannot do that", error_type=name),
        Fails(error=error, status_code=ours, retryable=retryable, error_type=name),
    )
    for name, status, error, ours, retryable in _TYPES
)

_BY_AVAILABILITY = tuple(
    _status(
        f"availability-{code.replace('_', '-')}",
        f"The gateway answers {status}, says `{code}`, and that trying again is of no use.",
        status,
        {"error": {"message": "None left", "availability": {"code": code, "retryable": False}}},
        Fails(error=error, status_code=ours, retryable=False, error_type=code),
    )
    for code, status, error, ours in _AVAILABILITY
)

FAULTS = (*_BY_STATUS, *_BY_TYPE, *_BY_AVAILABILITY)
