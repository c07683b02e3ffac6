"""`OpenAIReader`: the events of a chat completion, and the odd things that gateways put among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.chunk import decode_chunk
from raptscallions_ai._dialects.failure import is_bare_error, read_failure
from raptscallions_ai._dialects.json import MalformedJSONError, json_list, json_object, parse_json
from raptscallions_ai._dialects.sse import Event
from raptscallions_ai.errors import InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai.answer.chunks import StreamChunk

__all__ = ["OpenAIReader"]

_DONE = b"[DONE]"
_OURS = ("", "message", "error")  # the event names that a chat answer uses


class OpenAIReader:
    """Feed the events of one answer into a fold.

    Args:
        fold: Takes the chunks.
    """

    keep_alives: int = 0  # there are only comments

    def __init__(self, fold: Fold) -> None:
        self._fold = fold

    def read(self, events: Sequence[bytes | Event], out: list[StreamChunk], *, at_end: bool = False) -> bool:
        """Take in events and append the chunks that they bring; return whether nothing after them counts."""
        fold = self._fold
        for event in events:
            if isinstance(event, Event):
                name, data = event
            else:
                name, data = "", event
            if data[:1] != b"{":
                if not data or data.isspace():
                    continue
                if data.strip() == _DONE:
                    fold.mark_done()
                    return True
            try:
                chunk = decode_chunk(data)
            except MalformedJSONError as error:
                self._read_malformed(name, data, str(error), at_end=at_end)
            else:
                fold.feed(chunk, out)
                if fold.failure is None and (name == "error" or (chunk.choices is None and chunk.is_empty)):
                    self._read_bare_error(name, data)
            if fold.failure is not None:
                return True
        return False

    def document(self, body: bytes, out: list[StreamChunk]) -> None:
        """Take in a whole answer that came as one JSON document.

        Raises:
            MalformedJSONError: It is not the JSON of an answer, nor of an error.
        """
        try:
            chunk = decode_chunk(body)
        except MalformedJSONError:
            if (listed := json_list(parse_json(body))) and read_failure(listed).body:
                self._fold.report(listed)
                return
            raise
        self._fold.feed(chunk, out)
        if chunk.is_empty:
            self._read_bare_error("", body)
        self._fold.mark_done(whole=True)

    def _read_bare_error(self, name: str, data: bytes) -> None:
        """Look for an error object that came without its envelope."""
        body = json_object(parse_json(data))
        if name == "error" or (name in _OURS and is_bare_error(body)):
            self._fold.report(body)

    def _read_malformed(self, name: str, data: bytes, why: str, *, at_end: bool) -> None:
        if name == "error":
            self._fold.report(parse_json(data))
        elif name not in _OURS:
            pass  # an event of the gateway's own, such as a heartbeat with a time in it
        elif at_end:  # the last event lacks its blank line, so it was cut rather than garbled
            self._fold.fail(StreamInterruptedError("the stream ended inside an event", retryable=True))
        else:
            self._fold.fail(InvalidResponseError(f"an event is not valid JSON: {why}", retryable=True))
