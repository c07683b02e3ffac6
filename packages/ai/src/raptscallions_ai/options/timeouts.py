"""Deadlines of a call, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

__all__ = ["Phase", "Timeouts"]

_LIKE_MILLISECONDS = 10_000  # nearly three hours of silence
_CONNECT = 10.0

Phase = Literal["connect", "first_chunk", "idle", "total"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may wait, in seconds; None means without limit.

    Only content counts: text, reasoning, tool calls, images, annotations. Keep-alive comments and empty
    deltas never extend a deadline. An expiry is a `TimeoutError` whose `phase` is the field's name.

    Args:
        connect: To open one connection to the gateway.
        first_chunk: From the start of the call to the first content, retries and their waits included.
        idle: From one piece of content to the next, while the caller is waiting for it.
        total: For the whole call.

    Raises:
        ValueError: A limit is not a positive number.
    """

    connect: float | None = _CONNECT
    first_chunk: float | None = 120.0
    idle: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                _check(f"Timeouts.{field.name}", value)

    @classmethod
    def of(cls, timeout: float | Timeouts) -> Timeouts:
        """Return `timeout` itself, or read a number of seconds as the limit for first content and for each next.

        Raises:
            ValueError: The number is not positive, or so large that it must be milliseconds.
        """
        if isinstance(timeout, Timeouts):
            return timeout
        _check("timeout", timeout)
        if timeout >= _LIKE_MILLISECONDS:
            hint = f"did you mean {timeout / 1000:g}? For longer waits pass Timeouts(...)"
            raise ValueError(f"timeout={timeout:g} is in seconds, which is {timeout / 3600:.1f} hours; {hint}")
        return cls(connect=min(_CONNECT, timeout), first_chunk=timeout, idle=timeout)


def _check(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be more than 0 seconds, and finite")
