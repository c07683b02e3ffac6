"""Sequences of requests: what is tried again before the first text, what is not, and what is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import PARTIAL, SOON, WHOLE, opened, stream
from raptscallions_ai.testing.replies import Cut, Reply, Reset, json_reply
from raptscallions_ai.testing.wire import DONE, chunk, error_body, sse

if TYPE_CHECKING:
    from raptscallions_ai.testing.script import Responder

_ANSWER = stream(WHOLE)
_TWICE = Complete(requests=2)
_ERROR = {"code": 502, "message": "Upstream failed", "availability": {"retryable": True, "retry_after": 0.01}}
_FINAL = {"code": 502, "message": "Upstream failed", "availability": {"retryable": False}}


def _refused(status: int) -> Reply:
    return json_reply(error_body(status, "Cannot do that"), status=status, headers=SOON)


def _retried(
    id: str, title: str, *replies: Responder, expected: Expected = _TWICE, source: str = sources.ERRORS
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.RETRIES,
        source=source,
        replies=replies,
        expected=expected,
        max_retries=2,
    )


_PASSING = (
    *(
        _retried(f"retry-{status}", f"The gateway answers {status} once, then well.", _refused(status), _ANSWER)
        for status in (408, 409, 429, 500, 502, 503, 504, 529)
    ),
    _retried(
        "retry-503-without-hint",
        "A 503 does not say how long to wait.",
        json_reply(error_body(503, "Busy"), status=503),
        _ANSWER,
    ),
    _retried(
        "retry-twice",
        "Two different failures precede the answer.",
        _refused(503),
        _refused(429),
        _ANSWER,
        expected=Complete(requests=3),
    ),
    _retried(
        "retry-cut",
        "The connection is closed before any answer, then all is well.",
        Reply((Cut(),), framing="raw"),
        _ANSWER,
        source=sources.NETWORK,
    ),
    _retried(
        "retry-reset",
        "The connection is reset before any answer, then all is well.",
        Reply((Reset(),), framing="raw"),
        _ANSWER,
        source=sources.NETWORK,
    ),
    _retried("retry-empty", "The first answer is empty.", stream(), _ANSWER, source=sources.LIMITS),
    _retried(
        "retry-no-text",
        "The first answer ends before its first text.",
        stream(sse(chunk(""))),
        _ANSWER,
        source=sources.LIMITS,
    ),
    _retried(
        "retry-in-stream",
        "The first stream begins with an error.",
        stream(sse(chunk(choices=[], error=_ERROR))),
        _ANSWER,
    ),
    _retried("retry-ok-error", "The first answer is an error with status 200.", json_reply({"error": _ERROR}), _ANSWER),
    _retried(
        "retry-garbled",
        "The first answer begins with an event that is not valid JSON.",
        stream(b"data: oops\n\n"),
        _ANSWER,
        source=sources.NETWORK,
    ),
    _retried("retry-no-choices", "The first answer has no choices.", stream(DONE), _ANSWER, source=sources.PRECAUTION),
)

_FINAL_ONES = (
    *(
        _retried(
            f"no-retry-{status}",
            f"The gateway answers {status}, which no second attempt would change.",
            _refused(status) if status != 402 else json_reply(error_body(402, "Empty"), status=402),
            _ANSWER,
            expected=Fails(error=error, status_code=ours, retryable=False, retry_after=None if status == 402 else 0.01),
        )
        for status, error, ours in (
            (400, "BadRequestError", 400),
            (401, "AuthenticationError", 401),
            (402, "InsufficientCreditsError", 402),
            (403, "AuthenticationError", 401),
            (404, "ModelNotAvailableError", 400),
            (413, "ContextLengthError", 400),
            (422, "BadRequestError", 422),
        )
    ),
    _retried(
        "no-retry-told",
        "The gateway answers 502 and says that trying again is of no use.",
        json_reply({"error": _FINAL}, status=502),
        _ANSWER,
        expected=Fails(error="ProviderError", status_code=502, retryable=False),
    ),
    _retried(
        "no-retry-told-in-stream",
        "The stream begins with an error that says that trying again is of no use.",
        stream(sse(chunk(choices=[], error=_FINAL))),
        _ANSWER,
        expected=Fails(error="ProviderError", status_code=502, retryable=False, partial=""),
    ),
    _retried(
        "no-retry-after-text",
        "An error that may pass comes after the first text.",
        opened(sse(chunk(choices=[], error=_ERROR))),
        _ANSWER,
        expected=Fails(error="ProviderError", status_code=502, partial=PARTIAL, retryable=True, retry_after=0.01),
    ),
    _retried(
        "no-retry-cut-after-text",
        "The connection is closed after the first text.",
        opened(Cut()),
        _ANSWER,
        expected=Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL),
        source=sources.NETWORK,
    ),
    _retried(
        "no-retry-after-reasoning",
        "The connection is closed after the first reasoning.",
        stream(sse(chunk(delta={"reasoning": "Hm."})), Cut()),
        _ANSWER,
        expected=Fails(error="StreamInterruptedError", status_code=502, partial=""),
        source=sources.REASONING,
    ),
    _retried(
        "retry-exhausted",
        "The gateway answers 503 every time.",
        *[_refused(503)] * 4,
        expected=Fails(error="ProviderError", status_code=503, retry_after=0.01, requests=3),
    ),
    _retried(
        "retry-then-final",
        "A 503 is followed by a 401.",
        _refused(503),
        _refused(401),
        _ANSWER,
        expected=Fails(error="AuthenticationError", status_code=401, retry_after=0.01, requests=2),
    ),
)

FAULTS = (*_PASSING, *_FINAL_ONES)
