"""The body of an answer: a stream of events or lines, or one JSON document from a gateway that does not stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._dialects.failures import URL_SETTING
from raptscallions_ai._dialects.json import MalformedJSONError
from raptscallions_ai._dialects.lines import LinesDecoder
from raptscallions_ai._dialects.sse import EventTooLargeError, SSEDecoder
from raptscallions_ai.errors import AiError, InvalidResponseError, StreamInterruptedError

if TYPE_CHECKING:
    from raptscallions_ai._dialects.dialect import Framing, Reader
    from raptscallions_ai._dialects.fold import Fold
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["AnswerDecoder"]

_BOM = b"\xef\xbb\xbf"
_BLANKS = 64
_TOO_LARGE = "is larger than AI_MAX_EVENT_BYTES allows"


class AnswerDecoder:
    """Feed the bytes of one response into a fold.

    The first byte shows whether the body is a stream or a document, not the content type: gateways label
    both wrongly, and no line of an event stream begins with a brace, a bracket or a tag. In a stream of lines each one
    begins with a brace; only a document that is spread over lines has nothing more on its first.

    Args:
        fold: Takes the chunks.
        reader: Turns events into chunks, and feeds the fold with them.
        max_bytes: The largest event, and the largest document.
        framing: How a stream is cut into events.
        url_name: What the user set the gateway's URL with, for messages that send them there.

    Attributes:
        ended: Whether the end mark was seen, or something wrong; what follows is ignored.
    """

    def __init__(
        self,
        fold: Fold,
        reader: Reader,
        *,
        max_bytes: int,
        framing: Framing = "sse",
        url_name: str = URL_SETTING,
    ) -> None:
        self.ended = False
        self._fold = fold
        self._reader = reader
        self._max = max_bytes
        self._url_name = url_name
        self._framed = SSEDecoder(max_bytes) if framing == "sse" else LinesDecoder(max_bytes)
        self._lines = framing == "lines"
        self._undecided: bytes = b""
        self._document: list[bytes] | None = None
        self._streaming = False
        self._size = 0

    @property
    def failure(self) -> AiError | None:
        """What is wrong with the answer, once something is; chunks that came before it are still good."""
        return self._fold.failure

    @property
    def keep_alives(self) -> int:
        """How many comments and events only kept the connection alive."""
        return self._framed.comments + self._reader.keep_alives

    def feed(self, data: bytes) -> list[StreamChunk]:
        """Take in bytes and return the chunks that they complete."""
        if not self._streaming and not (data := self._decide(data)):
            return []
        try:
            events = self._framed.feed(data)
        except EventTooLargeError as error:
            return self._read_up_to_the_limit(error)
        chunks: list[StreamChunk] = []
        if events and self._reader.read(events, chunks):
            self.ended = True
        return chunks

    def close(self, cut: str | None = None) -> tuple[list[StreamChunk], ChatResult | None]:
        """Return what the end of the body still completes, and the result.

        Where there is no good end, the result is None and `failure` says why.

        Args:
            cut: What cut the connection, if anything did; None for a clean end.
        """
        chunks: list[StreamChunk] = []
        if not self.ended:
            chunks = self._close_document(cut) if self._document is not None else self._close_stream()
        return chunks, self._fold.close(cut)

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
            if self._lines and start == b"{":
                if not (rest := data.partition(b"{")[2].lstrip(b" \t")):
                    self._undecided = data
                    return b""
                if rest[:1] not in b"\r\n":
                    self._streaming = True
                    return data.removeprefix(_BOM)
            self._document = list[bytes]()
        self._document.append(data)
        self._size += len(data)
        if self._size > self._max:
            self._document.clear()
            self._fail(InvalidResponseError(f"the body {_TOO_LARGE}"))
        return b""

    def _read_up_to_the_limit(self, error: EventTooLargeError) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
        self.ended = self._reader.read(error.events, chunks)
        if not self.ended:
            self._fail(InvalidResponseError(f"one event {_TOO_LARGE}"))
        return chunks

    def _close_stream(self) -> list[StreamChunk]:
        try:
            events = self._framed.close()
        except EventTooLargeError as error:
            return self._read_up_to_the_limit(error)
        chunks: list[StreamChunk] = []
        self.ended = self._reader.read(events, chunks, at_end=True)
        return chunks

    def _close_document(self, cut: str | None) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
        body = b"".join(self._document or ()).strip().removeprefix(_BOM)
        if body.startswith(b"<"):
            self._fail(InvalidResponseError(f"it is an HTML page, not an answer - check {self._url_name}"))
            return chunks
        try:
            self._reader.document(body, chunks)
        except MalformedJSONError as error:
            if cut is not None:
                self._fail(StreamInterruptedError(f"{cut} inside the answer", retryable=True))
            else:
                self._fail(InvalidResponseError(f"it is not valid JSON: {error}", retryable=True))
        return chunks

    def _fail(self, error: AiError) -> None:
        self._fold.fail(error)
        self.ended = True


def _shortened(data: bytes) -> bytes:
    """Drop all but the last of the blanks that a body begins with: some gateways send them as keep-alives."""
    body = data.removeprefix(_BOM)
    blanks = len(body) - len(body.lstrip())
    return data[: len(data) - len(body)] + body[max(0, blanks - _BLANKS) :]
