"""Deadlines of a call, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

__all__ = ["Phase", "Timeouts"]

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

    connect: float | None = 10.0
    first_chunk: float | None = 120.0
    idle: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"Timeouts.{field.name} must be a number of seconds or None")
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"Timeouts.{field.name} must be more than 0 seconds, or None for no limit")

    @classmethod
    def of(cls, timeout: float | Timeouts) -> Timeouts:
        """Return `timeout` itself, or read a number of seconds as the limit for first content and for each next.

        Raises:
            ValueError: The number is not positive.
        """
        if isinstance(timeout, Timeouts):
            return timeout
        connect = cls.connect
        limit = cls(first_chunk=timeout, idle=timeout)
        return cls(connect=min(connect or timeout, timeout), first_chunk=limit.first_chunk, idle=limit.idle)
