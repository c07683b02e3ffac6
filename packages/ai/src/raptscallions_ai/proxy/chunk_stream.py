"""The proxy's own event stream: the events of `sse_response_body`, each with an id, and the lossless result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.answer.chunks import DoneChunk
from raptscallions_ai.proxy.agent_wire import result_object
from raptscallions_ai.web.chunk_events import ChunkEvents
from raptscallions_ai.web.payloads import SSE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.errors import AiError

__all__ = ["PROFILE", "NumberedChunkEvents", "accepts_chunks", "id_line"]

PROFILE = "raptscallions"
"""What the media type is qualified with: `Accept: text/event-stream; profile=raptscallions`."""


def accepts_chunks(accept: str) -> bool:
    """Whether a request's `Accept` asks for this stream."""
    for kind in accept.split(","):
        media_type, *parameters = (part.strip() for part in kind.lower().split(";"))
        named = (parameter.replace(" ", "").replace('"', "") for parameter in parameters)
        if media_type == "text/event-stream" and f"profile={PROFILE}" in named:
            return True
    return False


def id_line(event_id: str) -> bytes:
    """Return the line that names an event."""
    return b"id: %b" % event_id.encode()


class NumberedChunkEvents:
    """The encoder of this stream.

    Args:
        run: The name of the answer, which the ids begin with.
    """

    headers: Mapping[str, str] = SSE_HEADERS
    ping = ChunkEvents.ping

    def __init__(self, run: str) -> None:
        self._run = run
        self._events = ChunkEvents()
        self._number = 0

    def chunk(self, chunk: StreamChunk) -> bytes:
        """Return the event for a chunk."""
        if isinstance(chunk, DoneChunk):
            return self._numbered(self._events.event(chunk, result=result_object(chunk.result)))
        return self._numbered(self._events.chunk(chunk))

    def error(self, error: AiError) -> bytes:
        """Return the event of a failure."""
        return self._numbered(self._events.error(error))

    def stopped(self) -> bytes:
        """Return the event of a stream that was closed early."""
        return self._numbered(self._events.stopped())

    def _numbered(self, event: bytes) -> bytes:
        self._number += 1
        return b"%b\n%b" % (id_line(f"{self._run}-{self._number}"), event)
