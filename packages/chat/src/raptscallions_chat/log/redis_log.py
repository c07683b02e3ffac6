"""The log in Redis: one stream a run, written by whoever holds the run's attempt, read by one connection a process.

A worker writes all its runs in one pipeline a moment, and never waits for it. What cannot be written is dropped:
readers elsewhere find the gap, and ask the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from raptscallions_chat.domain.log_batches import LogBatch
from raptscallions_chat.log.channels import Channel, ChannelReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from raptscallions_chat.protocols import LogReader

__all__ = ["RedisLog"]

_log = logging.getLogger("raptscallions_chat")

# The attempt is the fence: who has an older one writes nothing any more. Redis itself refuses an id that is not greater
# than the last one, so that writing again what was written is harmless.
_APPEND = """
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
local attempt = tonumber(ARGV[1])
if attempt < fence then return 0 end
if attempt > fence then redis.call('SET', KEYS[2], attempt) end
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], ARGV[3] .. '-0',
    'a', ARGV[1], 'f', ARGV[2], 'd', ARGV[4], 'e', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return 1
"""
_MOST_BATCHES = 5000
_IDLE_MS = 3_600_000
_BLOCK_MS = 5000
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_MOST_WAITING = 2000  # batches that wait for Redis; more means that it does not keep up
_MOST_ENDED = 200


class RedisLog:
    """The log for any number of processes.

    Args:
        redis: The connection pool; closed by its owner.
        ttl: Seconds for which the events of a run that is over are kept.
        failed: Called when Redis fails.
    """

    def __init__(self, redis: Redis, *, ttl: float = 600.0, failed: Callable[[], None] | None = None) -> None:
        self._redis = redis
        self._ended_ms = str(int(ttl * 1000))
        self._failed = failed or (lambda: None)
        self._append_script = redis.register_script(_APPEND)
        self._channels: dict[str, Channel] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._own: set[str] = set()  # runs that this process writes, and so need not read
        self._positions: dict[str, int] = {}  # the last event read of each run that is followed
        self._waiting: list[LogBatch] = []
        self._writes = asyncio.Event()
        self._follows = asyncio.Event()
        self._is_sound = True
        self._reader_id: int | None = None
        self._tasks = [asyncio.create_task(self._write_for_ever()), asyncio.create_task(self._read_for_ever())]

    def append(self, batches: Sequence[LogBatch]) -> None:
        """Append events of many runs; returns at once."""
        for batch in batches:
            if not batch.final:
                self._own.add(batch.run_id)
            channel = self._channels.get(batch.run_id)
            if channel is None:
                channel = self._channels[batch.run_id] = Channel()
            channel.add(batch)
            if batch.final:
                self._retire(batch.run_id)
        self._waiting.extend(batches)
        if len(self._waiting) > _MOST_WAITING:
            del self._waiting[: len(self._waiting) - _MOST_WAITING]
        if batches:
            self._writes.set()

    def read(self, run_id: str) -> LogReader:
        """Return a reader of a run."""
        channel = self._channels.get(run_id)
        if channel is None:
            channel = self._channels[run_id] = Channel()
        if run_id not in self._own and run_id not in self._positions and not channel.is_final:
            self._positions[run_id] = channel.last
            self._follows.set()
            if self._reader_id is not None:
                self._unblocking = asyncio.create_task(self._unblock(self._reader_id))
        own = run_id in self._own or channel.is_final
        return ChannelReader(channel, lambda: own or self._is_sound, lambda: self._left(run_id, channel))

    def wake_all(self) -> None:
        """Let every reader look whether it is to go."""
        for channel in self._channels.values():
            channel.wake()

    def drop(self, run_ids: Sequence[str]) -> None:
        """Forget runs; in Redis they expire by themselves."""
        for run_id in run_ids:
            self._ended.pop(run_id, None)
            self._positions.pop(run_id, None)
            if (channel := self._channels.pop(run_id, None)) is not None:
                channel.wake()

    async def aclose(self) -> None:
        """Write what waits, if Redis takes it at once, and end."""
        if self._waiting and self._is_sound:
            try:
                async with asyncio.timeout(1.0):
                    await self._write()
            except (RedisError, OSError, TimeoutError):
                pass
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.drop(list(self._channels))

    def _retire(self, run_id: str) -> None:
        self._own.discard(run_id)
        self._positions.pop(run_id, None)
        self._ended[run_id] = None
        while len(self._ended) > _MOST_ENDED:
            self._channels.pop(self._ended.popitem(last=False)[0], None)

    def _left(self, run_id: str, channel: Channel) -> None:
        if not channel.readers and run_id in self._positions:
            self._positions.pop(run_id)
            if self._channels.get(run_id) is channel:
                del self._channels[run_id]

    async def _write_for_ever(self) -> None:
        pause = _PAUSE
        while True:
            await self._writes.wait()
            self._writes.clear()
            try:
                await self._write()
                pause = _PAUSE
            except (RedisError, OSError) as error:
                self._note(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                if self._waiting:
                    self._writes.set()

    async def _write(self) -> None:
        batches = self._waiting[:200]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for batch in batches:
                tag = f"chat:{{{batch.run_id}}}"
                ttl = self._ended_ms if batch.final else str(_IDLE_MS)
                arguments = [batch.attempt, batch.first, batch.last, batch.frames, int(batch.final), _MOST_BATCHES, ttl]
                await self._append_script(keys=[f"{tag}:log", f"{tag}:fence"], args=arguments, client=pipeline)
            await pipeline.execute()
        self._is_sound = True
        del self._waiting[: len(batches)]
        if self._waiting:
            self._writes.set()

    async def _read_for_ever(self) -> None:
        pause = _PAUSE
        while True:
            if not self._positions:
                self._follows.clear()
                await self._follows.wait()
            try:
                async with self._redis.client() as connection:
                    self._reader_id = await connection.client_id()  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
                    while self._positions:
                        await self._read_once(connection)
                        pause = _PAUSE
            except (RedisError, OSError) as error:
                self._note(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            finally:
                self._reader_id = None

    async def _read_once(self, connection: Redis) -> None:
        streams = {f"chat:{{{run_id}}}:log": f"{position}-0" for run_id, position in self._positions.items()}
        found = cast("Any", await connection.xread(cast("Any", streams), count=500, block=_BLOCK_MS))
        self._is_sound = True
        for key, entries in found or ():
            run_id = key.decode()[len("chat:{") : -len("}:log")]
            channel = self._channels.get(run_id)
            if channel is None or run_id not in self._positions:
                continue
            for entry_id, fields in entries:
                last = int(entry_id.partition(b"-")[0])
                final = fields[b"e"] == b"1"
                channel.add(LogBatch(run_id, int(fields[b"a"]), int(fields[b"f"]), last, fields[b"d"], final))
                self._positions[run_id] = last
                if final:
                    self._positions.pop(run_id, None)
                    self._ended[run_id] = None
                    break

    async def _unblock(self, reader_id: int) -> None:
        """Let the reader begin anew, with the run that was added."""
        try:
            await self._redis.client_unblock(reader_id)  # pyright: ignore[reportUnknownMemberType] - redis-py leaves **kwargs untyped
        except (RedisError, OSError) as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._failed()
        if self._is_sound:
            _log.warning("Redis failed: %s; readers elsewhere are served from the store", type(error).__name__)
        self._is_sound = False
        self.wake_all()
