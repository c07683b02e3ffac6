"""The bytes that most faults are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.testing.faults import sources
from raptscallions_ai.testing.faults.expected import TEXT, Complete, Expected
from raptscallions_ai.testing.faults.fault import Category, Fault
from raptscallions_ai.testing.replies import Reply, Step
from raptscallions_ai.testing.wire import DONE, chunk, sse, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "OPENING",
    "COMPLETE",
    "COUNTS",
    "END",
    "FINISH",
    "LAST",
    "PARTIAL",
    "ALL_TEXT",
    "SOON",
    "USAGE",
    "WHOLE",
    "opened",
    "events",
    "one_answer",
    "raw",
    "stream",
]

PARTIAL = "The sky is"
"""The text of `OPENING`."""

OPENING = sse(chunk("The sky")) + sse(chunk(" is"))
"""Two deltas of an answer that has more to say."""

LAST = TEXT.removeprefix(PARTIAL)
"""The text that follows `OPENING`."""

ALL_TEXT = OPENING + sse(chunk(LAST))
"""All deltas of the whole text."""

COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
"""The least that a usage object says."""

FINISH = sse(chunk(finish_reason="stop"))
"""The chunk that says why the answer ends."""

USAGE = sse(chunk(choices=[], usage=usage()))
"""The chunk with the usage, in the shape that OpenRouter documents."""

END = FINISH + USAGE + DONE
"""All that follows the text of a good answer."""

WHOLE = ALL_TEXT + END
"""A good answer."""

COMPLETE = Complete()
"""What should come of a good answer: `TEXT`, its end and its usage."""

SOON = {"retry-after-ms": "10"}
"""Headers that ask to come back at once, so that a test need not wait."""

_RAW_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def events(*chunks: Mapping[str, Any], end: bytes = END) -> Reply:
    """Return a stream of these chunks, and its end."""
    return stream(*(sse(one) for one in chunks), end)


def stream(*steps: Step, **headers: str) -> Reply:
    """Return a streamed reply of exactly these steps; an underscore in a header's name stands for a dash."""
    return Reply(tuple(step for step in steps if step != b""), headers={_dashed(k): v for k, v in headers.items()})


def opened(*steps: Step) -> Reply:
    """Return a stream that has begun well and goes on with these steps."""
    return stream(OPENING, *steps)


def one_answer(
    category: Category,
    id: str,
    title: str,
    *steps: Step,
    expected: Expected = COMPLETE,
    source: str = sources.PRECAUTION,
    require_usage: bool = True,
) -> Fault:
    """Return a fault of one streamed reply."""
    return Fault(
        id=id,
        title=title,
        category=category,
        source=source,
        replies=(stream(*steps),),
        expected=expected,
        require_usage=require_usage,
    )


def raw(headers: bytes, *steps: Step) -> Reply:
    """Return a reply of a good status line, these header lines, and a body without framing."""
    return Reply((_RAW_HEAD + headers + b"\r\n", *steps), framing="raw")


def _dashed(name: str) -> str:
    return name.replace("_", "-")
