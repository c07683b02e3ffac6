"""Streams that end too early: reset, closed, cut inside an event, or framed wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import COMPLETE, FINISH, OPENING, PARTIAL, USAGE, WHOLE, opened, raw, stream
from raptscallions_ai.testing.replies import Cut, Pause, Reply, Reset, json_reply
from raptscallions_ai.testing.wire import chunk, completion, sse

if TYPE_CHECKING:
    from raptscallions_ai.testing.faults.fault import Connection

_CUT = Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL, retryable=True)
_NOTHING = Fails(error="StreamInterruptedError", status_code=502, retryable=True)
_GARBLED = Fails(error="InvalidResponseError", status_code=502, says="not valid JSON", partial=PARTIAL)
_UNREACHED = Fails(error="ConnectionError", status_code=503, retryable=True)
_OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
_BODY = completion(TEXT)
_CHUNKED = b"transfer-encoding: chunked\r\n"
_A_MOMENT = Pause(0.05)  # a reset may overtake what was sent just before it


def _cut(
    id: str,
    title: str,
    reply: Reply,
    expected: Expected = _CUT,
    source: str = sources.NETWORK,
    *,
    stream: bool = True,
    connection: Connection | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.CUT,
        source=source,
        replies=(reply,),
        expected=expected,
        stream=stream,
        connection=connection,
    )


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_ENDS = (
    _cut(
        "cut-clean-end",
        "The stream ends well on the wire, but without a finish reason.",
        opened(),
        source=sources.PORTKEY,
    ),
    _cut(
        "cut-end-with-usage",
        "The stream ends after text and usage, without finish reason and end mark.",
        opened(USAGE),
        Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL, tokens=15),
    ),
    _cut("cut-done-alone", "The end mark comes without finish reason and usage.", opened(b"data: [DONE]\n\n")),
    _cut(
        "cut-fin",
        "The connection is closed between two events.",
        opened(Cut()),
        source=sources.LLAMA,
        connection="closed",
    ),
    _cut(
        "cut-fin-length",
        "The connection is closed before the announced length.",
        Reply((OPENING, Cut()), headers={"content-length": "9999"}, framing="length"),
    ),
    _cut(
        "cut-fin-unframed",
        "The body ends with its connection, in the middle of the answer.",
        Reply((OPENING,), framing="close"),
    ),
    _cut("cut-reset", "The connection is reset between two events.", opened(_A_MOMENT, Reset()), connection="closed"),
    _cut(
        "cut-reset-after-usage",
        "The connection is reset after finish reason and usage, before the end mark.",
        opened(sse(chunk(" blue.")) + FINISH + USAGE, _A_MOMENT, Reset()),
        COMPLETE,
    ),
    _cut(
        "cut-before-usage",
        "The connection is closed after the finish reason, before the usage.",
        opened(sse(chunk(" blue.")) + FINISH, Cut()),
        Fails(error="InvalidResponseError", status_code=502, says="No usage metadata", partial=TEXT),
    ),
    _cut("cut-html", "A web page takes the place of the rest.", opened(b"<html><body>502 Bad Gateway</body></html>\n")),
    _cut("cut-in-event", "The stream ends inside an event.", opened(sse(chunk(" blue."))[:80])),
    _cut("cut-in-event-fin", "The connection is closed inside an event.", opened(sse(chunk(" blue."))[:80], Cut())),
    _cut(
        "cut-in-utf8",
        "The connection is closed inside a character.",
        opened('data: {"choices":[{"delta":{"content":"ü'.encode()[:-1], Cut()),
    ),
    _cut(
        "cut-after-empty",
        "The stream ends after a chunk without text.",
        stream(sse(chunk(""))),
        Fails(error="StreamInterruptedError", status_code=502, partial="", retryable=True),
        sources.PRECAUTION,
    ),
    _cut(
        "cut-after-comments",
        "The stream ends after keep-alives alone.",
        stream(b": OPENROUTER PROCESSING\n\n" * 2),
        Fails(error="InvalidResponseError", status_code=502, says="empty", retryable=True),
        sources.PRECAUTION,
    ),
)

_EARLY = (
    _cut(
        "cut-before-status",
        "The connection is closed before any byte of an answer.",
        Reply((Cut(),), framing="raw"),
        _UNREACHED,
        sources.AIMOCK,
    ),
    _cut(
        "cut-reset-before-status",
        "The connection is reset before any byte of an answer.",
        Reply((Reset(),), framing="raw"),
        _UNREACHED,
    ),
    _cut(
        "cut-in-status-line",
        "The connection is closed inside the status line.",
        Reply((b"HTTP/1.1 20", Cut()), framing="raw"),
        _UNREACHED,
    ),
    _cut("cut-after-headers", "The connection is closed after the headers.", stream(b"".join(()), Cut()), _NOTHING),
    _cut(
        "cut-json",
        "The connection is closed inside an answer in one body.",
        Reply(
            (b'{"id":"gen-1","choices":[', Cut()),
            headers={"content-type": "application/json", "content-length": "500"},
            framing="length",
        ),
        _NOTHING,
        stream=False,
    ),
)

_GARBLED_EVENTS = (
    _cut(
        "garbled-json",
        "An event is not valid JSON.",
        opened(b'data: {"choices": [{"delta": oops\n\n', FINISH, USAGE),
        _GARBLED,
        sources.NETWORK,
    ),
    _cut(
        "garbled-cut-json",
        "An event's JSON is cut off, and the stream goes on.",
        opened(sse(chunk(" blue."))[:60] + b"\n\n", FINISH, USAGE),
        _GARBLED,
    ),
    _cut("garbled-text", "An event is plain text.", opened(b"data: Service restarting\n\n", FINISH, USAGE), _GARBLED),
    _cut(
        "garbled-two-objects",
        "Two objects stand in one event.",
        opened(sse(chunk(" blue."))[:-2] + b"{}\n\n", FINISH, USAGE),
        _GARBLED,
    ),
    _cut(
        "garbled-array",
        "An event is a JSON array.",
        opened(b"data: []\n\n", FINISH, USAGE),
        Fails(error="InvalidResponseError", status_code=502, partial=PARTIAL),
    ),
    _cut(
        "garbled-first",
        "The first event is not valid JSON.",
        stream(b"data: oops\n\n"),
        Fails(error="InvalidResponseError", status_code=502, retryable=True),
    ),
)

_FRAMES = (
    _cut(
        "frame-cut-chunk",
        "The connection is closed inside a chunk of the transfer coding.",
        raw(_CHUNKED, _framed(OPENING), b"ff\r\ndata: {", Cut()),
        source=sources.HTTP1,
    ),
    _cut(
        "frame-no-last-chunk",
        "The last chunk of the transfer coding never comes, but the answer is complete.",
        raw(_CHUNKED, _framed(WHOLE), Cut()),
        COMPLETE,
        sources.HTTP1,
    ),
    _cut(
        "frame-short-length",
        "The announced length is shorter than the answer.",
        Reply(
            (OPENING, _A_MOMENT, WHOLE[len(OPENING) :]),
            headers={"content-length": str(len(OPENING)), "connection": "close"},
            framing="length",
        ),
        source=sources.HTTP1,
    ),
    _cut(
        "frame-finished-length",
        "The answer is complete, but shorter than its announced length.",
        Reply((WHOLE, Cut()), headers={"content-length": "99999"}, framing="length"),
        COMPLETE,
        sources.HTTP1,
    ),
    _cut(
        "frame-trailers",
        "The chunks of the transfer coding have extensions, and a trailer follows.",
        raw(_CHUNKED, b"%x;n=1\r\n%s\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(WHOLE), WHOLE)),
        COMPLETE,
        sources.HTTP1,
    ),
    _cut(
        "frame-early-hints",
        "Two preliminary answers precede the real one.",
        Reply(
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", _OK + WHOLE), framing="raw"
        ),
        COMPLETE,
        sources.HTTP,
    ),
    _cut(
        "frame-two-lengths",
        "Two different lengths are announced.",
        raw(b"content-length: 5\r\ncontent-length: 9\r\n", WHOLE),
        Fails(error="InvalidResponseError", status_code=502),
        sources.HTTP1,
    ),
    _cut(
        "frame-negative-length",
        "The announced length is negative.",
        raw(b"content-length: -5\r\n", WHOLE),
        Fails(error="InvalidResponseError", status_code=502),
        sources.HTTP1,
    ),
    _cut(
        "frame-not-http",
        "The answer is not HTTP.",
        Reply((b"SSH-2.0-OpenSSH_9.2\r\n",), framing="raw"),
        Fails(error="InvalidResponseError", status_code=502),
        sources.HTTP1,
    ),
    _cut(
        "frame-bad-header",
        "A header line has no colon.",
        raw(b"oops\r\n", WHOLE),
        Fails(error="InvalidResponseError", status_code=502),
        sources.HTTP1,
    ),
    _cut(
        "frame-json-length",
        "An answer in one body is exactly as long as announced.",
        json_reply(_BODY),
        COMPLETE,
        sources.HTTP1,
        stream=False,
    ),
)

FAULTS = (*_ENDS, *_EARLY, *_GARBLED_EVENTS, *_FRAMES)
