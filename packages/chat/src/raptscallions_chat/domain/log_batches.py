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

    def after(self, number: int) -> bytes:
        """Return the events that follow one."""
        if number < self.first:
            return self.frames
        # No event has an empty line inside: its data is JSON on one line.
        return b"".join(part + b"\n\n" for part in self.frames.split(b"\n\n")[number - self.first + 1 : -1])
