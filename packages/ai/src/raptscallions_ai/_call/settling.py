"""What a call cost in the end: the sum of its attempts, with what the gateway's books say where an answer did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.answer.result import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._call.history import AttemptUsage

__all__ = ["settled_usage"]


async def settled_usage(spendings: Sequence[AttemptUsage]) -> Usage:
    """Return the sum of what was used, with each cost that is not known looked up where the gateway can tell it.

    Raises:
        AiError: The gateway could not be asked; that it does not know a generation is no error.
    """
    usages = [await _settled(spending) for spending in spendings]
    return sum(usages[1:], usages[0]) if usages else Usage()


async def _settled(spending: AttemptUsage) -> Usage:
    look_up = spending.route.look_up
    if spending.is_known or spending.generation_id is None or look_up is None:
        return spending.usage
    return await look_up(spending.generation_id) or spending.usage
