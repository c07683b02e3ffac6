from collections.abc import Iterable

import pytest

from raptscallions_ai._dialects.sse import Event, EventTooLargeError, SSEDecoder

SIZES = [1, 2, 3, 7, 64, None]
MIB = 1 << 20


def pieces(stream: bytes, size: int | None) -> Iterable[bytes]:
    step = size or len(stream) or 1
    return (stream[start : start + step] for start in range(0, len(stream), step))


def decode(stream: bytes, size: int | None = None, *, limit: int = MIB) -> tuple[list[bytes | Event], SSEDecoder]:
    decoder = SSEDecoder(limit)
    events: list[bytes | Event] = []
    for piece in pieces(stream, size):
        events += decoder.feed(piece)
    return events, decoder


def case(name: str, stream: bytes | str, *events: bytes | Event) -> object:
    return pytest.param(stream.encode() if isinstance(stream, str) else stream, list(events), id=name)


CASES = [
    case("nothing", ""),
    case("lf", "data: a\n\ndata: b\n\n", b"a", b"b"),
    case("cr", "data: a\r\rdata: b\r\r", b"a", b"b"),
    case("crlf", "data: a\r\n\r\ndata: b\r\n\r\n", b"a", b"b"),
    case("all line ends mixed", "data: a\r\n\rdata: b\n\r\ndata: c\r\r\n", b"a", b"b", b"c"),
    case("cr lf is one line end", "data: a\r\ndata: b\r\n\r\n", b"a\nb"),
    case("lf cr are two", "data: a\n\rdata: b\n\n", b"a", b"b"),
    case("byte order mark", b"\xef\xbb\xbfdata: a\n\n", b"a"),
    case("byte order mark before a blank line", b"\xef\xbb\xbf\ndata: a\n\n", b"a"),
    case("only the first byte order mark", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", b"b"),
    case("byte order mark later on", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", b"a"),
    case("byte order mark behind a blank line", b"\n\xef\xbb\xbfdata: a\n\ndata: b\n\n", b"b"),
    case("half a byte order mark", b"\xef\xbbdata: a\n\ndata: b\n\n", b"b"),
    case("comment", ": hello\ndata: a\n\n", b"a"),
    case("bare comment", ":\n:\n\ndata: a\n\n", b"a"),
    case("comment inside an event", "data: a\n: hm\ndata: b\n\n", b"a\nb"),
    case("comment alone dispatches nothing", ": OPENROUTER PROCESSING\n\n"),
    case("comment after an id", "id: 1\n\n: ping\n\ndata: a\n\n", b"a"),
    case("no space after the colon", "data:a\n\n", b"a"),
    case("only one space is dropped", "data:  a\n\n", b" a"),
    case("a tab is kept", "data:\ta\n\n", b"\ta"),
    case("trailing space is kept", "data: a \n\n", b"a "),
    case("colons in the value", "data: a: b:c\n\n", b"a: b:c"),
    case("no colon", "data\n\n", b""),
    case("no colon twice", "data\ndata\n\n", b"\n"),
    case("empty data", "data:\n\n", b""),
    case("empty data with a space", "data: \n\n", b""),
    case("empty lines of data", "data: a\ndata:\ndata: b\n\n", b"a\n\nb"),
    case("unknown fields", "foo: 1\nbar\ndata: a\nbaz:\n\n", b"a"),
    case("field names are exact", "Data: a\ndata : b\n data: c\ndatax: d\ndat: e\ndata: f\n\n", b"f"),
    case("many blank lines", "\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", b"a", b"b"),
    case("named", "event: error\ndata: a\n\n", Event("error", b"a")),
    case("name after the data", "data: a\nevent: error\n\n", Event("error", b"a")),
    case("the last name counts", "event: x\nevent: y\ndata: a\n\n", Event("y", b"a")),
    case("the name is for one event", "event: x\ndata: a\n\ndata: b\n\n", Event("x", b"a"), b"b"),
    case("name without data", "event: x\n\ndata: a\n\n", b"a"),
    case("empty name", "event: x\nevent:\ndata: a\n\n", b"a"),
    case("name in utf-8", "event: é\ndata: a\n\n", Event("é", b"a")),
    case("id only", "id: 7\n\n"),
    case("retry only", "retry: 3000\n\n"),
    case("done mark", "data: [DONE]\n\n", b"[DONE]"),
    case("u+2028 and u+0085 are data", "data: a\u2028b\u2029c\u0085d\x0b\x0c\x1c\x1d\x1ee\n\n",
         "a\u2028b\u2029c\u0085d\x0b\x0c\x1c\x1d\x1ee".encode()),
    case("utf-8 of 2, 3 and 4 bytes", "data: é€😀\n\n", "é€😀".encode()),
    case("bytes that are no utf-8", b"data: \xff\xfe\xc3\n\n", b"\xff\xfe\xc3"),
    case("nul in data", b"data: a\0b\n\n", b"a\0b"),
    case("html", "<html>\n<body>\n\n</html>\n"),
    case("unfinished", "data: a\n\ndata: b\n", b"a"),
    case("unfinished line", "data: a\n\ndata: b", b"a"),
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("stream", "expected"), CASES)
def test_events(stream: bytes, expected: list[bytes | Event], size: int | None) -> None:
    assert decode(stream, size)[0] == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("stream", "last"),
    [
        pytest.param(b"id: 1\ndata: a\n\n", "1", id="set"),
        pytest.param(b"id: 1\n\nid: 2\ndata: a\n\n", "2", id="replaced"),
        pytest.param(b"id: 1\ndata: a\n\ndata: b\n\n", "1", id="kept"),
        pytest.param(b"id: 1\n\nid\n\n", "", id="reset"),
        pytest.param(b"id: 1\n\nid: a\0b\n\n", "1", id="ignored with nul"),
        pytest.param("id: é:1\n\n".encode(), "é:1", id="utf-8"),
    ],
)
def test_ids(stream: bytes, last: str, size: int | None) -> None:
    assert decode(stream, size)[1].last_event_id == last


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("stream", "milliseconds"),
    [
        pytest.param(b"data: a\n\n", None, id="never"),
        pytest.param(b"retry: 1500\n\n", 1500, id="set"),
        pytest.param(b"retry:0\n", 0, id="zero"),
        pytest.param(b"retry: 10\nretry: 20\n", 20, id="the last counts"),
        pytest.param(b"retry: 10\nretry: -5\nretry: 1.5\nretry: 1e3\nretry\nretry: 7 \n", 10, id="digits only"),
        pytest.param("retry: ٣\n".encode(), None, id="ascii digits only"),
    ],
)
def test_retry(stream: bytes, milliseconds: int | None, size: int | None) -> None:
    assert decode(stream, size)[1].retry_ms == milliseconds


def test_absurd_retry_is_survived() -> None:
    events, decoder = decode(b"retry: " + b"9" * 10_000 + b"\n\ndata: a\n\n")
    assert events == [b"a"]
    assert decoder.retry_ms is not None


@pytest.mark.parametrize("size", SIZES)
def test_comments_are_counted(size: int | None) -> None:
    stream = b": OPENROUTER PROCESSING\n\n:\ndata: a\n: ping\n\n"
    assert decode(stream, size)[1].comments == 3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("stream", "rest"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"data: a\n\n", [], id="complete"),
        pytest.param(b"data: a\n", [b"a"], id="no blank line"),
        pytest.param(b"data: a\r", [b"a"], id="no blank line after cr"),
        pytest.param(b"data: a", [b"a"], id="no line end"),
        pytest.param(b"data: a\ndata: b", [b"a\nb"], id="second line unfinished"),
        pytest.param(b"event: x\ndata: a", [Event("x", b"a")], id="named"),
        pytest.param(b"data: a\n\nevent: x", [], id="name without data"),
        pytest.param(b": comment", [], id="comment"),
        pytest.param(b"data", [b""], id="field name only"),
        pytest.param(b"dat", [], id="half a field name"),
        pytest.param(b"\xef\xbb\xbfdata: a", [b"a"], id="byte order mark"),
    ],
)
def test_close_returns_the_event_that_lacks_its_blank_line(stream: bytes, rest: list[object], size: int | None) -> None:
    decoder = decode(stream, size)[1]
    assert decoder.close() == rest
    assert decoder.close() == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 16 + b"\n\n", id="one line"),
        pytest.param(b"data: " + b"x" * 8 + b"\ndata: " + b"y" * 7 + b"\n\n", id="two lines"),
        pytest.param(b"data: abc\n\n" * 50, id="many events"),
        pytest.param(b": comment\n\n" * 50, id="many comments"),
        pytest.param(b": comment\n" * 50 + b"data: a\n\n", id="many comments in one event"),
    ],
)
def test_events_up_to_the_limit_are_accepted(stream: bytes, size: int | None) -> None:
    events = decode(stream, size, limit=16)[0]
    assert events == decode(stream)[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 17 + b"\n\n", id="one line"),
        pytest.param(b"data: " + b"x" * 8 + b"\ndata: " + b"y" * 8 + b"\n\n", id="two lines"),
        pytest.param(b"data: a\n\ndata: " + b"x" * 17 + b"\n\n", id="second event"),
    ],
)
def test_events_above_the_limit_are_refused(stream: bytes, size: int | None) -> None:
    with pytest.raises(EventTooLargeError):
        decode(stream, size, limit=16)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"data: x", id="line without end"),
        pytest.param(b"data: x\n", id="lines of data"),
        pytest.param(b"data:\n", id="lines of no data"),
        pytest.param(b": x", id="comment without end"),
    ],
)
def test_an_event_without_end_is_refused_while_it_is_read(line: bytes) -> None:
    decoder = SSEDecoder(1024)
    with pytest.raises(EventTooLargeError):
        for _ in range(5_000):
            decoder.feed(line)


def test_an_event_of_a_megabyte_in_reads_of_16_kib() -> None:
    data = b'{"image":"' + b"A" * MIB + b'"}'
    events, _ = decode(b"data: a\n\ndata: " + data + b"\n\ndata: b\n\n", 16_384, limit=2 * MIB)
    assert events == [b"a", data, b"b"]
