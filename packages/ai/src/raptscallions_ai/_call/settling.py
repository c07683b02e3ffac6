"""What a call cost in the end: the sum of its attempts, with what the gateway's books say where an answer did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.answer.result import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._call.history import AttemptUsage

__all__ = ["settled_usage"]


async def settled_usage(attempts: Sequence[AttemptUsage]) -> Usage:
    """Return the sum of what was used, with each cost that is not known looked up where the gateway can tell it.

    Raises:
        AiError: The gateway could not be asked; that it does not know a generation is no error.
    """
    usages = [await _billed_usage(attempt) for attempt in attempts]
    return sum(usages[1:], usages[0]) if usages else Usage()


async def _billed_usage(attempt: AttemptUsage) -> Usage:
    look_up = attempt.route.look_up
    if attempt.is_known or attempt.generation_id is None or look_up is None:
        return attempt.usage
    return await look_up(attempt.generation_id) or attempt.usage
