"""The body of an answer: an event stream, or one JSON document from a gateway that does not stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import read_failure
from raptscallions_ai._dialects.json import MalformedJSONError, json_list, json_object, parse_json
from raptscallions_ai._dialects.openai.chunk import decode_chunk
from raptscallions_ai._dialects.sse import Event, EventTooLargeError, SSEDecoder
from raptscallions_ai.errors import AiError, InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["AnswerDecoder"]

_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_OURS = ("", "message", "error")  # the event names that a chat answer uses
_BLANKS = 64
_TOO_LARGE = "is larger than AI_MAX_EVENT_BYTES allows"


class AnswerDecoder:
    """Feed the bytes of one response into a fold.

    Whether the body is a stream or a document is told by its first byte, not by its content type: gateways label
    both wrongly, and no line of an event stream begins with a brace, a bracket or a tag.

    Args:
        fold: Takes the chunks.
        max_bytes: The largest event, and the largest document.

    Attributes:
        ended: Whether the end mark was seen, or something wrong; what follows is ignored.
        failure: What is wrong with the body, once something is; chunks that came before it are still good.
    """

    def __init__(self, fold: Fold, *, max_bytes: int) -> None:
        self.ended = False
        self.failure: AiError | None = None
        self._fold = fold
        self._max = max_bytes
        self._sse = SSEDecoder(max_bytes)
        self._undecided: bytes = b""
        self._document: list[bytes] | None = None
        self._streaming = False
        self._size = 0

    @property
    def comments(self) -> int:
        """How many keep-alive comments were seen."""
        return self._sse.comments

    def feed(self, data: bytes) -> list[StreamChunk]:
        """Take in bytes and return the chunks that they complete."""
        if not self._streaming and not (data := self._decide(data)):
            return []
        try:
            events = self._sse.feed(data)
        except EventTooLargeError as error:
            return self._take_up_to_the_limit(error)
        return self._take(events, at_end=False) if events else []

    def close(self, cut: str | None = None) -> tuple[list[StreamChunk], ChatResult | None]:
        """Return what the end of the body still completes, and the result.

        Where there is no good end, the result is None and `failure` says why.

        Args:
            cut: What cut the connection, if anything did; None for a clean end.
        """
        chunks: list[StreamChunk] = []
        if not self.ended:
            chunks = self._close_document(cut) if self._document is not None else self._close_stream()
        if self.failure is None:
            try:
                return chunks, self._fold.close(cut)
            except AiError as error:
                self.failure = error
        return chunks, None

    def _decide(self, data: bytes) -> bytes:
        """Find out what the body is; return the bytes to be decoded as a stream, if any."""
        if self._document is None:
            data = _shortened(self._undecided + data)
            start = data.removeprefix(_BOM).lstrip()[:1]
            if not start or (len(data) < len(_BOM) and _BOM.startswith(data)):
                self._undecided = data
                return b""
            if start not in b"{[<":
                self._streaming = True
                return data
            self._document = list[bytes]()
        self._document.append(data)
        self._size += len(data)
        if self._size > self._max:
            self._document.clear()
            self._fail(InvalidResponseError(f"the body {_TOO_LARGE}"))
        return b""

    def _take_up_to_the_limit(self, error: EventTooLargeError) -> list[StreamChunk]:
        chunks = self._take(error.events, at_end=False)
        if not self.ended:
            self._fail(InvalidResponseError(f"one event {_TOO_LARGE}"))
        return chunks

    def _take(self, events: list[bytes | Event], *, at_end: bool) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
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
                    self.ended = True
                    break
            try:
                chunk = decode_chunk(data)
            except MalformedJSONError as error:
                self._take_malformed(name, data, str(error), at_end=at_end)
            else:
                fold.feed(chunk, chunks)
                if fold.failure is None and (name == "error" or (chunk.choices is None and chunk.says_nothing)):
                    self._take_bare_error(name, data)
            if fold.failure is not None:
                self.ended = True
            if self.ended:
                break
        return chunks

    def _take_bare_error(self, name: str, data: bytes) -> None:
        """Look for an error object that came without its envelope."""
        body = json_object(parse_json(data))
        if name == "error" or (name in _OURS and (body.get("message") or body.get("detail"))):
            self._fold.report(body)

    def _take_malformed(self, name: str, data: bytes, why: str, *, at_end: bool) -> None:
        if name == "error":
            self._fold.report(parse_json(data))
        elif name not in _OURS:
            pass  # an event of the gateway's own, such as a heartbeat with a time in it
        elif at_end:  # the last event lacks its blank line, so it was cut rather than garbled
            self._fail(StreamInterruptedError("the stream ended inside an event", retryable=True))
        else:
            self._fail(InvalidResponseError(f"an event is not valid JSON: {why}", retryable=True))

    def _close_stream(self) -> list[StreamChunk]:
        try:
            events = self._sse.close()
        except EventTooLargeError as error:
            return self._take_up_to_the_limit(error)
        return self._take(events, at_end=True)

    def _close_document(self, cut: str | None) -> list[StreamChunk]:
        body = b"".join(self._document or ()).strip().removeprefix(_BOM)
        if body.startswith(b"<"):
            why = "it is an HTML page, not an answer - check AI_GATEWAY_URL"
            self.failure = InvalidResponseError(why)
            return []
        try:
            chunk = decode_chunk(body)
        except MalformedJSONError as error:
            self._take_odd_document(body, str(error), cut)
            return []
        chunks: list[StreamChunk] = []
        self._fold.feed(chunk, chunks)
        if chunk.says_nothing:
            self._take_bare_error("", body)
        self._fold.mark_done(whole=True)
        return chunks

    def _take_odd_document(self, body: bytes, why: str, cut: str | None) -> None:
        if (listed := json_list(parse_json(body))) and read_failure(listed).body:
            self._fold.report(listed)
        elif cut is not None:
            self.failure = StreamInterruptedError(f"{cut} inside the answer", retryable=True)
        else:
            self.failure = InvalidResponseError(f"it is not valid JSON: {why}", retryable=True)

    def _fail(self, error: AiError) -> None:
        error.partial = self._fold.partial() if self._fold.anything else None
        self.failure, self.ended = error, True


def _shortened(data: bytes) -> bytes:
    """Drop all but the last of the blanks that a body begins with: some gateways send them as keep-alives."""
    body = data.removeprefix(_BOM)
    blanks = len(body) - len(body.lstrip())
    return data[: len(data) - len(body)] + body[max(0, blanks - _BLANKS) :]
