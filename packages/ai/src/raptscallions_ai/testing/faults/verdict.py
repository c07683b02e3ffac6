"""How a client did on a fault: a judgement that knows nothing of this library's own errors."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from raptscallions_ai.testing.faults.expected import Complete, Expected, Left

if TYPE_CHECKING:
    from raptscallions_ai.testing.faults.outcome import Outcome

__all__ = ["Verdict", "judge"]


class Verdict(StrEnum):
    """How a client did on a fault, from the best to the worst."""

    OK = "ok"
    """The whole answer; or one error of the client's own, in time, with everything that had arrived."""
    FOREIGN = "foreign"
    """An error in time, but another library's, or one that is no error of an AI call at all."""
    LOST = "lost"
    """An error in time, but text that had arrived was lost."""
    FAILED = "failed"
    """An error although the answer was complete, or could have been had by trying again."""
    LEAKED = "leaked"
    """The connection was still open after the caller had left."""
    HUNG = "hung"
    """The call was not over long after its deadline."""
    SILENT = "silent"
    """It looks like a complete answer and is not."""


def judge(expected: Expected, outcome: Outcome) -> Verdict:
    """Return how a client did.

    Args:
        expected: What should have come of the fault; of an error, only that there is one and what it kept.
        outcome: What came of it.
    """
    if outcome.hung:
        return Verdict.HUNG
    if isinstance(expected, Left):
        return Verdict.OK if outcome.released else Verdict.LEAKED
    if isinstance(expected, Complete):
        if outcome.error is not None:
            return Verdict.FAILED
        whole = outcome.text == expected.content and _called(outcome) == [
            (call.name, call.raw_arguments) for call in expected.tool_calls
        ]
        return Verdict.OK if whole else Verdict.SILENT
    if outcome.error is None:
        return Verdict.SILENT
    if (expected.partial or "") not in outcome.text:
        return Verdict.LOST
    return Verdict.OK if outcome.own_error else Verdict.FOREIGN


def _called(outcome: Outcome) -> list[tuple[str, str]]:
    return [(call.name, call.raw_arguments) for call in outcome.tool_calls]
