"""`LoggedClient`: logs every call, with the size of each chunk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raptscallions_ai._guards.log import Log
from raptscallions_ai.answer.chunks import DoneChunk
from raptscallions_ai.wrappers.base import WrappedClient
from raptscallions_ai.wrappers.source import AroundSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.answer.stream import ChunkSource
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["LoggedClient"]


class LoggedClient(WrappedClient):
    """A chat client that logs its calls: what an `OpenRouterClient` logs itself, and each chunk's size.

    INFO for the start and the end, DEBUG for each chunk, ERROR for failures, never any contents. It has a logger of its
    own, because an `OpenRouterClient` writes start, end, retries and failures to `raptscallions_ai` already.

    Args:
        inner: The client to wrap.
        logger: Where to write; `raptscallions_ai.calls` by default.
    """

    def __init__(self, inner: ChatClient, logger: logging.Logger | None = None) -> None:
        super().__init__(inner)
        self._log = Log(logger or logging.getLogger("raptscallions_ai.calls"))

    def source(self, call: ChatCall) -> ChunkSource:
        """Return the source of a call's chunks."""
        return _LoggedCall(self.ask(call), self._log, self.resolve_model(call.model), call)


class _LoggedCall(AroundSource):
    def __init__(self, inner: ChunkSource, log: Log, model: str | None, call: ChatCall) -> None:
        super().__init__(inner)
        self._log, self._model = log, model
        self._messages = 1 if isinstance(call.messages, str) else len(call.messages)
        self._stream = call.stream
        self._chunks = 0

    async def begin(self) -> None:
        log_args = (self._model, self._messages, self._stream)
        self._log.info("call started: model=%s messages=%d stream=%s", *log_args)

    def received(self, chunks: Sequence[StreamChunk]) -> Sequence[StreamChunk]:
        if self._log.is_debugging():
            for number, chunk in enumerate(chunks, self._chunks + 1):
                # No chunk's repr shows contents; the last one's is long, and `ended` says what is in it.
                self._log.debug("chunk %d: %s", number, "DoneChunk()" if isinstance(chunk, DoneChunk) else chunk)
        self._chunks += len(chunks)
        return chunks

    def ended(self, result: ChatResult | None, error: BaseException | None) -> None:
        if result is not None:
            log_args = (result.model, result.finish_reason, self._chunks)
            self._log.info("call finished: model=%s finish_reason=%s chunks=%d", *log_args)
        elif isinstance(error, Exception):
            self._log.error("call failed: %s model=%s chunks=%d", type(error).__name__, self._model, self._chunks)
        else:
            self._log.info("call left: model=%s chunks=%d", self._model, self._chunks)
