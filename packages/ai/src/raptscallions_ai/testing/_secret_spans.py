"""Finds secrets in a text: plain, in fields of JSON, in JSON within texts, cut into many deltas."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from raptscallions_ai.testing._key_shapes import KEY_SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["HIDDEN", "NAME", "NAMES", "is_secret", "secrets_in"]

HIDDEN = "[hidden]"

# The names that hold a credential. Not `token` and `key` alone: those of log probabilities and of tools are harmless.
NAMES = (
    r"[\w-]{0,40}?(?:api|access|auth|client|private|refresh|secret|subscription|session|bearer|signing|master|service)"
    r"[-_]?(?:access[-_]?)?(?:key|token|secret)(?:[-_]?id)?"
    r"|(?:x[-_])?id[-_]?(?:key|token|secret)|(?:proxy[-_])?authorization|[\w-]{0,40}?(?:password|passwd|passphrase)"
    r"|[\w-]{0,40}?secret|[\w-]{0,40}?credentials?|connection[-_]?string|(?:set[-_])?cookie|user_id"
)
NAME = re.compile(NAMES, re.IGNORECASE)

_MOST_LEVELS = 4  # of JSON within a text of JSON
_FIELD = re.compile(rf'"(?:{NAMES})"\s*:\s*', re.IGNORECASE)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNIT = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_REST_OF_A_VALUE = re.compile(r'"(?:[^"\\]|\\.)*\\?\Z|[^,}\]\n]*', re.DOTALL)
_PATTERNS = (
    *KEY_SHAPES,
    re.compile(r"\b(?:Bearer|Basic)\s+(?P<secret>(?=[\w.~+/=-]*\d)[\w.~+/=-]{12,})", re.IGNORECASE),
    # A line of an environment.
    re.compile(
        r"\b[A-Z0-9_]{0,40}(?:API_?KEY|ACCESS_KEY|SECRET|TOKEN|PASSWORD)[A-Z0-9_]{0,20}=(?P<secret>[^\s\"'\\]{6,})"
    ),
)
# What comes in deltas, in the chat completions of OpenAI, the messages of Anthropic, and Ollama.
_DELTA = re.compile(
    r'"(content|reasoning|reasoning_content|refusal|arguments|text|thinking|partial_json|delta|response)"\s*:\s*'
    r'(?="(?:[^"\\]|\\.)*")',
    re.DOTALL,
)
_decode = json.JSONDecoder(strict=False).raw_decode


class Span(NamedTuple):
    """A place in a text, and its replacement."""

    start: int
    end: int
    text: str


class _Literal(NamedTuple):
    """A text in JSON: its content, and where each of its letters is; the last place is after them."""

    text: str
    places: list[int]


def is_secret(value: object) -> bool:
    """Whether a value under a credential's name is a secret: anything except empty values, yes and no."""
    return value is not None and value != "" and not isinstance(value, bool)


def secrets_in(text: str, known: Sequence[re.Pattern[str]]) -> list[Span]:
    """Return the places of secrets, in order and without overlaps.

    Args:
        text: The text.
        known: Values that are known to be secrets.
    """
    return _found(text, known, level=0)


def _found(text: str, known: Sequence[re.Pattern[str]], *, level: int) -> list[Span]:
    found = [
        Span(*match.span("secret" if "secret" in pattern.groupindex else 0), HIDDEN)
        for pattern in (*known, *_PATTERNS)
        for match in pattern.finditer(text)
    ]
    found += _values_of_fields(text)
    if level < _MOST_LEVELS and '"' in text:
        found += _within_literals(text, known, level)
    if level == 0:
        found += _across_deltas(text, known)
    return _merged(found)


def _values_of_fields(text: str) -> Iterator[Span]:
    position = 0
    while (field := _FIELD.search(text, position)) is not None:
        start = field.end()
        try:
            value, position = _decode(text, start)
        except (ValueError, RecursionError):  # it is cut, or no JSON
            position = max(start + 1, _REST_OF_A_VALUE.match(text, start).end())  # type: ignore[union-attr]
            if text[start : start + 1] == '"':
                yield Span(start + 1, position, HIDDEN)
            elif text[start:position].strip():
                yield Span(start, position, f'"{HIDDEN}"')
            continue
        if isinstance(value, str) and value:
            yield Span(start + 1, position - 1, HIDDEN)
        elif is_secret(value):
            yield Span(start, position, f'"{HIDDEN}"')


def _within_literals(text: str, known: Sequence[re.Pattern[str]], level: int) -> Iterator[Span]:
    for match in _LITERAL.finditer(text):
        if "\\" in match[0]:
            literal = _read(text, match.start())
            for span in _found(literal.text, known, level=level + 1):
                yield Span(literal.places[span.start], literal.places[span.end], _written(span.text))


def _across_deltas(text: str, known: Sequence[re.Pattern[str]]) -> Iterator[Span]:
    """Yield the parts of secrets that were sent in several pieces, each piece a text of its own."""
    streams: dict[str, list[_Literal]] = {}
    for match in _DELTA.finditer(text):
        streams.setdefault(match[1], []).append(_read(text, match.end()))
    for literals in streams.values():
        if len(literals) > 1:
            whole = "".join(literal.text for literal in literals)
            borders = [0]
            for literal in literals:
                borders.append(borders[-1] + len(literal.text))
            yield from _cut(_found(whole, known, level=1), literals, borders)


def _cut(spans: Sequence[Span], literals: Sequence[_Literal], borders: Sequence[int]) -> Iterator[Span]:
    """Yield what each literal has of the spans of all of them together."""
    waiting = list(reversed(spans))
    for literal, (begin, end) in zip(literals, pairwise(borders), strict=True):
        while waiting and waiting[-1].start < end:
            span = waiting[-1]
            first, last = max(span.start, begin), min(span.end, end)
            replacement = _written(span.text) if span.start >= begin else ""
            yield Span(literal.places[first - begin], literal.places[last - begin], replacement)
            if span.end > end:
                break
            waiting.pop()


def _read(text: str, start: int) -> _Literal:
    """Return the literal that begins at a quotation mark."""
    letters: list[str] = []
    places: list[int] = []
    position = start + 1
    while text[position] != '"':
        unit = _UNIT.match(text, position)
        assert unit is not None, "it matches any letter"
        letter = _letter(unit[0])
        letters.append(letter)
        places += [position] * len(letter)
        position = unit.end()
    return _Literal("".join(letters), [*places, position])


def _letter(unit: str) -> str:
    if unit[0] != "\\":
        return unit
    try:
        return str(json.loads(f'"{unit}"'))
    except ValueError:
        return unit


def _written(text: str) -> str:
    return json.dumps(text)[1:-1]


def _merged(found: Iterable[Span]) -> list[Span]:
    spans: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if spans and span.start < spans[-1].end:
            spans[-1] = spans[-1]._replace(end=max(span.end, spans[-1].end))
        elif span.end > span.start:
            spans.append(span)
    return spans
