"""One response as it arrives: bytes in, head and body out. No I/O, no clock, no event loop."""

from __future__ import annotations

import httptools

from raptscallions_ai._transport.http.errors import LostConnectionError, NotHttpError

__all__ = ["ResponseParser"]

_LARGEST_HEAD = 64 * 1024
_MOST_HEADERS = 512
_MOST_INTERIM = 32
_MOST_WITHOUT_BODY = 256 * 1024  # bytes of framing: chunk extensions, trailers, interim responses
_VERSIONS = frozenset({"1.0", "1.1"})
_BODILESS = frozenset({204, 304})


class ResponseParser:
    """Reads exactly one response; what follows its end is noticed and never taken for a part of it.

    Args:
        head_only: Whether the response ends with its head, as a proxy's does that opens a tunnel.

    Attributes:
        status: The status; 0 until the head is complete. Interim responses are passed over.
        headers: The header fields in order, names in small letters.
        parts: What has come of the body and was not taken yet.
        started: Whether a byte of a response has come.
        head_complete: Whether status and headers are known.
        complete: Whether the body is whole.
        surplus: Whether bytes followed the end.
        reusable: Whether the server keeps the connection; known once the response is complete.
    """

    __slots__ = (
        "_chunked",
        "_head_bytes",
        "_interim",
        "_length_known",
        "_parser",
        "_without_body",
        "complete",
        "head_complete",
        "head_only",
        "headers",
        "on_body",
        "parts",
        "reusable",
        "started",
        "status",
        "surplus",
    )

    def __init__(self, *, head_only: bool = False) -> None:
        self.head_only = head_only
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.on_body = self.parts.append  # called by the parser
        self.started = self.head_complete = self.complete = self.surplus = self.reusable = False
        self._length_known = self._chunked = False
        self._head_bytes = self._interim = self._without_body = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # What every browser takes, too, and what leaves no doubt about where a body ends.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)

    def feed(self, data: bytes | memoryview) -> None:
        """Take what has been read from the connection.

        Raises:
            NotHttpError: It breaks the rules; what came before is in `parts`.
        """
        parser, before = self._parser, len(self.parts)
        if parser is None:
            self.surplus = True
            return
        self.started = True
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.complete:
                self.surplus = True
            else:
                self._parser = None
                cause = error.__context__
                raise cause if isinstance(cause, NotHttpError) else NotHttpError(str(error)) from None
        if self.complete:
            self._parser = None  # which holds this object
        elif len(self.parts) > before:
            self._without_body = 0
        else:
            self._without_body += len(data)
            if self._without_body > (_MOST_WITHOUT_BODY if self.head_complete else _LARGEST_HEAD):
                self._parser = None
                raise NotHttpError("more framing than body" if self.head_complete else "the head is too large")

    def feed_eof(self) -> None:
        """Take the end of the connection, which is the body's end if nothing else says where that is.

        Raises:
            LostConnectionError: The response is not whole.
        """
        if self.complete:
            return
        self._parser = None
        if not self.head_complete:
            raise LostConnectionError("closed by the gateway")
        if self._length_known or self._chunked:
            raise LostConnectionError("closed in the middle of the answer")
        self.complete = True

    def discard(self) -> None:
        """Stop reading, because the rest is not needed."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Note the first byte of a response; called by the parser."""
        if self.complete:
            raise NotHttpError("another response follows the end")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header field, or a trailer, which is dropped; called by the parser."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > _LARGEST_HEAD or len(self.headers) >= _MOST_HEADERS:
            raise NotHttpError("the head is too large")
        if not self.head_complete:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the end of a head; called by the parser."""
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        if parser.get_http_version() not in _VERSIONS:
            raise NotHttpError(f"HTTP/{parser.get_http_version()} was not asked for")
        if status < 200:
            self._interim += 1
            self.headers.clear()
            if status == 101 or self._interim > _MOST_INTERIM:
                raise NotHttpError("it switches to another protocol" if status == 101 else "too many interim responses")
            return
        self._check_framing(status)
        self.status = status
        self.head_complete = True
        if self.head_only:
            self.complete = True
            raise NotHttpError("the rest is not for this parser")

    def on_message_complete(self) -> None:
        """Note the end of a response; called by the parser."""
        if self.head_complete:  # it was no interim response
            assert self._parser is not None
            self.complete, self.reusable = True, self._parser.should_keep_alive()

    def _check_framing(self, status: int) -> None:
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        # llhttp refuses a length beside a coding, and two lengths.
        self._length_known = status in _BODILESS or any(name == b"content-length" for name, _ in self.headers)
        self._chunked = bool(codings)
        if codings and codings != [b"chunked"]:
            raise NotHttpError("its transfer coding is unknown")
