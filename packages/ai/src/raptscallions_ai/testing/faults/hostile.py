"""Hostile content, which must harm neither the process nor its logs."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from typing import TYPE_CHECKING

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected, Fails
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.faults.pieces import COMPLETE, END, OPENING, PARTIAL, USAGE, WHOLE, opened, stream
from raptscallions_ai.testing.replies import Reply, json_reply
from raptscallions_ai.testing.wire import chunk, error_body, sse
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from raptscallions_ai.testing.recording import RecordedRequest
    from raptscallions_ai.testing.script import Responder

_CALL = ToolCall("call_1", "now", "{}")
_LIMIT = 256 * 1024
_BOMB_BYTES = 32 * 1024 * 1024
_ESCAPES = "\x1b[2J\x1b]0;owned\x07 busy \x9b31m \u202egnp.exe \u2028 line\r\nINFO fake log line"


def _hostile(
    id: str,
    title: str,
    reply: Responder,
    expected: Expected = COMPLETE,
    *,
    source: str = sources.HOSTILE,
    max_event_bytes: int | None = None,
) -> Fault:
    return Fault(
        id=id,
        title=title,
        category=Category.HOSTILE,
        source=source,
        replies=(reply,),
        expected=expected,
        max_event_bytes=max_event_bytes,
    )


def _text(escaped: str) -> bytes:
    """Return a chunk whose text is this JSON string, written as it is."""
    return sse(json.dumps(chunk("TEXT")).replace('"TEXT"', f'"{escaped}"'))


def _raw_field(field: str) -> bytes:
    """Return a chunk with a further field, written as it is."""
    return sse(json.dumps(chunk(TEXT))[:-1] + f", {field}}}")


def _flushed(data: bytes) -> list[bytes]:
    """Compress events so that each can be read as soon as it has come."""
    coder = zlib.compressobj(wbits=31)
    return [coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH) for event in data.splitlines(True)] + [coder.flush()]


@cache
def _bomb() -> bytes:
    return gzip.compress(OPENING + b": " + b"x" * _BOMB_BYTES, 9)


def _gzip_bomb(request: RecordedRequest) -> Reply:
    """Return a few kilobytes that become thirty-two megabytes of one line."""
    return stream(_bomb(), content_encoding="gzip")


def _deflate_bomb(request: RecordedRequest) -> Reply:
    """Return the same in another coding."""
    return stream(zlib.compress(OPENING + b": " + b"x" * _BOMB_BYTES, 9), content_encoding="deflate")


def _error_bomb(request: RecordedRequest) -> Reply:
    """Return an error whose body becomes thirty-two megabytes."""
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    return Reply((_bomb(),), 503, headers, "length")


_JSON = (
    _hostile("json-nul", "The text contains NUL.", stream(_text(r"a\u0000b"), END), Complete(content="a\0b")),
    _hostile(
        "json-lone-surrogate",
        "The text contains half of a surrogate pair.",
        stream(_text(r"a\ud800b"), END),
        Complete(content="a\ufffdb"),
    ),
    _hostile(
        "json-bad-utf8",
        "The text contains bytes that are not UTF-8.",
        stream(sse(json.dumps(chunk("aXb")).encode().replace(b"aXb", b"a\xffb")), END),
        Complete(content="a\ufffdb"),
    ),
    _hostile(
        "json-escapes-in-text",
        "The text contains terminal escapes, which are the caller's to judge.",
        stream(_text(r"\u001b[31mred"), END),
        Complete(content="\x1b[31mred"),
    ),
    _hostile("json-nan", "A number is NaN.", stream(_raw_field('"score": NaN'), END), source=sources.JSON),
    _hostile(
        "json-infinity", "A number is Infinity.", stream(_raw_field('"score": -Infinity'), END), source=sources.JSON
    ),
    _hostile(
        "json-huge-exponent",
        "A number is larger than any float.",
        stream(_raw_field('"score": 1e99999'), END),
        source=sources.JSON,
    ),
    _hostile(
        "json-duplicate-keys",
        "A chunk has the same key twice; the last one counts.",
        stream(
            _raw_field('"model": "fake/first", "model": "fake/last"'),
            sse(chunk("", model="fake/last")),
            sse(chunk(finish_reason="stop", model="fake/last")),
            sse(
                chunk(
                    choices=[],
                    model="fake/last",
                    usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
                )
            ),
            b"data: [DONE]\n\n",
        ),
        Complete(model="fake/last"),
        source=sources.JSON,
    ),
    _hostile(
        "json-deep-nesting",
        "A field is nested a hundred thousand levels deep.",
        opened(_raw_field('"x": ' + "[" * 100_000 + "]" * 100_000), END),
        Fails(error="InvalidResponseError", status_code=502, partial=PARTIAL),
    ),
    _hostile(
        "json-absurd-integer", "A number has ten thousand digits.", stream(_raw_field('"seed": ' + "9" * 10_000), END)
    ),
    _hostile(
        "json-negative-usage",
        "The counts of the usage are negative and fractional.",
        stream(
            sse(chunk(TEXT)),
            sse(chunk(finish_reason="stop", usage={"prompt_tokens": -5, "completion_tokens": 2.5, "total_tokens": 15})),
        ),
        COMPLETE,
    ),
    _hostile(
        "json-cost-nan",
        "The cost is NaN.",
        stream(
            sse(chunk(TEXT)),
            sse(
                json.dumps(chunk(finish_reason="stop", usage={"total_tokens": 15, "cost": "COST"})).replace(
                    '"COST"', "NaN"
                )
            ),
        ),
        COMPLETE,
    ),
    _hostile(
        "json-huge-index",
        "A tool call's index is the largest integer.",
        stream(
            sse(chunk(delta={"tool_calls": [{"index": 2**63 - 1, **_CALL.to_dict()}]})),
            sse(chunk(finish_reason="tool_calls")),
            USAGE,
        ),
        Complete(content="", tool_calls=(_CALL,), finish_reason="tool_calls"),
    ),
)

_MESSAGES = (
    _hostile(
        "message-escapes",
        "An error's message contains terminal escapes, direction marks and line ends.",
        json_reply(error_body(503, _ESCAPES), status=503),
        Fails(error="ProviderError", status_code=503, hidden=("\x1b", "\x9b", "\u202e", "\u2028")),
    ),
    _hostile(
        "message-escapes-in-stream",
        "The same stands in an error inside the stream.",
        opened(sse(chunk(choices=[], error={"code": 503, "message": _ESCAPES}))),
        Fails(error="ProviderError", status_code=503, partial=PARTIAL, hidden=("\x1b", "\x9b", "\u202e", "\u2028")),
    ),
    _hostile(
        "message-huge",
        "An error's message is a megabyte long.",
        json_reply(error_body(500, "x" * 1_000_000), status=500),
        Fails(error="ProviderError", status_code=500, hidden=("x" * 600,)),
    ),
    _hostile(
        "message-deep",
        "An error is nested deeper than anyone would look.",
        json_reply(b'{"error":' * 5000 + b'"x"' + b"}" * 5000, status=500),
        Fails(error="ProviderError", status_code=500),
    ),
    _hostile(
        "message-odd-types",
        "All fields of an error have unexpected types.",
        json_reply({"error": {"message": ["no"], "code": {"a": 1}, "metadata": [1], "type": 7}}, status=400),
        Fails(error="BadRequestError", status_code=400),
    ),
    _hostile(
        "message-html-script",
        "An error's body is a page with a script in it.",
        Reply((b"<html><script>alert(1)</script></html>",), 500, {"content-type": "text/html"}, "length"),
        Fails(error="ProviderError", status_code=500, hidden=("<script>",)),
    ),
)

_SIZES = (
    _hostile(
        "size-gzip",
        "The stream is compressed, although that was not asked for.",
        stream(gzip.compress(WHOLE), content_encoding="gzip"),
        COMPLETE,
        source=sources.HTTP,
    ),
    _hostile(
        "size-gzip-flushed",
        "Every event of a compressed stream is flushed on its own.",
        stream(*_flushed(WHOLE), content_encoding="gzip"),
        COMPLETE,
        source=sources.HTTP,
    ),
    _hostile(
        "size-gzip-cut-short",
        "The compressed stream ends in the middle of the answer.",
        stream(gzip.compress(OPENING)[:-8], content_encoding="gzip"),
        Fails(error="StreamInterruptedError", status_code=502, partial=PARTIAL),
        source=sources.HTTP,
    ),
    _hostile(
        "size-unknown-coding",
        "The body is in a coding that was not asked for and that few can read.",
        stream(b"\x28\xb5\x2f\xfd" * 5, content_encoding="zstd"),
        Fails(error="InvalidResponseError", status_code=502),
        source=sources.HTTP,
    ),
    _hostile(
        "size-gzip-broken",
        "The stream says that it is compressed and is not.",
        stream(WHOLE, content_encoding="gzip"),
        Fails(error="StreamInterruptedError", status_code=502),
        source=sources.HTTP,
    ),
    _hostile(
        "size-gzip-cut",
        "The compressed stream is cut off.",
        stream(gzip.compress(WHOLE + b": " + bytes(range(256)) * 50)[:-40], content_encoding="gzip"),
        COMPLETE,
        source=sources.HTTP,
    ),
    _hostile(
        "size-gzip-bomb",
        "A compressed stream becomes one line of thirty-two megabytes.",
        _gzip_bomb,
        Fails(error="InvalidResponseError", status_code=502, partial=PARTIAL),
        max_event_bytes=_LIMIT,
    ),
    _hostile(
        "size-deflate-bomb",
        "The same bomb comes in another coding.",
        _deflate_bomb,
        Fails(error="InvalidResponseError", status_code=502, partial=PARTIAL),
        max_event_bytes=_LIMIT,
    ),
    _hostile(
        "size-error-bomb", "An error's body is a bomb.", _error_bomb, Fails(error="ProviderError", status_code=503)
    ),
    _hostile(
        "size-endless-json",
        "An answer in one body goes on and on.",
        Reply((b'{"id":"gen-1","padding":"', *[b"x" * 65_536] * 16), headers={"content-type": "application/json"}),
        Fails(error="InvalidResponseError", status_code=502, says="AI_MAX_EVENT_BYTES"),
        max_event_bytes=_LIMIT,
    ),
    _hostile(
        "size-endless-error",
        "An error's body is four megabytes long.",
        Reply(tuple([b"x" * 65_536] * 64), 500, {"content-type": "text/plain"}),
        Fails(error="ProviderError", status_code=500),
    ),
    _hostile(
        "size-many-empty-chunks",
        "Twenty thousand chunks without text precede the answer.",
        stream(sse(chunk("")) * 20_000, WHOLE),
        COMPLETE,
    ),
    _hostile(
        "size-many-headers",
        "The answer has a hundred headers.",
        Reply((WHOLE,), headers={f"x-header-{n}": "x" * 50 for n in range(100)}),
        COMPLETE,
    ),
    _hostile(
        "size-long-header",
        "A header is longer than any client reads.",
        Reply((WHOLE,), headers={"x-long": "x" * 100_000}),
        Fails(error="InvalidResponseError", status_code=502),
    ),
)

FAULTS = (*_JSON, *_MESSAGES, *_SIZES)
