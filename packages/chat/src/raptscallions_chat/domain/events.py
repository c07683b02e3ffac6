"""Events of a run: how one is written in the store, and what a reader is sent.

In the store an event is one line: `c` or `r` and a JSON text for a piece of the answer or of the reasoning, which are
nearly all of them; JSON for all others. A piece of the store is lines with consecutive numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

if TYPE_CHECKING:
    from raptscallions_chat.domain.records import Run

__all__ = [
    "END_EVENTS",
    "Event",
    "event_of",
    "frame",
    "frames",
    "line_of",
    "opening_events",
    "parse_cursor",
]

Event: TypeAlias = Mapping[str, Any]
"""An event's data; its `type` is the event's name."""

END_EVENTS = frozenset({"completed", "stopped", "failed", "interrupted"})
"""The events of which a run has exactly one, as its last."""

_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder().decode
_SHORT = {"content": "c", "reasoning": "r"}
_LONG = {"c": "content", "r": "reasoning"}


def line_of(event: Event) -> str:
    """Return an event as the store keeps it."""
    kind = event["type"]
    if short := _SHORT.get(kind):
        return short + _encode(event["content"]).decode()
    return _encode(event).decode()


def event_of(line: str) -> Event:
    """Return the event of a line."""
    if kind := _LONG.get(line[:1]):
        return {"type": kind, "content": _decode(line[1:])}
    return cast("Event", _decode(line))


def frame(run_id: str, number: int, event: Event) -> bytes:
    """Return a server-sent event."""
    return f"id: {run_id}.{number}\nevent: {event['type']}\ndata: ".encode() + _encode(event) + b"\n\n"


def frames(run_id: str, first: int, events: Iterable[Event]) -> bytes:
    """Return consecutive server-sent events."""
    return b"".join(frame(run_id, number, event) for number, event in enumerate(events, first))


def opening_events(run: Run) -> Sequence[Event]:
    """Return the events 1 and 2 of a run; they follow from its row, so that nobody needs to store them."""
    started = {
        "type": "run_started",
        "run_id": run.id,
        "conversation_id": run.conversation_id,
        "message_id": run.user_message_id,
        "answer_id": run.answer_message_id,
        "attempt": run.attempt,
    }
    answer = {"type": "message_started", "message_id": run.answer_message_id, "role": "assistant"}
    return (started, answer)


def parse_cursor(run_id: str, cursor: str | None) -> int | None:
    """Return the number of the event that a cursor names; 0 without one, None if it is not one of this run."""
    if cursor is None or not cursor.strip():
        return 0
    named, separator, number = cursor.strip().rpartition(".")
    # A bare number is of the run that is asked for.
    if separator and named.lower() != run_id.lower():
        return None
    if not number.isascii() or not number.isdigit() or len(number) > 15:
        return None
    return int(number)
