"""Errors and usage as a browser gets them, the same in every protocol."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai._dialects.error_codes import STATUS_OF_CODE, STRONG_CODES, WEAK_CODES, normalized
from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.codec import to_object
from raptscallions_ai.errors import AuthenticationError, ConfigurationError, InsufficientCreditsError, ToolError

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import Usage
    from raptscallions_ai.answer.run_events import ToolFinished
    from raptscallions_ai.errors import AiError

__all__ = ["SSE_HEADERS", "error_payload", "sse_event", "told_of_a_tool", "usage_payload"]

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
    "allowed",
    "limit",
    "max_tokens",
    "model",
    "phase",
    "reasons",
    "requested_tokens",
    "retry_after",
    "timeout_ms",
    "used",
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

_TYPES = STRONG_CODES.keys() | WEAK_CODES.keys() | STATUS_OF_CODE.keys()
# What moderation calls what it found: the categories of OpenAI's endpoint and their main groups elsewhere.
# https://developers.openai.com/api/docs/guides/moderation#content-classifications
_CATEGORIES = {
    *("dangerous", "drugs", "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit"),
    *("illicit/violent", "jailbreak", "medical", "privacy", "profanity", "self-harm", "self-harm/instructions"),
    *("self-harm/intent", "sexual", "sexual/minors", "spam", "violence", "violence/graphic", "weapons"),
}
_log = Log()

_encode = msgspec.json.Encoder(decimal_format="number").encode


def sse_event(payload: dict[str, Any]) -> bytes:
    """Return one event with this JSON; decimals are written as exact numbers."""
    return b"data: %b\n\n" % _encode(payload)


def error_payload(error: AiError) -> dict[str, Any]:
    """Return what a browser may know about an error, in our own words; the rest goes to the log.

    Both have the same `reference`, so that you can find the gateway's message when a user reports one.
    """
    own = isinstance(error, _OPERATORS_BUSINESS)
    reference = uuid.uuid4().hex[:12]
    facts = (reference, type(error).__name__, error.gateway_status, error.request_id, error.error_type)
    message = error.gateway_message or error.message
    _log.warning("reported to a reader as %s: %s, status %s, request %s, type %s: %s", *facts, message)
    return {
        "type": type(error).__name__,
        "message": error.default_message if own else error.sentence,
        "code": error.code,
        "error_type": None if own else _known_type(error.error_type),
        "status_code": error.status_code,
        "details": {} if own else _details(error),
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "reference": reference,
    }


def _known_type(name: str | None) -> str | None:
    """Return a gateway's name of a failure if it is one of those in use; any other may be any text."""
    plain = normalized(name or "")
    return plain if plain in _TYPES else None


def _details(error: AiError) -> dict[str, Any]:
    details = {key: error.details[key] for key in _PUBLIC_DETAILS if key in error.details}
    if isinstance(reasons := details.get("reasons"), list):
        known = [reason for reason in cast("list[object]", reasons) if str(reason).lower() in _CATEGORIES]
        details = {**details, "reasons": known} if known else {k: v for k, v in details.items() if k != "reasons"}
    return details


def usage_payload(usage: Usage) -> dict[str, Any]:
    """Return a usage without what is between the operator and the gateway; the cost is a text, so nothing rounds it."""
    return {name: value for name, value in to_object(usage).items() if name in _PUBLIC_USAGE}


def told_of_a_tool(finished: ToolFinished) -> str:
    """Return what a browser may know of a tool's end: its result, or of a failure what was said for others to read."""
    if finished.error is None or isinstance(finished.error, ToolError):
        return finished.content
    return "The tool failed."
