"""What must hold for any bytes at all: each target takes an input, feeds it to the wire, and asserts its promises.

A target raises nothing but `AssertionError`; any other exception is a finding too. `run.py` lets atheris look for
such inputs, `tests/test_fuzz.py` runs the seeds, mutations of them, and every input that was ever a finding.
"""

from __future__ import annotations

import json
import math
import pickle
from itertools import chain
from typing import TYPE_CHECKING

from raptscallions_ai._call.retry import retry_delay
from raptscallions_ai._dialects.decoder import AnswerDecoder
from raptscallions_ai._dialects.failures import classify, read_failure
from raptscallions_ai._dialects.fold import Fold
from raptscallions_ai._dialects.json import parse_json
from raptscallions_ai._dialects.openai.reader import OpenAIReader
from raptscallions_ai._dialects.redact import Redactor
from raptscallions_ai._transport.http.content_coding import DecodedBody, codings_of
from raptscallions_ai._transport.http.errors import BodyCodingError, HttpError
from raptscallions_ai._transport.http.incoming import ResponseParser
from raptscallions_ai.answer.chunks import ContentChunk, ReasoningChunk
from raptscallions_ai.errors import AiError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult

__all__ = ["KEY", "PROMPT", "answer", "failure", "response"]

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
PROMPT = "My name is Ada Lovelace and my card is 4111-1111-1111-1111"
_REDACT = Redactor([KEY], [{"role": "user", "content": PROMPT}])
_LIMITS = (1 << 20, 64, 256, 1024)  # of an event, in bytes
_CUTS = (None, "the connection was lost (reset)")
_MOST_DECODED = 1 << 20
_STATUSES = (300, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529, 599)


def answer(data: bytes) -> None:
    """Decode a body, whole and in pieces, and compare.

    Args:
        data: One byte of options (usage required, cut, limit), one for the size of the pieces, then the body.
    """
    options, size, body = *(*data[:2], 0, 0)[:2], data[2:]
    whole = _answered(body, len(body), options)
    assert _reported(whole) == _reported(_answered(body, size % 64 + 1, options))
    chunks, result, error = whole
    assert (result is None) != (error is None)
    received = result or (error.partial if error is not None else None)
    if received is not None:
        assert received.content == "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk))
        assert received.reasoning == "".join(chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk))
        assert pickle.loads(pickle.dumps(received)) == received
        json.dumps([*received.annotations, *received.images, *received.reasoning_details, received.usage.raw]).encode()
    else:
        assert chunks == []
    if error is not None:
        _check(error)


def failure(data: bytes) -> None:
    """Map a response that is an error.

    Args:
        data: One byte for the status, then header lines, a blank line and the body; `KEY` and `PROMPT` in the
            bytes stand for the secrets of the call, so that no input needs to guess them.
    """
    data = data.replace(b"KEY", KEY.encode()).replace(b"PROMPT", PROMPT.encode())
    head, _, body = data[1:].partition(b"\n\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\n"))
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    status = _STATUSES[data[0] % len(_STATUSES)] if data else None
    _check(classify(read_failure(parse_json(body), status=status, headers=headers), model="some/model", redact=_REDACT))


def response(data: bytes) -> None:
    """Read an HTTP response, whole and in pieces, and compare.

    Args:
        data: One byte for the size of the pieces, then what a server sends before it closes the connection.
    """
    size, wire = (data[0] if data else 0) % 64 + 1, data[1:]
    whole, pieces = _parsed(wire, len(wire) or 1), _parsed(wire, size)
    assert whole == pieces
    status, headers, body, problem = whole
    assert (problem is None) == (status >= 200)
    assert status == 0 or 200 <= status <= 999
    assert len(body) <= len(wire)
    assert sum(map(len, chain.from_iterable(headers))) <= len(wire)
    if problem is None and (codings := codings_of(headers)):
        assert _decoded([body], codings) == _decoded(
            [body[at : at + size] for at in range(0, len(body), size)], codings
        )


def _parsed(wire: bytes, size: int) -> tuple[int, list[tuple[bytes, bytes]], bytes, type[HttpError] | None]:
    """Return status, headers, body, and what was wrong; without a status and headers if anything was."""
    parser = ResponseParser()
    try:
        for start in range(0, len(wire), size):
            parser.feed(wire[start : start + size])
        parser.feed_eof()
    except HttpError as error:
        assert str(error)
        assert not parser.complete
        return 0, [], b"".join(parser.parts), type(error)
    assert parser.complete
    return parser.status, parser.headers, b"".join(parser.parts), None


def _decoded(parts: list[bytes], codings: list[str]) -> bytes | None:
    """Return at most a megabyte of a body without its codings; None if it cannot be decoded."""
    waiting = iter([*parts, b""])

    async def read() -> bytes:
        return next(waiting, b"")

    try:
        body, out = DecodedBody(read, codings), b""
        while len(out) < _MOST_DECODED and (part := _run(body.read())):
            assert len(part) <= _MOST_DECODED
            out += part
    except BodyCodingError:
        return None
    return out[:_MOST_DECODED]


def _run(work: Coroutine[object, None, bytes]) -> bytes:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _answered(body: bytes, size: int, options: int) -> tuple[list[StreamChunk], ChatResult | None, AiError | None]:
    fold = Fold(model="some/model", require_usage=bool(options & 1), redact=_REDACT)
    decoder = AnswerDecoder(fold, OpenAIReader(fold), max_bytes=_LIMITS[options >> 2 & 3])
    chunks: list[StreamChunk] = []
    for start in range(0, len(body), max(size, 1)):
        chunks += decoder.feed(body[start : start + size])
        if decoder.ended:
            break
    rest, result = decoder.close(_CUTS[options >> 1 & 1])
    if (failure := fold.failure) is not None:
        fold.describe(failure)
    return chunks + rest, result, failure


def _reported(outcome: tuple[list[StreamChunk], ChatResult | None, AiError | None]) -> object:
    chunks, result, error = outcome
    return chunks, result, type(error), error and {**vars(error), "retry_after": error.retry_after is None}


def _check(error: AiError) -> None:
    """Assert that an error can be shown, sent to another process and acted upon."""
    assert error.message.isprintable(), error.message
    assert len(error.message) < 600
    for name in (error.error_type, error.provider, error.request_id):
        assert name is None or (name.isprintable() and len(name) <= 100), name
    shown = f"{error} {error!r} {error.to_dict()} { {k: v for k, v in vars(error).items() if k != 'partial'} }"
    assert KEY not in shown
    assert PROMPT not in shown
    json.dumps(error.to_dict(), allow_nan=False).encode()
    assert 400 <= error.status_code <= 599
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
    delay = retry_delay(error, failures=1, max_retries=1, remaining=math.inf)
    assert (delay is not None) == (error.retryable and error.retry_after != math.inf)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
