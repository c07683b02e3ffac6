"""The decoder against a slow one that is written line by line from the WHATWG text, on streams nobody thought of."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raptscallions_ai._dialects.sse import Event, EventTooLargeError, SSEDecoder

pytestmark = pytest.mark.requirement("E04-T003.AC9")

LIMIT = 1 << 20


class Reference:
    """HTML standard 9.2.6, "Interpreting an event stream", with the words of the standard."""

    def __init__(self, stream: bytes) -> None:
        self.events: list[tuple[str, str]] = []
        self.data_buffer = ""
        self.event_type_buffer = ""
        self.last_event_id_buffer = ""
        self.reconnection_time: int | None = None
        text = stream.decode("utf-8", "replace")
        for line in self.lines(text.removeprefix("\ufeff")):
            self.process(line)

    @staticmethod
    def lines(text: str) -> list[str]:
        """Return the lines that have an end; what follows the last end is discarded."""
        lines: list[str] = []
        start = position = 0
        while position < len(text):
            if text[position] in "\r\n":
                lines.append(text[start:position])
                position += 2 if text[position : position + 2] == "\r\n" else 1
                start = position
            else:
                position += 1
        return lines

    def process(self, line: str) -> None:
        if line == "":
            self.dispatch()
        elif line.startswith(":"):
            return
        elif ":" in line:
            field, value = line.split(":", 1)
            self.field(field, value[1:] if value.startswith(" ") else value)
        else:
            self.field(line, "")

    def field(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type_buffer = value
        elif name == "data":
            self.data_buffer += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self.last_event_id_buffer = value
        elif name == "retry" and value and all(character in "0123456789" for character in value):
            self.reconnection_time = int(value)

    def dispatch(self) -> None:
        if self.data_buffer != "":
            self.events.append((self.event_type_buffer, self.data_buffer[:-1]))
        self.data_buffer = self.event_type_buffer = ""


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(at)]


def named(event: bytes | Event) -> tuple[str, str]:
    name, data = (event.name, event.data) if isinstance(event, Event) else ("", event)
    return name, data.decode("utf-8", "replace")


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
TOKENS = [
    *(b"data", b"event", b"id", b"retry", b":", b" ", b"1", b"x"),
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\0", "é".encode(), b"\xff", b"\xe2\x80"),
    *(b"data: ", b"data: {}\n\n", b"event: e\n", b"id: 1\n", b": c\n"),
]
SOUP = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)


@given(stream=SOUP, cuts=CUTS)
@example(stream=b"data: a\r\n\r\n", cuts=[8, 9, 10])
@example(stream=b"\xef\xbb\xbfdata: a\n\n", cuts=[1, 2, 3])
@example(stream=b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", cuts=[])
def test_any_stream_in_any_pieces_gives_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    decoder = SSEDecoder(LIMIT)
    events = [event for piece in split(stream, cuts) for event in decoder.feed(piece)]
    reference = Reference(stream)
    assert [named(event) for event in events] == reference.events
    assert decoder.last_event_id == reference.last_event_id_buffer
    expected = reference.reconnection_time
    if expected is None or expected < 10**9:
        assert decoder.retry_ms == expected


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["", "error", "ping", "é"]),
        st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1, max_size=4),
        st.sampled_from(["\n", "\r", "\r\n"]),
        st.sampled_from(["", " "]),
        st.sampled_from(["", ": OPENROUTER PROCESSING", ":", "id: 5", "retry: 10", "unknown"]),
    ),
    max_size=8,
)


@given(events=EVENTS, bom=st.booleans(), cuts=CUTS)
def test_any_split_of_a_valid_stream_gives_its_events(
    events: list[tuple[str, list[str], str, str, str]], bom: bool, cuts: list[int]
) -> None:
    stream, expected = "\ufeff" if bom else "", list[tuple[str, str]]()
    for name, lines, end, space, extra in events:
        fields = [f"event:{space}{name}", extra] if name else [extra]
        # A value's own first space would be taken for the separator's.
        fields += [f"data:{space or (' ' if line.startswith(' ') else '')}{line}" for line in lines]
        stream += "".join(field + end for field in fields if field) + end
        expected.append((name, "\n".join(lines)))
    decoder = SSEDecoder(LIMIT)
    got = [named(event) for piece in split(stream.encode(), cuts) for event in decoder.feed(piece)]
    assert got == expected
    assert decoder.close() == []


@given(reads=st.lists(st.binary(max_size=200) | SOUP, max_size=10), limit=st.integers(0, 64))
def test_no_bytes_at_all_raise_anything_but_the_limit(reads: list[bytes], limit: int) -> None:
    decoder = SSEDecoder(limit)
    events: list[bytes | Event] = []
    try:
        for read in reads:
            events += decoder.feed(read)
        events += decoder.close()
    except EventTooLargeError:
        assert sum(map(len, reads)) > limit
    assert all(len(named(event)[1]) <= limit for event in events)
