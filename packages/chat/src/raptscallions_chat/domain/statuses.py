"""The states of a run and of a message, and which change may follow which.

Everything that decides about a state is in this file; the store carries a change out by a compare-and-set on the run's
attempt, so that of two workers only one can make it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = [
    "ENDS",
    "RUN_CHANGES",
    "MessageStatus",
    "OnBusy",
    "RunKind",
    "RunStatus",
    "StopReason",
    "may_change",
    "message_status",
]

RunStatus: TypeAlias = Literal["queued", "running", "completed", "failed", "stopped", "interrupted"]
MessageStatus: TypeAlias = Literal["complete", "streaming", "stopped", "interrupted", "failed", "blocked"]
StopReason: TypeAlias = Literal["user", "budget", "interrupt", "filter", "drain"]
RunKind: TypeAlias = Literal["answer", "continue", "regenerate"]
OnBusy: TypeAlias = Literal["reject", "enqueue", "interrupt", "merge"]

ENDS: frozenset[RunStatus] = frozenset({"completed", "failed", "stopped", "interrupted"})
"""The states that a run does not leave."""

RUN_CHANGES: dict[RunStatus, frozenset[RunStatus]] = {
    # A queued run that was never begun may be given back, stopped, or given up because it waited for too long.
    "queued": frozenset({"running", "stopped", "failed", "interrupted"}),
    # Back to the queue only before anything was sent upstream, when a worker drains.
    "running": frozenset({"queued", "completed", "failed", "stopped", "interrupted"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "stopped": frozenset(),
    "interrupted": frozenset(),
}
"""The states that may follow each state."""


def may_change(before: RunStatus, after: RunStatus) -> bool:
    """Return whether a run may go from one state to another."""
    return after in RUN_CHANGES[before]


def message_status(run: RunStatus, finish_reason: str | None = None) -> MessageStatus:
    """Return the status of an answer whose run is in this state."""
    if run in ("queued", "running"):
        return "streaming"
    if run == "completed":
        return "blocked" if finish_reason == "content_filter" else "complete"
    assert run in get_args(MessageStatus)
    return run
