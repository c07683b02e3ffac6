"""What becomes of the connection: after a good answer, after a bad one, and when the caller leaves."""

from __future__ import annotations

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Expected, Fails, Left
from raptscallions_ai.testing.faults.fault import Category, Connection, Fault, Reader
from raptscallions_ai.testing.faults.pieces import COMPLETE, PARTIAL, WHOLE, opened, stream
from raptscallions_ai.testing.replies import Hang, Pause, Reply, Step, json_reply
from raptscallions_ai.testing.wire import COMMENT, chunk, completion, error_body, sse

_LEFT = Left(received="The sky")
_COUNTING: tuple[Step, ...] = tuple(step for n in range(400) for step in (sse(chunk(f" {n}")), Pause(0.01)))


def _connection(
    id: str,
    title: str,
    reply: Reply,
    expected: Expected = COMPLETE,
    connection: Connection | None = "reused",
    *,
    reader: Reader = "all",
    stream: bool = True,
    source: str = sources.HTTP1,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.CONNECTIONS,
        source=source,
        replies=(reply,),
        expected=expected,
        stream=stream,
        reader=reader,
        connection=connection,
    )


_READ = (
    _connection("reuse-after-answer", "After a good answer the connection serves the next call.", stream(WHOLE)),
    _connection(
        "reuse-after-late-end", "The body ends a moment after its end mark.", stream(WHOLE, Pause(0.05), b"\n")
    ),
    _connection(
        "reuse-after-json",
        "After an answer in one body the connection serves the next call.",
        json_reply(completion(TEXT)),
        stream=False,
    ),
    _connection(
        "reuse-after-error",
        "After an error with a status the connection serves the next call.",
        json_reply(error_body(400, "No"), status=400),
        Fails(error="BadRequestError", status_code=400),
    ),
    _connection(
        "close-asked",
        "The gateway asks for the connection to be closed.",
        Reply((WHOLE,), headers={"connection": "close"}),
        COMPLETE,
        "closed",
    ),
    _connection(
        "close-unframed", "The body ends with its connection.", Reply((WHOLE,), framing="close"), COMPLETE, "closed"
    ),
    _connection(
        "close-after-error-in-stream",
        "An error in the stream is followed by silence.",
        opened(sse({"error": {"code": 502, "message": "Failed"}}), Hang()),
        Fails(error="ProviderError", status_code=502, partial=PARTIAL),
        "closed",
        source=sources.STREAMING,
    ),
    _connection(
        "close-after-garbage",
        "A broken event is followed by an endless answer.",
        opened(b"data: oops\n\n", *_COUNTING),
        Fails(error="InvalidResponseError", status_code=502, partial=PARTIAL),
        "closed",
        source=sources.NETWORK,
    ),
    _connection(
        "close-endless-after-done",
        "An endless answer follows the end mark.",
        stream(WHOLE, *_COUNTING),
        COMPLETE,
        "closed",
        source=sources.NETWORK,
    ),
)

_LEAVING = (
    _connection(
        "leave-break",
        "The caller leaves the loop after the first text, while more is coming.",
        stream(sse(chunk("The sky")), *_COUNTING),
        _LEFT,
        "closed",
        reader="break_after_first",
        source=sources.CLIENT,
    ),
    _connection(
        "leave-break-silent",
        "The caller leaves the loop while the gateway is silent.",
        stream(sse(chunk("The sky")), Hang()),
        _LEFT,
        "closed",
        reader="break_after_first",
        source=sources.CLIENT,
    ),
    _connection(
        "leave-cancel",
        "The task is cancelled after the first text.",
        stream(sse(chunk("The sky")), Hang()),
        _LEFT,
        "closed",
        reader="cancel_after_first",
        source=sources.CLIENT,
    ),
    _connection(
        "leave-cancel-before-status",
        "The task is cancelled before the gateway has answered.",
        Reply((Hang(),), before_headers=True),
        Left(),
        "closed",
        reader="cancel_before_first",
        source=sources.CLIENT,
    ),
    _connection(
        "leave-cancel-waiting",
        "The task is cancelled while keep-alives come.",
        stream(*(step for _ in range(400) for step in (COMMENT, Pause(0.01)))),
        Left(),
        "closed",
        reader="cancel_before_first",
        source=sources.CLIENT,
    ),
    _connection(
        "leave-cancel-error-body",
        "The task is cancelled while an error's body is read.",
        Reply((b'{"error":', Hang()), 503),
        Left(),
        "closed",
        reader="cancel_before_first",
        source=sources.CLIENT,
    ),
)

FAULTS = (*_READ, *_LEAVING)
