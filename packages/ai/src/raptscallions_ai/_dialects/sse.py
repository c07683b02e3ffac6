"""Server-sent events: bytes in, events out.

The grammar is the WHATWG one (HTML standard, section 9.2.6): lines end with LF, CR or CRLF, a blank line
dispatches, comments start with a colon, one space after a field's colon is dropped, a BOM is skipped. Lines
are cut as bytes, so U+2028 and U+0085 inside JSON are data, and UTF-8 may be split anywhere between reads.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Event", "EventTooLargeError", "SSEDecoder"]

_BOM = b"\xef\xbb\xbf"
_FIELD = len(b"data: ")  # what a line may be longer than the data in it
_HELD = len(_BOM) + _FIELD  # and what its beginning may be longer, before the mark is taken off


class Event(NamedTuple):
    """An event that has a name; an event without one is its data, plain `bytes`."""

    name: str
    data: bytes


class EventTooLargeError(Exception):
    """One event is larger than the decoder's limit.

    Attributes:
        events: The events that the same bytes had completed before it.
    """

    def __init__(self, events: list[bytes | Event]) -> None:
        super().__init__("one event is larger than the limit")
        self.events = events


class SSEDecoder:
    """Turn the bytes of an event stream into events, however the bytes are cut.

    Args:
        max_event_bytes: The largest event that is accepted, and so the most memory that one can take.

    Attributes:
        comments: How many comment lines were seen; gateways send them to keep the connection alive.
        last_event_id: The `id` of the last event that had one.
        retry_ms: The reconnection time that the server asked for, in milliseconds.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self.comments = 0
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._max = max_event_bytes
        self._partial_line: list[bytes] = []
        self._partial_size = 0
        self._data: list[bytes] = []
        self._data_size = 0  # of the event that is being read, its line ends included
        self._name = ""
        self._at_start = True
        self._after_cr = False
        self._between_events = False

    def feed(self, data: bytes) -> list[bytes | Event]:
        """Return the events that `data` completes, in order.

        Raises:
            EventTooLargeError: An event exceeds the limit; the decoder must not be used any more.
        """
        if (
            self._between_events
            and data[:6] == b"data: "
            and data[-2:] == b"\n\n"
            and data.count(b"\n") == 2
            and len(data) <= self._max
            and b"\r" not in data
        ):
            return [data[6:-2]]  # one whole event in one read, which is how a model's tokens come
        if (
            self._between_events
            and data[:7] == b"event: "
            and data[-2:] == b"\n\n"
            and data.count(b"\n") == 3
            and len(data) <= self._max
            and b"\r" not in data
        ):
            name, _, rest = data.partition(b"\n")
            if rest[:6] == b"data: " and len(name) > 7:
                return [Event(name[7:].decode("utf-8", "replace"), rest[6:-2])]  # the same, with a name
        events = self._feed(data)
        self._between_events = not (self._data or self._partial_line or self._name or self._after_cr or self._at_start)
        return events

    def _feed(self, data: bytes) -> list[bytes | Event]:
        if self._after_cr or b"\r" in data:
            data = self._with_lf_only(data)
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._hold(data, [])
            return []
        if self._partial_line:
            head = b"".join((*self._partial_line, head))
            self._partial_line.clear()
            self._partial_size = 0
        events = self._lines(head.split(b"\n"))
        if rest:
            self._hold(rest, events)
        return events

    def close(self) -> list[bytes | Event]:
        """Return the event that the end of the stream leaves without its blank line, if there is one.

        The standard drops it; gateways end a good stream that way, so the caller decides what it is worth.
        """
        lines = [b"".join(self._partial_line), b""]
        self._partial_line.clear()
        return self._lines(lines)

    def _with_lf_only(self, data: bytes) -> bytes:
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data[-1:] == b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _lines(self, lines: list[bytes]) -> list[bytes | Event]:
        if self._at_start:
            lines[0] = lines[0].removeprefix(_BOM)
            self._at_start = False
        data = self._data
        if not data and not self._name and len(lines) % 2 == 0 and not any(lines[1::2]):
            # Line, blank line, line, blank line: nearly all that gateways send is of that form.
            plain: list[bytes | Event] = [line[6:] for line in lines[::2] if line[:6] == b"data: "]
            if 2 * len(plain) == len(lines) and max(map(len, plain)) <= self._max:
                return plain
        elif not data and not self._name and len(lines) % 3 == 0 and not any(lines[2::3]):
            # Name, line, blank line: nearly all that engines with named events send.
            named: list[bytes | Event] = [
                Event(name[7:].decode("utf-8", "replace"), line[6:])
                for name, line in zip(lines[::3], lines[1::3], strict=True)
                if name[:7] == b"event: " and line[:6] == b"data: " and len(name) > 7
            ]
            if 3 * len(named) == len(lines) and max(map(len, lines)) <= self._max:
                return named
        events: list[bytes | Event] = []
        for line in lines:
            if line[:6] == b"data: ":
                data.append(line[6:])
                self._data_size += len(line) - 5
            elif line:
                self._field(line, events)
            elif data:
                joined = data[0] if len(data) == 1 else b"\n".join(data)
                if len(joined) > self._max:
                    raise EventTooLargeError(events)
                events.append(Event(self._name, joined) if self._name else joined)
                data.clear()
                self._data_size = 0
                self._name = ""
            else:
                self._name = ""
        if self._data_size - 1 > self._max:
            raise EventTooLargeError(events)
        return events

    def _field(self, line: bytes, events: list[bytes | Event]) -> None:
        if len(line) > self._max + _FIELD:
            raise EventTooLargeError(events)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name:
            self.comments += 1
        elif name == b"data":
            self._data.append(value)
            self._data_size += len(value) + 1
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self.last_event_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            # Nine digits are eleven days; int() must not meet a number of absurd length.
            self.retry_ms = int(value[:9])

    def _hold(self, part: bytes, events: list[bytes | Event]) -> None:
        """Keep the beginning of a line until the rest of it comes."""
        self._partial_line.append(part)
        self._partial_size += len(part)
        if self._partial_size > self._max + _HELD:
            raise EventTooLargeError(events)
