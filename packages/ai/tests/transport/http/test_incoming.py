"""A response is read the same however its bytes were cut, and is complete only when it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_ai._transport.http.errors import HttpError, LostConnectionError, NotHttpError
from raptscallions_ai._transport.http.incoming import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH_2 = OK + b"Content-Length: 2\r\n\r\nab"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Message:
    """A response on the wire, and what is to come of it."""

    wire: bytes
    status: int
    body: bytes
    until_close: bool = False


def chunk(data: bytes, extension: bytes) -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=5)
EXTENSIONS = st.sampled_from([b"", b";a", b";a=1", b';a="x y"', b"  "])
INTERIM = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2]
)
HEADERS = st.sampled_from([b"", b"X-Empty:\r\n", b"X-One: a\r\nX-One: b\r\n", b"Server:  padded \r\n", b"x: \xe4\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    parts, kind = draw(BODIES), draw(st.sampled_from(["chunked", "length", "close"]))
    status = draw(st.sampled_from([200, 201, 299, 400, 429, 503]))
    head = draw(INTERIM) + b"HTTP/1.1 %d Some Reason\r\n" % status + draw(HEADERS)
    body = b"".join(parts)
    if kind == "chunked":
        trailers = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
        chunks = b"".join(chunk(part, draw(EXTENSIONS)) for part in parts)
        return Message(
            head + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n", status, body
        )
    if kind == "length":
        return Message(head + b"content-length: %d\r\n\r\n" % len(body) + body, status, body)
    return Message(head + b"\r\n" + body, status, body, until_close=True)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def fed(*parts: bytes, eof: bool = False) -> ResponseParser:
    parser = ResponseParser()
    for part in parts:
        parser.feed(memoryview(part))
    if eof:
        parser.feed_eof()
    return parser


CUTS = st.lists(st.integers(min_value=0, max_value=2000), max_size=6)


@pytest.mark.requirement("E04-T011.AC1")
@given(messages(), CUTS)
def test_every_cut_gives_the_same_response(message: Message, places: list[int]) -> None:
    whole, parser = fed(message.wire, eof=message.until_close), fed(*cut(message.wire, places), eof=message.until_close)
    assert (parser.status, b"".join(parser.parts)) == (message.status, message.body)
    assert parser.headers == whole.headers
    assert parser.complete
    assert not parser.surplus
    assert parser.reusable is not message.until_close


@given(messages())
def test_bytes_that_come_one_by_one(message: Message) -> None:
    parser = fed(*cut(message.wire, list(range(len(message.wire)))), eof=message.until_close)
    assert (parser.status, b"".join(parser.parts)) == (message.status, message.body)


@given(messages(), st.integers(min_value=0, max_value=2000), CUTS)
def test_an_end_at_any_byte_is_reported_after_what_came(message: Message, end: int, places: list[int]) -> None:
    short = message.wire[: end % len(message.wire)]
    parser = fed(*cut(short, places))
    assert not parser.complete
    if message.until_close and parser.head_complete:
        parser.feed_eof()
        assert parser.complete
    else:
        with pytest.raises(LostConnectionError):
            parser.feed_eof()
        assert not parser.complete
    assert message.body.startswith(b"".join(parser.parts))


@pytest.mark.requirement("E04-T011.AC2")
@given(messages(), messages(), CUTS)
def test_nothing_of_the_next_response_is_taken_for_this_one(first: Message, second: Message, places: list[int]) -> None:
    if first.until_close:
        return
    parser = fed(*cut(first.wire + second.wire, places))
    assert (parser.status, b"".join(parser.parts), parser.complete) == (first.status, first.body, True)
    assert parser.surplus


@given(st.binary(max_size=300), st.lists(st.sampled_from([OK, LENGTH_2, CHUNKED, b"2\r\nab\r\n"]), max_size=3), CUTS)
def test_whatever_comes_is_a_response_or_told_to_be_none(noise: bytes, start: list[bytes], places: list[int]) -> None:
    parser = ResponseParser()
    try:
        for part in cut(b"".join(start) + noise, places):
            parser.feed(part)
        parser.feed_eof()
    except HttpError as error:
        assert not parser.complete
        assert str(error)
    else:
        assert parser.complete


REFUSED = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "a negative length": OK + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\nab",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nab",
    "a length beyond all numbers": OK + b"Content-Length: 99999999999999999999\r\n\r\nab",
    "no length in its header": OK + b"Content-Length:\r\n\r\nab",
    "length and coding": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "gzip below chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two codings": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "nearly chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked behind a tab": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\nab",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab",
    "NUL in a header": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nab",
    "CR in a header": OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\nab",
    "a header without name": OK + b": x\r\nContent-Length: 2\r\n\r\nab",
    "a name that is none": OK + b"X\xff: a\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "another protocol": b"ICY 200 OK\r\n\r\n",
    "no protocol": b"<html></html>",
    "a status of two digits": b"HTTP/1.1 99 Low\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 High\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a switch to nothing": b"HTTP/1.1 101 Switching\r\n\r\n",
    "endless interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "a chunk size that is none": CHUNKED + b"zz\r\nab\r\n",
    "a chunk size beyond all numbers": CHUNKED + b"f" * 17 + b"\r\nab\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nab\r\n",
    "a length among the trailers": CHUNKED + b"2\r\nab\r\n0\r\nContent-Length: 2\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "a header line of 100 kB": OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
    "a header name of 100 kB": OK + b"x" * 100_000 + b": 1\r\n\r\n",
    "ten thousand headers": OK + b"X: y\r\n" * 10_000 + b"\r\n",
    "a status line of 100 kB": b"HTTP/1.1 200 " + b"x" * 100_000,
    "a chunk extension of 1 MB": CHUNKED + b"2;" + b"x" * 1_000_000,
    "a trailer of 1 MB": CHUNKED + b"0\r\nX: " + b"x" * 1_000_000,
    "a hundred thousand trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * 100_000,
}


@pytest.mark.parametrize("size", [1024, 10**9])
@pytest.mark.parametrize("name", REFUSED)
def test_what_leaves_the_end_in_doubt_is_refused(name: str, size: int) -> None:
    wire, parser = REFUSED[name], ResponseParser()
    with pytest.raises(NotHttpError):
        for start in range(0, len(wire), size):
            parser.feed(wire[start : start + size])
    assert not parser.complete


ACCEPTED = {
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    "an empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    "lines that end with LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 200, b"ab"),
    "blank lines before it": (b"\r\n\r\n" + LENGTH_2, 200, b"ab"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
    "304 with a coding": (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b""),
    "an offer to upgrade": (OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    "an interim response with a length": (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + LENGTH_2, 200, b"ab"),
    "trailers": (CHUNKED + b"2\r\nab\r\n0\r\nX-Trailer: 9\r\n\r\n", 200, b"ab"),
    "chunk sizes with zeros": (CHUNKED + b"0002\r\nab\r\n000\r\n\r\n", 200, b"ab"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_odd_and_clear_is_read(name: str) -> None:
    wire, status, body = ACCEPTED[name]
    parser = fed(wire)
    assert (parser.status, b"".join(parser.parts), parser.complete) == (status, body, True)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_is_kept(head: bytes, kept: bool) -> None:
    assert fed(head + b"Content-Length: 2\r\n\r\nab").reusable is kept


def test_what_came_before_a_broken_chunk_in_one_read_is_there() -> None:
    parser = ResponseParser()
    with pytest.raises(NotHttpError, match="chunk size"):
        parser.feed(CHUNKED + b"2\r\nab\r\nzz\r\n")
    assert parser.parts == [b"ab"]


def test_garbage_behind_the_end_in_one_read_harms_nothing() -> None:
    parser = fed(LENGTH_2 + b"garbage")
    assert (parser.parts, parser.complete, parser.surplus) == ([b"ab"], True, True)


def test_a_head_for_a_tunnel_has_no_body() -> None:
    parser = ResponseParser(head_only=True)
    parser.feed(b"HTTP/1.1 200 Connection established\r\nContent-Length: 0\r\n\r\n")
    assert (parser.status, parser.complete, parser.parts) == (200, True, [])
