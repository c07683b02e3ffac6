"""Boundaries of the SSE decoder: what mutation testing showed that no other test would notice."""

import pytest
from ai_tests import Drive

from raptscallions_ai._dialects.sse import Event, EventTooLargeError, SSEDecoder
from raptscallions_ai.answer.chunks import ContentChunk

pytestmark = pytest.mark.requirement("E04-T003.AC9")


def test_line_ends_in_reads_of_their_own() -> None:
    decoder = SSEDecoder(100)
    assert [decoder.feed(read) for read in (b"data: a\r", b"\n", b"\n", b"data: b\n", b"\n")] == [
        [],
        [],
        [b"a"],
        [],
        [b"b"],
    ]


@pytest.mark.parametrize(
    ("reads", "events"),
    [
        pytest.param([b"data: ab\n\n"], [b"ab"], id="one event"),
        pytest.param([b"data: a\n\ndata: b\n\n"], [b"a", b"b"], id="two events"),
        pytest.param([b"data: a\ndata: b\n\n"], [b"a\nb"], id="two lines"),
        pytest.param([b"data: a\rdata: b\n\n"], [b"a\nb"], id="two lines, one of them ends with cr"),
        pytest.param([b"data: a\nx: b\n", b"\n"], [b"a"], id="no blank line"),
        pytest.param([b"data: a\n", b"data: b\n\n"], [b"a\nb"], id="behind data"),
        pytest.param([b"x: ", b"data: b\n\n"], [], id="behind half a line"),
        pytest.param([b"event: e\n", b"data: b\n\n"], [Event("e", b"b")], id="behind a name"),
        pytest.param([b"\xef\xbb\xbfdata: b\n\n"], [], id="behind a byte order mark"),
    ],
)
def test_reads_of_one_whole_event_and_what_only_looks_like_it(reads: list[bytes], events: list[bytes | Event]) -> None:
    decoder = SSEDecoder(100)
    assert decoder.feed(b"data: 0\n\n") == [b"0"]
    assert [event for read in reads for event in decoder.feed(read)] == events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: " + b"x" * 21 + b"\n", [b"a"]),
        (b"data: a\n\n: " + b"x" * 30 + b"\n", [b"a"]),
        (b"data: a\n\ndata: " + b"x" * 40, [b"a"]),
        (b"data: a\n\ndata: " + b"x" * 21 + b"\n\n", [b"a"]),
    ],
    ids=["data", "comment", "unfinished line", "complete"],
)
def test_an_event_above_the_limit_leaves_those_before_it(stream: bytes, events: list[bytes]) -> None:
    with pytest.raises(EventTooLargeError, match=r"^one event is larger than the limit$") as caught:
        SSEDecoder(20).feed(stream)
    assert caught.value.events == events


@pytest.mark.parametrize(
    "line", [b": " + b"x" * 24, b"data:" + b"x" * 20, b"data:" + b"x" * 9 + b"\ndata:" + b"x" * 10]
)
def test_lines_as_long_as_the_limit_allows(line: bytes) -> None:
    assert SSEDecoder(20).feed(line + b"\n\n") == ([] if line[:1] == b":" else [line.replace(b"data:", b"")])


@pytest.mark.parametrize("lines", [b"x\n: x\n", b"data:1\n", b"data: 1\n"])
def test_what_is_read_of_an_event_in_many_reads_counts_once(lines: bytes) -> None:
    decoder = SSEDecoder(19)  # ten digits and nine line ends
    for _ in range(10):
        decoder.feed(lines)
    assert decoder.feed(b"\n") == ([] if lines[:1] == b"x" else [b"\n".join([b"1"] * 10)])


def test_an_event_does_not_count_towards_the_next() -> None:
    decoder = SSEDecoder(20)
    full = b"data: " + b"x" * 20 + b"\n"
    assert decoder.feed(full + b"\n" + full) == [b"x" * 20]
    assert decoder.feed(b"\n") == [b"x" * 20]


def test_names_and_ids_that_are_no_utf8() -> None:
    decoder = SSEDecoder(100)
    assert decoder.feed(b"event: a\xff\nid: b\xff\ndata: x\n\n") == [Event("a\ufffd", b"x")]
    assert decoder.last_event_id == "b\ufffd"


@pytest.mark.parametrize(("digits", "read"), [("123456789", 123456789), ("1234567891", 123456789)])
def test_of_a_retry_time_nine_digits_count(digits: str, read: int) -> None:
    decoder = SSEDecoder(100)
    decoder.feed(f"retry: {digits}\n".encode())
    assert decoder.retry_ms == read


@pytest.mark.parametrize("excess", [1, 2, 3])
def test_an_unfinished_event_just_above_the_limit_is_refused_at_the_end(drive: Drive, excess: int) -> None:
    text = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
    chunks, _, failure = drive(text + b"data: " + b"x" * (100 + excess), max_bytes=100)
    assert chunks == [ContentChunk("Hello")]
    assert failure is not None and "AI_MAX_EVENT_BYTES" in str(failure)
