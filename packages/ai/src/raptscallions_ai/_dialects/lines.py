"""One JSON document a line: bytes in, lines out.

Lines end with LF and nothing else, so that U+2028 and U+0085 inside a document are data.
"""

from __future__ import annotations

import itertools

from raptscallions_ai._dialects.sse import EventTooLargeError

__all__ = ["LinesDecoder"]


class LinesDecoder:
    """Turn bytes into lines, however they are cut; lines of blanks only are passed over.

    Args:
        max_event_bytes: The longest line that is accepted, and so the most memory that one can take.

    Attributes:
        comments: How many blank lines were seen.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self.comments = 0
        self._max = max_event_bytes
        self._partial: list[bytes] = []
        self._partial_size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, in order.

        Raises:
            EventTooLargeError: A line exceeds the limit; the decoder must not be used any more.
        """
        head, newline, rest = data.rpartition(b"\n")
        lines: list[bytes] = []
        if newline:
            if self._partial:
                head = b"".join((*self._partial, head))
                self._partial.clear()
                self._partial_size = 0
            lines = self._whole(head.split(b"\n"))
        if rest:
            self._partial.append(rest)
            self._partial_size += len(rest)
            if self._partial_size > self._max:
                raise EventTooLargeError([*lines])
        return lines

    def close(self) -> list[bytes]:
        """Return the line that the end leaves without its line end, if there is one."""
        line = b"".join(self._partial)
        self._partial.clear()
        return self._whole([line]) if line else []

    def _whole(self, lines: list[bytes]) -> list[bytes]:
        if max(map(len, lines)) > self._max:
            raise EventTooLargeError([*itertools.takewhile(lambda line: len(line) <= self._max, lines)])
        documents = [line for line in lines if line and not line.isspace()]
        self.comments += len(lines) - len(documents)
        return documents
