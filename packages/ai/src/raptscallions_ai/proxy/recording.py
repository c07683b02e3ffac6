"""`Recording`: an answer that is read once from upstream, and by any number of readers from here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raptscallions_ai.web.body import ResponseBody

__all__ = ["Recording", "RecordingReader"]

_PIECE = 64 * 1024  # bytes that a reader is given at a time
_log = Log()


class Recording:
    """The bytes of one response while they come, and afterwards.

    What comes is read by a task of this object's own, whether anybody reads here or not. When the last reader leaves
    before the end, upstream goes on for a moment, so that one who was cut off can come back.

    Args:
        body: Where the bytes are from; it must send no keep-alives.
        linger: Seconds to go on without readers.
        most: Bytes that may be kept; of a longer answer only what its readers still need, at their pace.
        on_end: Called when nothing more will come.

    Attributes:
        whole: Whether everything from the first byte on is still here.
        ended: Whether nothing more will come.
        failure: What the answer failed with before its first byte.
    """

    def __init__(self, body: ResponseBody, *, linger: float, most: int, on_end: Callable[[Recording], None]) -> None:
        self.headers = body.headers
        self.whole = True
        self.ended = False
        self.failure: AiError | None = None
        self._body = body
        self._linger, self._most, self._on_end = linger, most, on_end
        self._data = bytearray()
        self._start = 0  # the position of the first byte that is still kept
        self._readers: set[RecordingReader] = set()
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._giving_up: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._record(), name="raptscallions_ai: record an answer for its readers")

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return len(self._data)

    def reader(self, *, ping: bytes, keep_alive: float | None, after: bytes = b"") -> RecordingReader | None:
        """Return a body that reads this.

        Args:
            ping: What keeps a silent connection alive.
            keep_alive: Seconds of silence after which it is sent; None for never.
            after: The line of the last event that was read already; empty for none.

        Returns:
            The reader; None if what it should begin with is not here, or not here any more.
        """
        position = self._position_after(after) if after else self._start if self.whole else None
        if position is None:
            return None
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        reader = RecordingReader(self, position, ping, keep_alive)
        self._readers.add(reader)
        return reader

    def take(self, position: int) -> bytes:
        """Return the bytes at a position, as many as one reader is given at a time."""
        at = position - self._start
        return bytes(self._data[at : at + _PIECE])

    def taken(self) -> None:
        """Note that a reader went on, so that there may be room again."""
        self._taken.set()

    async def more_than(self, position: int) -> None:
        """Wait until there is something at a position, or the end."""
        while self._start + len(self._data) <= position and not self.ended:
            changed = self._changed
            await changed.wait()

    def leave(self, reader: RecordingReader) -> None:
        """Take away a reader; if it was the last of a running answer, that is given up soon."""
        self._readers.discard(reader)
        self._taken.set()
        if not self._readers and not self.ended and self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().call_later(self._linger, self._task.cancel)

    async def aclose(self) -> None:
        """Stop reading upstream; readers come to the end of what is there."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _record(self) -> None:
        try:
            await self._body.open()
            async for data in self._body:
                self._data += data
                self._notify()
                await self._until_there_is_room()
        except AiError as error:
            self.failure = error.without_traceback()
        except Exception as error:
            _log.error("an answer could not be recorded: %s", type(error).__name__)
            self.failure = None if self._data or self._start else AiError()
        finally:
            try:
                self._body.abandon()
                await self._body.aclose()
            finally:
                self.ended = True
                if self._giving_up is not None:
                    self._giving_up.cancel()
                self._notify()
                self._on_end(self)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until_there_is_room(self) -> None:
        while len(self._data) > self._most:
            self._taken.clear()
            self._drop_what_all_have_read()
            if len(self._data) > self._most:
                await self._taken.wait()

    def _drop_what_all_have_read(self) -> None:
        self.whole = False
        # Nobody there: whoever comes back within the moment goes on where the slowest one was.
        read = min((reader.position for reader in self._readers), default=self._start)
        del self._data[: read - self._start]
        self._start = read

    def _position_after(self, line: bytes) -> int | None:
        """Return where the event after that with this line begins; None if that is not here."""
        at = self._data.find(b"\n" + line + b"\n") + 1 or (0 if self._data.startswith(line + b"\n") else None)
        if at is None or (end := self._data.find(b"\n\n", at)) < 0:
            return None
        return self._start + end + 2


class RecordingReader:
    """A response body that reads a recording from some position on.

    Args:
        recording: What to read.
        position: Where to begin.
        ping: What keeps a silent connection alive.
        keep_alive: Seconds of silence after which it is sent; None for never.

    Attributes:
        position: How far it has read.
    """

    def __init__(self, recording: Recording, position: int, ping: bytes, keep_alive: float | None) -> None:
        self.position = position
        self._recording = recording
        self._ping, self._keep_alive = ping, keep_alive

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send with this body."""
        return dict(self._recording.headers)

    async def open(self) -> None:
        """Wait until there is something to send, for `keep_alive` seconds at most.

        Raises:
            AiError: The answer failed before there was anything.
        """
        await self._wait()
        if self._recording.failure is not None:
            raise self._recording.failure

    async def aclose(self) -> None:
        """Leave."""
        self.abandon()

    def abandon(self) -> None:
        """Leave."""
        self._recording.leave(self)

    def __aiter__(self) -> RecordingReader:
        return self

    async def __anext__(self) -> bytes:
        if not await self._wait():
            return self._ping
        if not (data := self._recording.take(self.position)):
            raise StopAsyncIteration
        self.position += len(data)
        self._recording.taken()
        return data

    async def _wait(self) -> bool:
        try:
            async with asyncio.timeout(self._keep_alive):
                await self._recording.more_than(self.position)
        except TimeoutError:
            return False
        return True
