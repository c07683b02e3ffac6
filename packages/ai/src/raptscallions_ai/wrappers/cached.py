"""`CachedClient`: answers that were given before are given again, without asking."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.options.call_options import ChatOptions
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.source import AroundSource
from raptscallions_ai.wrappers.stored_answer import NOTHING_USED, Recorder, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from key_value.aio.protocols.key_value import AsyncKeyValue

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.options.call_options import CallOptions
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["CachedClient", "disk_store", "memory_store"]

_COLLECTION = "answers-1"  # the number is that of the format
# How a call is made, but not what is asked; all other options are part of the key.
_NOT_ASKED = frozenset({"timeout", "max_retries", "include_waiting", "on_interrupt", "prefill", "stream"})
_IN_REQUEST = ChatOptions.__annotations__.keys() | {"extra_body", "extra_headers", "extra_query"}
_log = Log()


def memory_store(max_entries: int = 1000) -> AsyncKeyValue:
    """Return a store for a `CachedClient` in the memory of this process; needs the extra `cache`.

    Args:
        max_entries: How many answers it keeps; the one that was not used for longest goes first.
    """
    require_extra("cache", "key_value.aio.stores.memory")
    from key_value.aio.stores.memory import MemoryStore

    return MemoryStore(max_entries_per_collection=max_entries)


def disk_store(directory: str | Path) -> AsyncKeyValue:
    """Return a store for a `CachedClient` in files, one for each answer; needs the extra `cache`.

    Answers lie in it as plain text, so it is for one user only. Expired ones are deleted when they are asked for, or
    all together by the store's `cull()`; nothing limits its size.

    Args:
        directory: Where; if it is not there, it is made so that no other user can read it.

    Raises:
        ValueError: The directory is there, and open to other users.
    """
    require_extra("cache", "key_value.aio.stores.filetree")
    from key_value.aio.stores.filetree import FileTreeStore

    place = Path(directory)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and place.stat().st_mode & 0o077:
        raise ValueError(f"{place} is open to other users, who could read the answers: chmod it to 700")
    return FileTreeStore(data_directory=place)


class CachedClient(WrappedClient):
    """A chat client that asks only what it has not asked before.

    The key of an answer is a SHA-256 hash of the whole request: gateway, model, messages and options, also those that
    no answer depends on, such as `user`. Only complete answers are kept, the conversation never. A kept answer comes
    chunk by chunk, as it had come; its usage says that nothing was used, and it has no `attempts`. A store that fails
    is as good as none.

    Args:
        inner: Whom to ask.
        store: Where answers are kept: `memory_store()`, `disk_store(...)`, or any store of py-key-value-aio.
        ttl: Seconds that an answer is good for; None for ever.
        namespace: What keeps answers apart in a store that is shared, such as a tenant's name.

    Raises:
        ValueError: `ttl` is not positive.
    """

    def __init__(
        self, inner: ChatClient, store: AsyncKeyValue, *, ttl: float | None = None, namespace: str = ""
    ) -> None:
        super().__init__(inner)
        if ttl is not None and not ttl > 0:
            raise ValueError("ttl must be a positive number of seconds, or None")
        self._store, self._ttl, self._namespace = store, ttl, namespace

    def source(self, call: ChatCall) -> ChunkSource:
        """Return where the chunks of a call come from."""
        kept = call.kept()
        return _CachedCall(_Kept(self._store, self._key(call), self._ttl), lambda: self.ask(kept))

    def _key(self, call: ChatCall) -> str:
        """Return the key of a call's answer; raises what is wrong with the call as the client would."""
        asked = cast("CallOptions", {name: value for name, value in call.options.items() if name not in _NOT_ASKED})
        request = replace(call, options=asked, model=self.resolve_model(call.model)).request()
        ours = {name: value for name, value in asked.items() if name not in _IN_REQUEST and value is not None}
        facts = [self._namespace, self.base_url, dict(request.headers), dict(request.query), ours]
        encoded = msgspec.json.encode([facts, msgspec.json.decode(request.body)], order="sorted")
        return hashlib.sha256(encoded).hexdigest()


class _Kept:
    """The place of one answer in a store."""

    def __init__(self, store: AsyncKeyValue, key: str, ttl: float | None) -> None:
        self._store, self._key, self._ttl = store, key, ttl

    async def get(self) -> list[StreamChunk] | None:
        try:
            stored = await self._store.get(self._key, collection=_COLLECTION)
            return None if stored is None else restored(stored)
        except Exception as error:
            _log.warning("an answer could not be read from the cache: %s", type(error).__name__)
            return None

    async def put(self, answer: dict[str, Any]) -> None:
        try:
            await self._store.put(self._key, answer, collection=_COLLECTION, ttl=self._ttl)
        except Exception as error:
            _log.warning("an answer could not be kept in the cache: %s", type(error).__name__)


class _CachedCall(AroundSource):
    def __init__(self, kept: _Kept, ask: Callable[[], ChunkSource]) -> None:
        super().__init__()
        self._kept, self._ask = kept, ask
        self._recorder: Recorder | None = None

    async def begin(self) -> ChunkSource:
        if (chunks := await self._kept.get()) is not None:
            _log.info("answered from the cache: chunks=%d", len(chunks))
            return _Replay(chunks)
        self._recorder = Recorder()
        return self._ask()

    async def read(self) -> Sequence[StreamChunk]:
        chunks = await super().read()
        if self._recorder is not None and chunks:
            self._recorder.add(chunks)
            if (last := chunks[-1]).type == "done":
                await self._kept.put(self._recorder.stored(last.result))
        return chunks


class _Replay:
    """The `ChunkSource` that gives kept chunks again, one at a time."""

    def __init__(self, chunks: Sequence[StreamChunk]) -> None:
        self._rest = deque(chunks)
        self._given = StreamCollector()

    async def open(self) -> None:
        """Do nothing: it is all there."""

    async def read(self) -> Sequence[StreamChunk]:
        await asyncio.sleep(0)  # as with a real stream, other tasks run between chunks
        if not self._rest:
            return ()
        self._given.add(chunk := self._rest.popleft())
        return (chunk,)

    def partial(self) -> ChatResult:
        return self._given.partial

    async def settle(self) -> Usage:
        return NOTHING_USED

    async def aclose(self) -> None:
        self._rest.clear()

    def abandon(self) -> None:
        self._rest.clear()
