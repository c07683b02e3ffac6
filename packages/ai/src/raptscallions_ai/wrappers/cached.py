"""`CachedClient`: repeated calls are answered from a store."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import msgspec

from raptscallions_ai._guards.callbacks import in_task
from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.options.call_options import ChatOptions
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.source import AroundSource, TotalClock
from raptscallions_ai.wrappers.stored_answer import NOTHING_USED, Recorder, is_good, restored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from key_value.aio.protocols.key_value import AsyncKeyValue

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.options.call_options import CallOptions
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["CachedClient"]

_COLLECTION = "answers-1"  # the number is that of the format
_MOMENT = 0.1  # seconds that the end of an answer is held back for its store; memory and a disk need less
_MOST_PENDING = 64  # answers that a slow store holds in memory at a time
# How a call is made, but not what is asked; all other options are part of the key.
_NOT_ASKED = frozenset({"timeout", "max_retries", "include_waiting", "resend", "on_interrupt", "prefill", "stream"})
_IN_REQUEST = ChatOptions.__annotations__.keys() | {"extra_body", "extra_headers", "extra_query"}
_log = Log()
_pending: WeakKeyDictionary[AsyncKeyValue, dict[str, asyncio.Task[None]]] = WeakKeyDictionary()


class CachedClient(WrappedClient):
    """A chat client that answers repeated calls from a store.

    The key of an answer is a SHA-256 hash of the whole request: gateway, API key, model, messages and all options,
    even those that do not affect the answer, such as `user`. Only complete answers of up to a million characters are
    stored, never the conversation. A stored answer comes in the same chunks as before; its usage is zero,
    and it has no `attempts`.

    If the store fails or is slow, the call goes to the gateway. An answer is delivered before it is stored, and closing
    the client waits for the last ones. The time that the store takes to find an answer counts toward the call's
    `Timeouts.total`.

    Args:
        inner: The client to wrap.
        store: Where answers are stored: `memory_store()`, `disk_store(...)`, or any store of py-key-value-aio.
        ttl: Seconds that an answer is valid; None for no limit.
        namespace: Separates answers in a shared store, such as by a tenant's name.
        share_between_keys: Whether clients with different keys share answers.
        store_timeout: Seconds that the store may take to find or to store an answer.

    Raises:
        ValueError: `ttl` or `store_timeout` is not positive.
    """

    def __init__(
        self,
        inner: ChatClient,
        store: AsyncKeyValue,
        *,
        ttl: float | None = None,
        namespace: str = "",
        share_between_keys: bool = False,
        store_timeout: float = 2.0,
    ) -> None:
        super().__init__(inner)
        if ttl is not None and not ttl > 0:
            raise ValueError("ttl must be a positive number of seconds, or None")
        if not store_timeout > 0:
            raise ValueError("store_timeout must be a positive number of seconds")
        self._answers = _Answers(store, ttl, store_timeout)
        self._namespace, self._share_between_keys = namespace, share_between_keys

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        snapshot, key = call.snapshot(), self._key(call)
        return _CachedCall(self._answers, key, self.total_of(call), lambda left: self.ask_within(snapshot, left))

    async def aclose(self) -> None:
        """Wait until the last answers are stored, and close the wrapped client."""
        await self._answers.flush()
        await super().aclose()

    def _key(self, call: ChatCall) -> str:
        """Return the key of a call's answer; raises what is wrong with the call as the client would."""
        options = cast("CallOptions", {name: value for name, value in call.options.items() if name not in _NOT_ASKED})
        request = replace(call, options=options, model=self.resolve_model(call.model)).request()
        extra = {name: value for name, value in options.items() if name not in _IN_REQUEST and value is not None}
        key_owner = None if self._share_between_keys else self.key_fingerprint
        facts = [self._namespace, self.base_url, key_owner, dict(request.headers), dict(request.query), extra]
        encoded = msgspec.json.encode([facts, msgspec.json.decode(request.body)], order="sorted")
        return hashlib.sha256(encoded).hexdigest()


class _Answers:
    """The answers in a store, which may be slow, or fail."""

    def __init__(self, store: AsyncKeyValue, ttl: float | None, timeout: float) -> None:
        self._store, self._ttl, self._timeout = store, ttl, timeout
        # Of the store and not of this client, or another one would not find what is on its way into it.
        self._pending = _pending.setdefault(store, {})

    async def get(self, key: str, within: float) -> list[StreamChunk] | None:
        """Return a stored answer; None if there is none, or none in time."""
        try:
            work = self._found(key)
            stored = await in_task("the store of a cache", work, within=min(self._timeout, within))
            return None if stored is None else restored(stored)
        except Exception as error:
            _log.warning("an answer could not be read from the cache: %s", type(error).__name__)
            return None

    async def put(self, key: str, answer: Callable[[], dict[str, Any]]) -> None:
        """Store an answer; wait only a moment for a slow store."""
        if len(self._pending) >= _MOST_PENDING:
            _log.warning("an answer was not kept in the cache: its store is too slow")
            return
        task = asyncio.create_task(self._save(key, answer), name="raptscallions_ai: keep an answer")
        self._pending[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))
        await asyncio.wait([task], timeout=_MOMENT)

    async def flush(self) -> None:
        """Wait until all answers are stored."""
        loop = asyncio.get_running_loop()
        if tasks := [task for task in self._pending.values() if task.get_loop() is loop]:
            await asyncio.wait(tasks)

    async def _found(self, key: str) -> dict[str, Any] | None:
        task = self._pending.get(key)
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([task])
        return await self._store.get(key, collection=_COLLECTION)

    async def _save(self, key: str, answer: Callable[[], dict[str, Any]]) -> None:
        try:
            work = self._store.put(key, answer(), collection=_COLLECTION, ttl=self._ttl)
            await in_task("the store of a cache", work, within=self._timeout)
        except Exception as error:
            _log.warning("an answer could not be kept in the cache: %s", type(error).__name__)

    def _forget(self, key: str, task: asyncio.Task[None]) -> None:
        if self._pending.get(key) is task:
            del self._pending[key]


class _CachedCall(AroundSource):
    def __init__(
        self, answers: _Answers, key: str, total: float | None, ask: Callable[[float | None], ChunkSource]
    ) -> None:
        super().__init__()
        self._answers, self._key, self._ask = answers, key, ask
        self._clock = TotalClock(total)
        self._recorder: Recorder | None = None

    async def begin(self) -> ChunkSource:
        self._clock.start()
        if (chunks := await self._answers.get(self._key, self._clock.left_or(math.inf))) is not None:
            _log.info("answered from the cache: chunks=%d", len(chunks))
            return _Replay(chunks)
        self._recorder = Recorder()
        return self._ask(self._clock.left())

    async def read(self) -> Sequence[StreamChunk]:
        chunks = await super().read()
        if (recorder := self._recorder) is not None and chunks:
            recorder.add(chunks)
            if (last := chunks[-1]).type == "done" and recorder.is_fit and is_good(last.result):
                await self._answers.put(self._key, lambda: recorder.stored(last.result))
        return chunks


class _Replay:
    """The `ChunkSource` of a stored answer, one chunk at a time."""

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
