"""How the end of a run is told: always by two events, what it used and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_chat.domain.events import Event, opening_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_chat.domain.answer import Answer
    from raptscallions_chat.domain.records import Run

__all__ = ["end_events", "retold"]


def end_events(run: Run) -> tuple[Event, Event]:
    """Return the last two events of a run that is over."""
    used = run.usage.payload()
    end: Event
    match run.status:
        case "completed":
            end = {
                "type": "completed",
                "answer_id": run.answer_message_id,
                "finish_reason": run.finish_reason,
                "usage": used,
            }
        case "failed":
            end = {"type": "failed", "error": run.error, "usage": used}
        case "stopped" | "interrupted":
            end = {
                "type": run.status,
                "reason": run.stop_reason or ("worker_lost" if run.status == "interrupted" else "user"),
                "usage": used,
            }
        case _:
            raise ValueError(f"a run that is {run.status} has no end yet")
    return {"type": "usage", "usage": used}, end


def retold(run: Run, answer: Answer) -> Sequence[tuple[int, Event]]:
    """Return the events of a run that is over, with their numbers, from what is left of it: one snapshot for most."""
    opening = list(enumerate(opening_events(run), 1))
    ends = list(enumerate(end_events(run), run.last_seq - 1))
    included = run.last_seq - 2
    snapshot = [(included, answer.snapshot())] if included > len(opening) else []
    return [*opening, *snapshot, *ends]
