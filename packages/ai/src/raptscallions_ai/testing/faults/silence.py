"""Silence, dripping and keep-alives without end: what only deadlines of one's own can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Address, Category, Fault
from raptscallions_ai.testing.faults.pieces import COMPLETE, FINISH, OPENING, PARTIAL, USAGE, WHOLE, opened, raw, stream
from raptscallions_ai.testing.replies import Hang, Pause, Reply, Step, json_reply
from raptscallions_ai.testing.wire import COMMENT, chunk, completion, sse, usage

if TYPE_CHECKING:
    from raptscallions_ai.testing.faults.fault import Connection

_LIMIT = 0.3
_FIRST = Timeouts(connect=2.0, first_chunk=_LIMIT, idle=2.0)
_IDLE = Timeouts(connect=2.0, first_chunk=2.0, idle=_LIMIT)
_TOTAL = Timeouts(connect=2.0, first_chunk=2.0, idle=2.0, total=_LIMIT)
_STEP = 0.04


def _passed(phase: str, partial: str | None) -> Fails:
    details = {"phase": phase, "timeout_ms": 300}
    return Fails(error="TimeoutError", status_code=504, details=details, partial=partial, retryable=True)


_NO_FIRST = _passed("first_chunk", None)
_NO_NEXT = _passed("idle", PARTIAL)


def _dripping(data: bytes) -> list[Step]:
    """Return four seconds of the same bytes over and over: longer than any deadline here, but not forever."""
    return [step for _ in range(100) for step in (data, Pause(_STEP))]


def _silence(
    id: str,
    title: str,
    reply: Reply,
    expected: Expected = _NO_NEXT,
    *,
    timeouts: Timeouts = _IDLE,
    source: str = sources.NETWORK,
    stream: bool = True,
    include_waiting: bool = False,
    address: Address = "gateway",
    connection: Connection | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.SILENCE,
        source=source,
        replies=(reply,) if address == "gateway" else (),
        expected=expected,
        timeouts=timeouts,
        stream=stream,
        include_waiting=include_waiting,
        address=address,
        connection=connection,
    )


_BEFORE = (
    _silence(
        "silent-before-status",
        "The gateway takes the request and says nothing.",
        Reply((Hang(),), before_headers=True),
        _NO_FIRST,
        timeouts=_FIRST,
        connection="closed",
    ),
    _silence("silent-after-headers", "Nothing follows the headers.", stream(Hang()), _NO_FIRST, timeouts=_FIRST),
    _silence(
        "silent-comments",
        "Keep-alives come, and nothing else.",
        stream(*_dripping(COMMENT)),
        _NO_FIRST,
        timeouts=_FIRST,
        source=sources.STREAMING,
    ),
    _silence(
        "silent-bare-comments",
        "Single colons come, and nothing else.",
        stream(*_dripping(b":\n\n")),
        _NO_FIRST,
        timeouts=_FIRST,
        source=sources.LLAMA,
    ),
    _silence(
        "silent-blank-lines",
        "Blank lines come, and nothing else.",
        stream(*_dripping(b"\n")),
        _NO_FIRST,
        timeouts=_FIRST,
    ),
    _silence(
        "silent-empty-deltas",
        "Deltas without text come, and nothing else.",
        stream(*_dripping(sse(chunk("")))),
        _passed("first_chunk", ""),
        timeouts=_FIRST,
        source=sources.PRECAUTION,
    ),
    _silence(
        "silent-unfinished-event",
        "An event drips in and never ends.",
        stream(b"data: ", *_dripping(b"x")),
        _NO_FIRST,
        timeouts=_FIRST,
    ),
    _silence(
        "silent-header-drip",
        "The headers drip in and never end.",
        Reply((b"HTTP/1.1 200 OK\r\n", *_dripping(b"x-slow: 1\r\n")), framing="raw"),
        _NO_FIRST,
        timeouts=_FIRST,
    ),
    _silence(
        "silent-error-body",
        "An error's body never comes, although its status does.",
        Reply((b'{"error":', Hang()), 503, {"content-type": "application/json"}),
        _NO_FIRST,
        timeouts=_FIRST,
    ),
    _silence(
        "silent-json",
        "An answer in one body never ends.",
        Reply((b'{"id":"gen-1",', Hang()), headers={"content-type": "application/json"}),
        _NO_FIRST,
        timeouts=_FIRST,
        stream=False,
    ),
    _silence(
        "silent-waiting",
        "Keep-alives are reported while the client waits, and extend nothing.",
        stream(*_dripping(COMMENT)),
        _NO_FIRST,
        timeouts=_FIRST,
        source=sources.STREAMING,
        include_waiting=True,
    ),
)

_AFTER = (
    _silence(
        "silent-after-text",
        "The gateway stops in the middle of the answer and says nothing more.",
        opened(Hang()),
        connection="closed",
    ),
    _silence(
        "silent-comments-after-text",
        "Keep-alives replace the rest of the answer.",
        opened(*_dripping(COMMENT)),
        source=sources.STREAMING,
    ),
    _silence(
        "silent-empty-deltas-after-text",
        "Deltas without text replace the rest of the answer.",
        opened(*_dripping(sse(chunk("")))),
    ),
    _silence(
        "silent-heartbeats-after-text",
        "Named heartbeats replace the rest of the answer.",
        opened(*_dripping(b"event: ping\ndata: {}\n\n")),
        source="Anthropic docs: streaming",
    ),
    _silence(
        "silent-usage-after-text",
        "The usage comes again and again in place of text.",
        opened(*_dripping(sse(chunk(choices=[], usage=usage())))),
        Fails(
            error="TimeoutError",
            status_code=504,
            details={"phase": "idle", "timeout_ms": 300},
            partial=PARTIAL,
            tokens=15,
        ),
    ),
    _silence(
        "silent-other-choice",
        "Only another choice goes on.",
        opened(*_dripping(sse(chunk(choices=[{"index": 1, "delta": {"content": "x"}}])))),
        source=sources.OPENAI,
    ),
    _silence(
        "silent-before-done",
        "Everything has come but the end mark.",
        opened(sse(chunk(" blue.")) + FINISH + USAGE, Hang()),
        COMPLETE,
        timeouts=Timeouts(connect=2.0, first_chunk=2.0, idle=2.0, total=0.4),
        source=sources.PRECAUTION,
    ),
    _silence(
        "silent-after-done",
        "The end mark has come, but the body does not end.",
        stream(WHOLE, Hang()),
        COMPLETE,
        timeouts=_IDLE,
    ),
    # No deadline is needed to see that this can never go on; some HTTP libraries keep it from the reader anyway.
    _silence(
        "silent-bad-chunk-size",
        "The size of a chunk of the transfer coding is not a number, and nothing follows.",
        raw(
            b"transfer-encoding: chunked\r\n",
            b"%x\r\n%s\r\n" % (len(OPENING), OPENING),
            Pause(0.05),
            b"zz\r\ndata: {\r\n",
            Hang(),
        ),
        Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL),
        source=sources.HTTP1,
    ),
    _silence(
        "silent-before-usage", "The finish reason has come, but no usage and no end.", opened(FINISH, Hang()), _NO_NEXT
    ),
)

_DRIP = (
    _silence(
        "drip-total",
        "Reasoning comes steadily, but the whole call takes too long.",
        opened(*_dripping(sse(chunk(delta={"reasoning": "."})))),
        _passed("total", PARTIAL),
        timeouts=_TOTAL,
    ),
    _silence(
        "drip-total-comments",
        "Keep-alives come until the whole call has taken too long.",
        stream(*_dripping(COMMENT)),
        _passed("total", None),
        timeouts=_TOTAL,
    ),
    _silence(
        "drip-slow-text",
        "Each delta is slow, the sum of all longer than the limit, and the answer complete.",
        stream(
            *(step for part in ("The sky", " is", " ", "blue", ".") for step in (sse(chunk(part)), Pause(0.1))),
            FINISH,
            USAGE,
        ),
        timeouts=_IDLE,
        expected=COMPLETE,
    ),
    _silence(
        "drip-then-answer",
        "Keep-alives come for a while, then the answer.",
        stream(COMMENT, Pause(0.05), COMMENT, Pause(0.05), WHOLE),
        Complete(waiting=True),
        timeouts=Timeouts(connect=2.0, first_chunk=2.0, idle=2.0),
        source=sources.STREAMING,
        include_waiting=True,
    ),
    _silence(
        "drip-json",
        "An answer in one body comes slowly.",
        Reply(
            (*(step for part in (json_reply(completion(TEXT)).steps[0],) for step in (part, Pause(0.1))),),
            headers={"content-type": "application/json"},
        ),
        COMPLETE,
        timeouts=_IDLE,
        stream=False,
    ),
    _silence(
        "connect-refused",
        "Nothing listens at the gateway's address.",
        raw(b""),
        Fails(
            error="ConnectionError",
            status_code=503,
            details={"reason": "connection refused"},
            retryable=True,
            requests=0,
        ),
        address="refuses",
    ),
    _silence(
        "connect-ignored",
        "The gateway's address does not answer to connections.",
        raw(b""),
        Fails(
            error="TimeoutError",
            status_code=504,
            details={"phase": "connect", "timeout_ms": 300},
            retryable=True,
            requests=0,
        ),
        timeouts=Timeouts(connect=0.3, first_chunk=2.0, idle=2.0),
        address="ignores",
    ),
)

FAULTS = (*_BEFORE, *_AFTER, *_DRIP)
