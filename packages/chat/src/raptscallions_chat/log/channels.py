"""The latest events of runs in this process: each reader has a place in them, and none has a copy."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raptscallions_chat.domain.log_batches import LogBatch

__all__ = ["Channel", "ChannelReader"]

_MOST_BYTES = 256 * 1024


class Channel:
    """The latest events of one run.

    Attributes:
        readers: How many read it now.
    """

    def __init__(self) -> None:
        self.readers = 0
        self._batches: deque[LogBatch] = deque()
        self._size = 0
        self._attempt = 0
        self._changed = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the last event; 0 if there is none."""
        return self._batches[-1].last if self._batches else 0

    @property
    def is_final(self) -> bool:
        """Whether the run's end is among them."""
        return bool(self._batches) and self._batches[-1].final

    def add(self, batch: LogBatch) -> bool:
        """Take events in; False if they are of an older attempt, or were taken before."""
        if batch.attempt < self._attempt or batch.last <= self.last:
            return False
        self._attempt = batch.attempt
        self._batches.append(batch)
        self._size += len(batch.frames)
        while self._size > _MOST_BYTES and len(self._batches) > 1:
            self._size -= len(self._batches.popleft().frames)
        self.wake()
        return True

    def wake(self) -> None:
        """Let the readers look."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def after(self, number: int) -> list[LogBatch]:
        """Return the batches that go beyond an event."""
        found: list[LogBatch] = []
        for batch in reversed(self._batches):
            if batch.last <= number:
                break
            found.append(batch)
        found.reverse()
        return found

    async def changed(self) -> None:
        """Wait until there is more."""
        await self._changed.wait()


class ChannelReader:
    """A place in a channel.

    Args:
        channel: The channel.
        is_sound: Whether it can be relied on to be told everything.
        closed: Called when the reader leaves.
    """

    def __init__(self, channel: Channel, is_sound: Callable[[], bool], closed: Callable[[], None]) -> None:
        self._channel = channel
        self._sound = is_sound
        self._closed: Callable[[], None] | None = closed
        channel.readers += 1

    @property
    def is_sound(self) -> bool:
        """Whether the log can be relied on now to tell what happens."""
        return self._sound()

    async def next(self, after: int, patience: float) -> Sequence[LogBatch]:
        """Return what follows an event, waiting for so many seconds; nothing if none came."""
        if found := self._channel.after(after):
            return found
        try:
            async with asyncio.timeout(patience):
                await self._channel.changed()
        except TimeoutError:
            return ()
        return self._channel.after(after)

    def close(self) -> None:
        """Stop reading. Safe to call again."""
        if self._closed is not None:
            closed, self._closed = self._closed, None
            self._channel.readers -= 1
            closed()
