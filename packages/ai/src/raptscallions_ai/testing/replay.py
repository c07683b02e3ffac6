r"""Recorded exchanges as replies.

A recording is what `curl -i` printed, framed by comment lines::

    # any number of comment lines, such as the command and the request body
    # --- response (raw, headers first)
    HTTP/1.1 200 OK\r\n
    content-type: text/event-stream\r\n
    \r\n
    data: ...
    # curl exit 0

The body is what curl decoded, so a transfer coding is off already. The last line tells how the exchange
ended: 0 well, 18 the connection was closed in the middle of the body, 52 before any byte; curl's own message
stands before it then.
"""

from __future__ import annotations

import re
from pathlib import Path

from raptscallions_ai.testing.replies import Cut, Reply, Step

__all__ = ["recorded_reply"]

_RESPONSE = b"# --- response (raw, headers first)\n"
_EXIT = re.compile(rb"(?:curl: \(\d+\)[^\n]*\n)?# curl exit (\d+)\s*\Z")
# Bare line feeds are those of a recording that went through an editor.
_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CUT_IN_BODY, _CUT_BEFORE_HEADERS = 18, 52
# These describe the recorded connection; the replay frames the body itself.
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


def recorded_reply(recording: str | Path | bytes, *, chunk_size: int | None = None) -> Reply:
    """Return the reply that repeats a recorded response, its end included.

    Args:
        recording: The path of a recording, or its content; the format is described in this module.
        chunk_size: The size in bytes of the pieces that the body is sent in; None sends it in one.

    Raises:
        ValueError: It is not such a recording, or it ended in a way that cannot be repeated.
        OSError: The file cannot be read.
    """
    content = recording if isinstance(recording, bytes) else Path(recording).read_bytes()
    _, marker, response = content.partition(_RESPONSE)
    ending = _EXIT.search(response)
    if not marker or ending is None:
        raise ValueError("not a recording: the response marker or the exit line is missing")
    code = int(ending[1])
    if code == _CUT_BEFORE_HEADERS:
        return Reply((Cut(),), framing="raw")
    if code not in (0, _CUT_IN_BODY):
        raise ValueError(f"a recording that ended with curl exit {code} cannot be replayed")
    head_end = _HEAD_END.search(response)
    if head_end is None:
        raise ValueError("not a recording: no empty line ends the headers")
    status_line, *lines = (line.decode("latin-1") for line in _LINE_END.split(response[: head_end.start()]))
    body = response[head_end.end() : ending.start()]
    pairs = (line.partition(":") for line in lines)
    headers = {name: value.strip() for name, _, value in pairs if name.lower() not in _OF_THE_CONNECTION}
    steps: list[Step] = [*_pieces(body, chunk_size)]
    if code == _CUT_IN_BODY:
        steps.append(Cut())
    return Reply(tuple(steps), int(status_line.split(" ")[1]), headers)


def _pieces(body: bytes, size: int | None) -> list[bytes]:
    size = size or max(len(body), 1)
    return [body[start : start + size] for start in range(0, len(body), size)]
