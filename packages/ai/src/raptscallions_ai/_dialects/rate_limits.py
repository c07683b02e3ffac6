"""What a gateway's headers tell of its limits: OpenAI's names, which most use, and Anthropic's."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.result import RateLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_rate_limits"]

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|d|h|m|s)")
_EPOCH_SECONDS = 1_000_000_000
_EPOCH_MILLISECONDS = 1_000_000_000_000


def read_rate_limits(headers: Mapping[str, str], *, now: datetime | None = None) -> RateLimits | None:
    """Return the limits that the headers of a response tell; None if they tell none.

    Azure reports -1 or 0 for a limit that it does not know; this counts as not reported.

    Args:
        headers: The headers, with lower-case names.
        now: The present, for tests.
    """
    if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
        names = "x-ratelimit-{what}-{kind}"
    elif any(f"anthropic-ratelimit-{kind}-limit" in headers for kind in ("requests", "tokens", "input-tokens")):
        names = "anthropic-ratelimit-{kind}-{what}"
    else:
        return None
    fields: dict[str, Any] = {}
    for kind in ("requests", "tokens", "input_tokens", "output_tokens"):
        header = names.format(kind=kind.replace("_", "-"), what="{what}")
        fields[kind] = _count(headers.get(header.format(what="limit"))) or None
        fields[f"{kind}_left"] = _count(headers.get(header.format(what="remaining")))
        fields[f"{kind}_reset"] = _seconds(headers.get(header.format(what="reset")), now)
    limits = RateLimits(**fields)
    return limits if limits.requests or limits.tokens or limits.input_tokens else None


def _count(value: str | None) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds(value: str | None, now: datetime | None) -> float | None:
    """Read `12ms`, `6m0s`, `17.5`, a moment as RFC 3339 or as a number since 1970."""
    if value is None:
        return None
    present = now or datetime.now(UTC)
    if (number := _number(value)) is not None:
        since = number / 1000 if number >= _EPOCH_MILLISECONDS else number
        return max(0.0, since - present.timestamp()) if number >= _EPOCH_SECONDS else number
    if (parts := _PART.findall(value)) and "".join(map("".join, parts)) == value:
        return sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - present).total_seconds())
