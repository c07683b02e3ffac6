"""What a call used, whichever way it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.answer.result import Usage
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.gateway_api.costs import PriceList

__all__ = ["priced", "used_by"]


def used_by(result: ChatResult | None, error: BaseException | None, partial: ChatResult) -> Usage | None:
    """Return what a call used as far as the gateway reported it, or None if nothing was billed.

    Args:
        result: The answer, if it is complete.
        error: What the call failed with. If it is not an `AiError`, the caller left.
        partial: What had arrived.
    """
    if result is not None:
        return result.usage
    if not isinstance(error, AiError):
        return partial.usage
    if error.partial is not None:
        return error.partial.usage
    billed = [attempt.usage for attempt in error.attempts if attempt.usage is not None]
    return sum(billed[1:], billed[0]) if billed else None


def priced(usage: Usage, prices: PriceList, *names: str | None) -> Usage:
    """Return a usage with its cost estimated, if it has none and one of the names has a price."""
    return prices.priced(usage, *names)
