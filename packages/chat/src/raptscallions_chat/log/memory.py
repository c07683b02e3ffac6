"""The log and the signals of one process: nothing but memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from raptscallions_chat.log.channels import Channel, ChannelReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raptscallions_chat.domain.log_batches import LogBatch
    from raptscallions_chat.protocols import LogReader

__all__ = ["MemoryLog", "MemorySignals"]

_MOST_ENDED = 200  # runs that are over, kept for those who come back at once


class MemoryLog:
    """The log where one process does everything."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def append(self, batches: Sequence[LogBatch]) -> None:
        """Append events of many runs."""
        for batch in batches:
            self._channel(batch.run_id).add(batch)
            if batch.final:
                self._ended[batch.run_id] = None
        while len(self._ended) > _MOST_ENDED:
            self._channels.pop(self._ended.popitem(last=False)[0], None)

    def read(self, run_id: str) -> LogReader:
        """Return a reader of a run."""
        channel = self._channel(run_id)
        return ChannelReader(channel, lambda: True, lambda: self._left(run_id, channel))

    def wake_all(self) -> None:
        """Let every reader look whether it is to go."""
        for channel in self._channels.values():
            channel.wake()

    def drop(self, run_ids: Sequence[str]) -> None:
        """Forget runs."""
        for run_id in run_ids:
            self._ended.pop(run_id, None)
            if (channel := self._channels.pop(run_id, None)) is not None:
                channel.wake()

    async def aclose(self) -> None:
        """Let the readers go."""
        self.drop(list(self._channels))

    def _channel(self, run_id: str) -> Channel:
        return self._channels.setdefault(run_id, Channel())

    def _left(self, run_id: str, channel: Channel) -> None:
        if not channel.readers and not channel.last:
            self._channels.pop(run_id, None)


class MemorySignals:
    """Signals where there is one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[[str], None]]] = {}

    async def send(self, kind: str, value: str) -> None:
        """Tell everybody who listens."""
        for listener in self._listeners.get(kind, ()):
            listener(value)

    def listen(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call a function with the value of every signal of this kind."""
        self._listeners.setdefault(kind, []).append(listener)

    async def aclose(self) -> None:
        """Forget the listeners."""
        self._listeners.clear()
