"""How long to wait: every form in which gateways say it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import WHOLE, stream
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import error_body

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.script import Responder

_ANSWER = stream(WHOLE)
_QUICK = Timeouts(connect=5.0, first_chunk=0.5, idle=0.5)


def _limited(headers: dict[str, str] | None = None, *, status: int = 429, **error: Any) -> Reply:
    return json_reply(error_body(status, "Slow down", **error), status=status, headers=headers)


def _waits(
    id: str,
    title: str,
    reply: Responder,
    seconds: float | None,
    source: str = sources.HTTP,
    *,
    error: str = "RateLimitError",
    status: int = 429,
) -> Fault:
    expected = Fails(error=error, status_code=status, retry_after=seconds, retryable=True)
    return _waiting(id, title, (reply,), expected, source, max_retries=0)


def _waiting(
    id: str,
    title: str,
    replies: tuple[Responder, ...],
    expected: Expected,
    source: str,
    *,
    max_retries: int = 2,
    timeouts: Timeouts | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.RETRY_AFTER,
        source=source,
        replies=replies,
        expected=expected,
        max_retries=max_retries,
        timeouts=timeouts or Timeouts(connect=5.0, first_chunk=5.0, idle=5.0),
    )


def _date(request: RecordedRequest) -> Reply:
    """Return a limit that ends in half a minute, as an HTTP date."""
    return _limited({"Retry-After": formatdate(time.time() + 30, usegmt=True)})


def _reset_in_headers(request: RecordedRequest) -> Reply:
    """Return a limit that ends in half a minute, in seconds since 1970."""
    return _limited({"X-RateLimit-Reset": str(int(time.time() + 30))})


def _reset_in_body(request: RecordedRequest) -> Reply:
    """Return a limit that ends in half a minute, in milliseconds since 1970."""
    reset = str(int((time.time() + 30) * 1000))
    return _limited(metadata={"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Reset": reset}})


_FORMS = (
    _waits("retry-after-seconds", "Retry-After is a number of seconds.", _limited({"Retry-After": "30"}), 30),
    _waits(
        "retry-after-fraction", "Retry-After has a fraction.", _limited({"Retry-After": "1.5"}), 1.5, sources.PRECAUTION
    ),
    _waits("retry-after-zero", "Retry-After is zero.", _limited({"Retry-After": "0"}), 0),
    _waits("retry-after-date", "Retry-After is an HTTP date.", _date, 30),
    _waits(
        "retry-after-past",
        "Retry-After is a date long past.",
        _limited({"Retry-After": "Thu, 01 Jan 1998 00:00:00 GMT"}),
        0,
    ),
    _waits(
        "retry-after-ms",
        "The header retry-after-ms counts milliseconds.",
        _limited({"retry-after-ms": "1500", "Retry-After": "2"}),
        1.5,
        sources.AZURE,
    ),
    _waits(
        "retry-after-litellm",
        "Only the provider's own Retry-After is passed on.",
        _limited({"llm_provider-retry-after": "60"}),
        60,
        sources.LITELLM,
    ),
    _waits(
        "retry-after-reset-header",
        "X-RateLimit-Reset is a time in seconds since 1970.",
        _reset_in_headers,
        30,
        sources.LIMITS,
    ),
    _waits(
        "retry-after-reset-body",
        "The body has X-RateLimit-Reset in milliseconds since 1970.",
        _reset_in_body,
        30,
        sources.OPENROUTER_TRAFFIC,
    ),
    _waits(
        "retry-after-availability",
        "The body's `availability` says how long.",
        _limited(availability={"code": "capacity_exhausted", "retryable": True, "retry_after": 12}),
        12,
        sources.ERRORS,
    ),
    _waits(
        "retry-after-503",
        "Retry-After comes with a 503.",
        _limited({"Retry-After": "7"}, status=503),
        7,
        sources.LIMITS,
        error="ProviderError",
        status=503,
    ),
    _waits(
        "retry-after-402",
        "Retry-After comes with a 402: a budget in flight, not an empty account.",
        _limited({"Retry-After": "5"}, status=402),
        5,
        sources.ERRORS,
        error="InsufficientCreditsError",
        status=402,
    ),
    _waits("retry-after-absent", "Nothing says how long.", _limited(), None, sources.LITELLM),
    _waits(
        "retry-after-garbage",
        "Retry-After is neither a number nor a date.",
        _limited({"Retry-After": "soon"}),
        None,
        sources.HOSTILE,
    ),
    _waits("retry-after-negative", "Retry-After is negative.", _limited({"Retry-After": "-5"}), None, sources.HOSTILE),
    _waits("retry-after-nan", "Retry-After is not a number.", _limited({"Retry-After": "NaN"}), None, sources.HOSTILE),
    _waits(
        "retry-after-infinite",
        "Retry-After is larger than all numbers.",
        _limited({"Retry-After": "1e999"}),
        None,
        sources.HOSTILE,
    ),
)

_FOLLOWED = (
    _waiting(
        "retry-after-followed",
        "The gateway asks for two tenths of a second, then answers.",
        (_limited({"retry-after-ms": "200"}), _ANSWER),
        Complete(requests=2, waited=0.19),
        sources.AZURE,
    ),
    _waiting(
        "retry-after-402-followed",
        "A 402 with a waiting time passes.",
        (_limited({"retry-after-ms": "10"}, status=402), _ANSWER),
        Complete(requests=2),
        sources.ERRORS,
    ),
    _waiting(
        "retry-after-beyond-deadline",
        "The wait that is asked for does not fit the deadline.",
        (_limited({"Retry-After": "60"}),),
        Fails(error="RateLimitError", status_code=429, retry_after=60, retryable=True),
        sources.LIMITS,
        timeouts=_QUICK,
    ),
    _waiting(
        "retry-after-beyond-total",
        "The wait that is asked for does not fit the total deadline.",
        (_limited({"Retry-After": "60"}, status=503),),
        Fails(error="ProviderError", status_code=503, retry_after=60, retryable=True),
        sources.LIMITS,
        timeouts=Timeouts(connect=5.0, first_chunk=None, idle=None, total=0.5),
    ),
)

FAULTS = (*_FORMS, *_FOLLOWED)
