"""Server-sent events: everything that the standard allows, and the ways in which gateways bend it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import (
    COMPLETE,
    END,
    OPENING,
    PARTIAL,
    WHOLE,
    events,
    opened,
    stream,
)
from raptscallions_ai.testing.replies import Reply
from raptscallions_ai.testing.wire import DONE, chunk, sse

if TYPE_CHECKING:
    from raptscallions_ai.testing.replies import Step

_EVENTS = [event + b"\n\n" for event in WHOLE.split(b"\n\n")[:-1]]
_LIMIT = 64 * 1024
_ACCENTS = "Der Himmel ist blau, 天空是蓝色的 🌤"


def _legal(id: str, title: str, *steps: Step, content: str = TEXT, source: str = sources.SSE) -> Fault:
    expected = COMPLETE if content == TEXT else Complete(content=content)
    return _fault(id, title, stream(*steps), expected, source)


def _fault(
    id: str, title: str, reply: Reply, expected: Expected, source: str, max_event_bytes: int | None = None
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.FRAMING,
        source=source,
        replies=(reply,),
        expected=expected,
        max_event_bytes=max_event_bytes,
    )


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _in_lines(event: bytes) -> bytes:
    """Spread an event's JSON over several data lines."""
    data = event.removeprefix(b"data: ").strip()
    if data == b"[DONE]":
        return event
    lines = json.dumps(json.loads(data), indent=1).encode().split(b"\n")
    return b"".join(b"data: %s\n" % line for line in lines) + b"\n"


_LINE_ENDS = (
    _legal("sse-lf", "Lines end with LF.", *_EVENTS),
    _legal("sse-crlf", "Lines end with CR LF.", WHOLE.replace(b"\n", b"\r\n")),
    _legal("sse-cr", "Lines end with CR alone.", WHOLE.replace(b"\n", b"\r")),
    _legal(
        "sse-mixed-line-ends",
        "Each event uses another line end.",
        *(
            e.replace(b"\n", end)
            for e, end in zip(_EVENTS, (b"\n", b"\r\n", b"\r", b"\n", b"\r\n", b"\n"), strict=True)
        ),
    ),
    _legal(
        "sse-crlf-split",
        "Every CR LF is torn apart between two packets.",
        *(part for line in WHOLE.split(b"\n")[:-1] for part in (line + b"\r", b"\n")),
    ),
    _legal("sse-blank-lines", "Several blank lines stand between the events.", WHOLE.replace(b"\n\n", b"\n\n\n\n")),
    _legal(
        "sse-u2028-is-data",
        "The text contains U+2028, which is no line end here.",
        sse(json.dumps(chunk("one\u2028two"), ensure_ascii=False)),
        END,
        content="one\u2028two",
    ),
    _legal(
        "sse-u0085-is-data",
        "The text contains U+0085, form feeds and vertical tabs, which are no line ends here.",
        sse(json.dumps(chunk("one\u0085two\x0c\x0b"), ensure_ascii=False)),
        END,
        content="one\u0085two\x0c\x0b",
    ),
)

_FIELDS = (
    _legal("sse-bom", "The stream begins with a byte order mark.", b"\xef\xbb\xbf" + WHOLE),
    _legal("sse-no-space", "No space follows the colon.", WHOLE.replace(b"data: ", b"data:")),
    _legal("sse-two-spaces", "Two spaces follow the colon.", WHOLE.replace(b"data: ", b"data:  ")),
    _legal("sse-multi-line-data", "The JSON of an event is spread over several data lines.", *map(_in_lines, _EVENTS)),
    _legal(
        "sse-empty-data",
        "Events without data stand between the others.",
        OPENING,
        b"data:\n\ndata\n\n",
        WHOLE[len(OPENING) :],
    ),
    _legal("sse-ids", "Every event has an id.", *(b"id: %d\n%s" % pair for pair in enumerate(_EVENTS))),
    _legal(
        "sse-id-then-comment",
        "An event has an id, and a comment with a blank line follows.",
        b"id: 7\n" + OPENING,
        b": ping\n\n",
        WHOLE[len(OPENING) :],
        source="openai-python issue 2722: decoders that dispatch on every blank line after an id",
    ),
    _legal("sse-id-with-nul", "An id contains NUL and must be ignored.", b"id: a\0b\n" + WHOLE),
    _legal("sse-retry", "The reconnection time stands in the first event.", b"retry: 3000\n" + WHOLE),
    _legal("sse-bare-retry", "The reconnection time stands in a block of its own.", b"retry: 3000\n\n", WHOLE),
    _legal("sse-bad-retry", "The reconnection time is no number.", b"retry: soon\n\n", WHOLE),
    _legal("sse-unknown-field", "Events have fields that nobody knows.", b"colour: blue\nData: no\n" + WHOLE),
    _legal("sse-field-without-colon", "A line has neither a colon nor a meaning.", b"nothing\n" + WHOLE),
    _legal("sse-event-message", "Every event is named `message`.", *(b"event: message\n" + e for e in _EVENTS)),
    _legal(
        "sse-event-heartbeat",
        "Events named `heartbeat` with plain text stand between the others.",
        OPENING,
        b"event: heartbeat\ndata: 12:00:01\n\n",
        WHOLE[len(OPENING) :],
    ),
)

_COMMENTS = (
    _legal(
        "sse-comments",
        "Comments keep the connection alive before and between events.",
        b": OPENROUTER PROCESSING\n\n" * 3,
        OPENING,
        b": OPENROUTER PROCESSING\n\n",
        WHOLE[len(OPENING) :],
        source=sources.STREAMING,
    ),
    _legal(
        "sse-bare-comments",
        "Comments are a single colon.",
        b":\n\n" * 3,
        OPENING,
        b":\n\n",
        WHOLE[len(OPENING) :],
        source=sources.LLAMA,
    ),
    _legal("sse-comment-in-event", "A comment stands inside an event.", WHOLE.replace(b"data: ", b": hold on\ndata: ")),
    _legal("sse-long-comment", "A comment is a hundred thousand bytes long.", b": " + b"x" * 100_000 + b"\n\n", WHOLE),
)

_CUTS = (
    _legal("sse-byte-by-byte", "Every byte comes in a packet of its own.", *_pieces(WHOLE, 1)),
    _legal("sse-seven-bytes", "The packets are seven bytes long.", *_pieces(WHOLE, 7)),
    _legal("sse-one-packet", "The whole answer comes in one packet.", WHOLE),
    _legal(
        "sse-split-in-utf8",
        "Characters of several bytes are torn apart between packets.",
        *_pieces(sse(json.dumps(chunk(_ACCENTS), ensure_ascii=False)), 3),
        END,
        content=_ACCENTS,
    ),
)

_ENDS = (
    _legal(
        "sse-done-without-blank-line",
        "The end mark lacks its blank line.",
        WHOLE.removesuffix(b"\n\n"),
        source=sources.PRECAUTION,
    ),
    _legal(
        "sse-done-with-blanks",
        "Blanks stand around the end mark.",
        WHOLE.replace(b"[DONE]", b"  [DONE] "),
        source=sources.PRECAUTION,
    ),
    _legal("sse-data-after-done", "Another answer follows the end mark.", WHOLE + OPENING, source=sources.PRECAUTION),
    _legal(
        "sse-garbage-after-done", "Garbage follows the end mark.", WHOLE + b"data: {oops\n\n", source=sources.PRECAUTION
    ),
    _legal("sse-leading-blank-lines", "Blank lines precede the first event.", b"\n\n\n\n", WHOLE),
    _fault(
        "sse-content-type-json",
        "The stream is labelled as JSON.",
        stream(WHOLE, content_type="application/json"),
        COMPLETE,
        sources.PRECAUTION,
    ),
    _fault(
        "sse-content-type-charset",
        "The content type names a character set.",
        stream(WHOLE, content_type="text/event-stream; charset=utf-8"),
        COMPLETE,
        sources.LITELLM,
    ),
    _fault(
        "sse-content-type-plain",
        "The stream is labelled as plain text in another character set.",
        stream(sse(json.dumps(chunk(_ACCENTS), ensure_ascii=False)), END, content_type="text/plain; charset=latin-1"),
        Complete(content=_ACCENTS),
        sources.PRECAUTION,
    ),
)

_SIZES = (
    _fault(
        "sse-megabyte-event",
        "One event is a megabyte long.",
        events(chunk("x" * 1_000_000)),
        Complete(content="x" * 1_000_000),
        sources.OPENROUTER_API + ", images in the stream",
    ),
    _fault(
        "sse-event-over-limit",
        "One event is larger than the client accepts.",
        opened(b"data: " + b"x" * (2 * _LIMIT) + b"\n\n", DONE),
        Fails(error="InvalidResponseError", status_code=502, says="AI_MAX_EVENT_BYTES", partial=PARTIAL),
        sources.HOSTILE,
        _LIMIT,
    ),
    _fault(
        "sse-line-without-end",
        "A line goes on and on, beyond what the client accepts.",
        opened(b"data: ", *[b"x" * 8192] * 32),
        Fails(error="InvalidResponseError", status_code=502, says="AI_MAX_EVENT_BYTES", partial=PARTIAL),
        sources.HOSTILE,
        _LIMIT,
    ),
    _fault(
        "sse-event-of-many-lines",
        "An event has a hundred thousand short data lines and no end.",
        opened(b"data: x\n" * 100_000),
        Fails(error="InvalidResponseError", status_code=502, says="AI_MAX_EVENT_BYTES", partial=PARTIAL),
        sources.HOSTILE,
        _LIMIT,
    ),
)

FAULTS = (*_LINE_ENDS, *_FIELDS, *_COMMENTS, *_CUTS, *_ENDS, *_SIZES)
