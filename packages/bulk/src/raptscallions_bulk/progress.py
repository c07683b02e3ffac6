"""`ProgressLine`: one line that tells where a run is, in terminals, notebooks and logs."""

from __future__ import annotations

import logging
import sys
import time
from typing import IO

from raptscallions_bulk.report import Status

__all__ = ["ProgressLine", "duration", "line_of"]

_log = logging.getLogger("raptscallions_bulk")
_EVERY = 30.0  # seconds between lines of a log
_BAR = 20


class ProgressLine:
    """Shows where a run is: a line that is written over in terminals and notebooks, else now and then one in the log.

    Give it to a run as `on_progress`.

    Args:
        stream: Where it is written; stderr if not given.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_seen = self._stream.isatty() or "ipykernel" in sys.modules
        self._last = 0.0
        self._width = 0

    def __call__(self, status: Status) -> None:
        """Show a status."""
        text = line_of(status)
        if self._is_seen:
            self._stream.write("\r" + text.ljust(self._width))
            self._stream.flush()
            self._width = len(text)
        elif (now := time.monotonic()) - self._last >= _EVERY:
            self._last = now
            _log.info("%s", text)

    def end(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self._is_seen and self._width:
            self._stream.write("\n")
            self._stream.flush()


def line_of(status: Status) -> str:
    """Return a status as one line."""
    done = status.settled
    parts: list[str] = []
    if status.rows:
        filled = min(_BAR, done * _BAR // status.rows)
        parts.append(f"[{'#' * filled}{'-' * (_BAR - filled)}] {done:,}/{status.rows:,}")
    else:
        parts.append(f"{done:,} rows")
    parts.append(f"{status.per_second:.1f}/s")
    if status.binding != "none":
        parts.append(f"limited by {status.binding}")
    if status.seconds_left is not None and done != status.rows:
        parts.append(f"{duration(status.seconds_left)} left")
    cap = "" if status.max_cost is None else f" of {status.max_cost:f}"
    parts.append(f"{status.spent:.4f}{cap} USD")
    for count, what in ((status.failed, "failed"), (status.in_doubt, "in doubt"), (status.lost, "lost")):
        if count:
            parts.append(f"{count:,} {what}")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: `45 s`, `12 min`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
