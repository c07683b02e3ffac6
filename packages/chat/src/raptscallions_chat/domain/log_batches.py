"""Events of one run as they are written to the log and to readers: encoded once, for all of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LogBatch"]


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Consecutive events of one run, ready to be sent.

    Attributes:
        run_id: The run.
        attempt: The attempt that they are of; a log refuses those of an older one.
        first: The number of the first event.
        last: The number of the last event.
        frames: The server-sent events, one after another.
        final: Whether the last one ends the run.
    """

    run_id: str
    attempt: int
    first: int
    last: int
    frames: bytes
    final: bool = False
