"""How long a gateway asks its clients to wait, in every form that was seen."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._dialects.json import json_list, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_retry_after"]

_EPOCH_SECONDS = 1_000_000_000  # 2001: a larger number is a point in time, a smaller one a duration
_EPOCH_MILLISECONDS = 1_000_000_000_000
_LONGEST_READ = 4000
_TIME = (
    r"(?:(?P<minutes>\d{1,4})m)?(?P<amount>\d{1,6}(?:\.\d{1,9})?) ?(?P<unit>ms|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?)"
)
_DURATION = re.compile(_TIME)
_RETRY_IN = re.compile(rf"(?:try again|retry|available|retry again) (?:in|after) (?:about )?{_TIME}\b", re.IGNORECASE)


def parse_retry_after(
    headers: Mapping[str, str], error: Mapping[str, Any], *, now: float | None = None
) -> float | None:
    """Return the seconds to wait before another attempt, or None when the gateway does not say.

    In order: the headers `retry-after-ms`, `retry-after` (RFC 9110: seconds or a date) and LiteLLM's
    `llm_provider-retry-after`, OpenRouter's `error.availability.retry_after`, then `X-RateLimit-Reset` in the
    headers or in `error.metadata.headers`, which has been seen as epoch milliseconds, epoch seconds and seconds; last
    Google's `RetryInfo` and what the sentence itself says.

    Args:
        headers: The response's headers with lower-case names.
        error: The innermost error object of the body.
        now: The present as seconds since the epoch, for tests.
    """
    now = time.time() if now is None else now
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    for name in ("retry-after", "llm_provider-retry-after"):
        if value := headers.get(name):
            seconds = _number(value)
            if (seconds := _until_date(value, now) if seconds is None else seconds) is not None:
                return seconds
    if (seconds := _number(_get(error, "availability", "retry_after"))) is not None:
        return seconds
    if (seconds := _number(_get(error, "metadata", "retry_after"))) is not None:
        return seconds
    if (seconds := _number(error.get("retry_after"))) is not None:
        return seconds
    reset = _number(headers.get("x-ratelimit-reset"))
    if reset is None:
        reset = _number(_get(error, "metadata", "headers", "X-RateLimit-Reset"))
    return _from_message(error) if reset is None else _until_reset(reset, now)


def _from_message(error: Mapping[str, Any]) -> float | None:
    """Read Google's `RetryInfo`, else the sentence: Groq, OpenAI, Azure and Gemini name the time in it."""
    for detail in json_list(error.get("details")):
        if isinstance(delay := json_object(detail).get("retryDelay"), str) and (found := _DURATION.fullmatch(delay)):
            return _seconds(found)
    message = error.get("message")
    found = _RETRY_IN.search(message[:_LONGEST_READ]) if isinstance(message, str) else None
    return None if found is None else _seconds(found)


def _seconds(found: re.Match[str]) -> float:
    minutes, amount, unit = found["minutes"], float(found["amount"]), found["unit"].lower()
    return 60 * float(minutes or 0) + (amount / 1000 if unit == "ms" else 60 * amount if unit[0] == "m" else amount)


def _until_reset(reset: float, now: float) -> float:
    if reset >= _EPOCH_MILLISECONDS:
        return max(0.0, reset / 1000 - now)
    return max(0.0, reset - now) if reset >= _EPOCH_SECONDS else reset


def _until_date(value: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _get(value: object, *path: str) -> object:
    for key in path:
        value = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
    return value
