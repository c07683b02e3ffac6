"""`ModelPull`: the download of a model to an Ollama server.

Source: Ollama API reference, "Pull a model". Only the status `success` says that the model is there.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self

from raptscallions_ai._call.retry import retry_delay
from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._dialects.failures import classify, read_failure
from raptscallions_ai._dialects.fields import count, text
from raptscallions_ai._dialects.json import json_object, parse_json
from raptscallions_ai._dialects.lines import LinesDecoder
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._dialects.request import written
from raptscallions_ai._dialects.sse import EventTooLargeError
from raptscallions_ai._guards.log import Log
from raptscallions_ai.errors import AiError, InvalidResponseError, StreamInterruptedError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from raptscallions_ai._transport.gateway import Gateway
    from raptscallions_ai.options.timeouts import Timeouts

__all__ = ["ModelPull", "PullProgress"]

_log = Log()
_LONGEST_LINE = 1024 * 1024
_LONGEST_SILENCE = 600.0  # seconds: a large layer is verified without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """One step of a download.

    Attributes:
        status: What the server is doing, in its words: `pulling manifest`, `pulling 8eeb52dfb3bb`, `verifying sha256
            digest`, `writing manifest`, and at last `success`.
        digest: The layer in question; None if there is none.
        completed: Bytes of that layer that are there.
        total: Bytes that it has.
        completed_bytes: Bytes of all layers so far that are there.
        total_bytes: Bytes that the layers so far have.
    """

    status: str
    digest: str | None = None
    completed: int | None = None
    total: int | None = None
    completed_bytes: int = 0
    total_bytes: int = 0


class ModelPull:
    """The download of a model: an async iterator of `PullProgress`, the last of which has the status `success`.

    It starts when it is iterated or its `result` is awaited. Leaving it stops the download; the server keeps what
    is there, and the next pull continues. It also continues by itself after a lost connection.

    Args:
        gateway: The server.
        model: The model.
        timeouts: Of which `connect` counts, and `total` for the whole download.
        max_retries: How many lost connections in a row it survives without any progress.
    """

    def __init__(self, gateway: Gateway, model: str, *, timeouts: Timeouts, max_retries: int) -> None:
        self._gateway = gateway
        self._model = model
        self._timeouts = timeouts
        self._max_retries = max_retries
        self._layers: dict[str, tuple[int, int]] = {}  # by digest: bytes that are there, and bytes in all
        self._failures = 0
        self._steps = self._run()

    async def result(self) -> None:
        """Wait until the model is there.

        Raises:
            ModelNotAvailableError: The registry does not know it.
            AiError: It could not be downloaded.
        """
        async for _ in self:
            pass

    async def aclose(self) -> None:
        """Stop the download; the server keeps what is there."""
        await self._steps.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PullProgress:
        return await anext(self._steps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self) -> AsyncGenerator[PullProgress]:
        _log.info("pull started: model=%s", self._model)
        while True:
            error: AiError | None = None
            try:
                async with contextlib.aclosing(self._attempt()) as steps:
                    async for progress in steps:
                        yield progress
                        if progress.status == "success":
                            return
                error = StreamInterruptedError("the download ended before its success", retryable=True)
            except AiError as failure:
                error = failure
            self._failures += 1
            delay = retry_delay(error, failures=self._failures, max_retries=self._max_retries, remaining=float("inf"))
            if delay is None:
                raise error.without_traceback()
            _log.warning("pull failed with %s, going on in %.2f s", type(error).__name__, delay)
            await asyncio.sleep(delay)

    async def _attempt(self) -> AsyncGenerator[PullProgress]:
        body = written({"model": self._model, "stream": True})
        encoded = Encoded("/api/pull", body, {"Accept": "application/x-ndjson"}, {})
        connect = self._timeouts.connect
        try:
            response = await self._gateway.connections.send(encoded, connect_timeout=connect)
        except Exception as exception:
            raise self._error(exception) from None
        decoder = LinesDecoder(_LONGEST_LINE)
        try:
            while data := await self._read(response.read()):
                for line in self._lines(decoder, data):
                    yield self._progress(json_object(parse_json(line)))
            for line in decoder.close():
                yield self._progress(json_object(parse_json(line)))
        finally:
            await response.close()

    async def _read(self, reading: Any) -> bytes:
        try:
            async with asyncio.timeout(_LONGEST_SILENCE):
                return await reading
        except builtins.TimeoutError:
            raise TimeoutError(round(_LONGEST_SILENCE * 1000), phase="idle") from None
        except Exception as exception:
            from raptscallions_ai._transport.exceptions import lost_connection

            if (cut := lost_connection(exception)) is not None:
                raise StreamInterruptedError(cut, retryable=True) from None
            raise self._error(exception) from None

    def _lines(self, decoder: LinesDecoder, data: bytes) -> list[bytes]:
        try:
            return decoder.feed(data)
        except EventTooLargeError:
            raise InvalidResponseError("one of its lines is too long for a progress report") from None

    def _progress(self, line: Mapping[str, Any]) -> PullProgress:
        if error := line.get("error"):
            raise classify(
                read_failure({"error": error}), model=self._model, redact=self._redact, url_name=self._gateway.url_name
            )
        status, digest = text(line, "status"), text(line, "digest")
        if status is None:
            raise InvalidResponseError("one of its lines reports no progress")
        completed, total = count(line, "completed"), count(line, "total")
        if digest is not None and total is not None:
            before = self._layers.get(digest, (0, total))[0]
            self._layers[digest] = (completed or before, total)
            if (completed or 0) > before:
                self._failures = 0
        return PullProgress(
            status=status,
            digest=digest,
            completed=completed,
            total=total,
            completed_bytes=sum(done for done, _ in self._layers.values()),
            total_bytes=sum(size for _, size in self._layers.values()),
        )

    def _error(self, exception: Exception) -> AiError:
        from raptscallions_ai._transport.exceptions import ai_error

        connect = self._timeouts.connect
        gateway, redact = self._gateway, self._redact
        return ai_error(exception, gateway=gateway, model=self._model, redact=redact, connect_timeout=connect)

    @property
    def _redact(self) -> Redactor:
        return Redactor(self._gateway.keys, [])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a download cannot be pickled or copied: it holds a connection")

    def __repr__(self) -> str:
        return f"ModelPull({self._model!r})"
