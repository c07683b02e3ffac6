"""Ids: UUIDv7, which sort by the time at which they were made."""

from __future__ import annotations

import os
import threading
import time
import uuid

__all__ = ["is_id", "new_id"]

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7), greater than all that this process has made before."""
    global _last
    with _lock:
        # Milliseconds, and 12 bits below them, so that ids of the same millisecond sort, too.
        now = max(time.time_ns() // 244, _last + 1)
        _last = now
    milliseconds, fraction = divmod(now * 244, 1_000_000)
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (fraction * 4096 // 1_000_000) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
