"""Secrets in recorded exchanges: what they look like, and their removal before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["HIDDEN", "SecretFilter"]

HIDDEN = "[hidden]"

_SHORTEST = 8  # a shorter text is too ordinary to be replaced wherever it stands
# The names that hold a credential. Not `token` and `key` alone: those of log probabilities and of tools are harmless.
_NAMES = (
    r"(?:x[-_])?(?:api|access|auth|client|private|refresh|id|secret|subscription)[-_]?(?:key|token|secret)"
    r"|authorization|proxy[-_]authorization|password|passwd|secret|credentials?|(?:set[-_])?cookie|user_id"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)
_QUERY_NAME = re.compile(rf"{_NAMES}|key|token|sig|signature", re.IGNORECASE)
_HEADER_NAME = re.compile(
    rf"{_NAMES}|.*(?:cookie|auth|secret|api-?key|session|csrf).*|openai-(?:organization|project)", re.IGNORECASE
)
_PATTERNS = [
    re.compile(rb'"(?:' + _NAMES.encode() + rb')"\s*:\s*"(?P<secret>(?:[^"\\]|\\.)+)"', re.IGNORECASE),
    re.compile(rb"\b(?:Bearer|Basic)\s+(?P<secret>(?=[\w.~+/=-]*\d)[\w.~+/=-]{12,})", re.IGNORECASE),
    # Keys of OpenAI and its like, Google, GitHub, Hugging Face, Slack and AWS; and JSON web tokens.
    re.compile(
        rb"(?P<secret>\b(?:(?:sk|pk|rk)-[\w-]{16,}|AIza[\w-]{30,}|gh[pousr]_\w{20,}|hf_\w{20,}|xox[a-z]-[\w-]{10,}"
        rb"|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*))"
    ),
]


class SecretFilter:
    """Hides the credentials of one exchange wherever they stand, and whatever looks like one.

    Args:
        headers: The request's headers; what those that authenticate hold is looked for everywhere.
        texts: Further texts to hide.
    """

    def __init__(self, headers: Mapping[str, str], texts: Iterable[str] = ()) -> None:
        known = {*texts}
        for name, value in headers.items():
            if _HEADER_NAME.fullmatch(name):
                known |= {value, *re.split(r"[\s;,=]+", value)}
        longest_first = sorted((text for text in known if len(text) >= _SHORTEST), key=len, reverse=True)
        self._known = [re.compile(b"(?P<secret>" + re.escape(text.encode()) + b")") for text in longest_first]

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        # A lone surrogate, which JSON can hold, has no bytes of its own.
        [hidden] = self.pieces([text.encode("utf-8", "surrogatepass")])
        return hidden.decode("utf-8", "surrogatepass")

    def pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Return pieces of one text without secrets, also those that stand across a border; as many as were given."""
        whole = b"".join(pieces)
        spans = self._spans(whole)
        if not spans:
            return list(pieces)
        hidden: list[bytes] = []
        start = 0
        for piece in pieces:
            end = start + len(piece)
            kept, position = b"", start
            for first, last in spans:
                if first < end and last > start:
                    kept += whole[position : max(first, position)] + (HIDDEN.encode() if first >= start else b"")
                    position = min(last, end)
            hidden.append(kept + whole[position:end])
            start = end
        return hidden

    def json(self, value: object) -> object:
        """Return a JSON value without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            return {
                name: HIDDEN if isinstance(item, str) and _NAME.fullmatch(name) else self.json(item)
                for name, item in cast("dict[str, object]", value).items()
            }
        return value

    def target(self, target: str) -> str:
        """Return a path with its query, the fields of the query in order of their names, without secrets."""
        url = urlsplit(target)
        fields = sorted(parse_qsl(url.query, keep_blank_values=True))
        query = urlencode(
            [(name, HIDDEN if _QUERY_NAME.fullmatch(name) else value) for name, value in fields], safe="[]"
        )
        return self.text(url.path + (f"?{query}" if query else ""))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that are no credentials, without secrets."""
        return {name: self.text(value) for name, value in headers.items() if not _HEADER_NAME.fullmatch(name)}

    def _spans(self, whole: bytes) -> list[tuple[int, int]]:
        """Return where secrets stand, in order and without overlaps."""
        spans: list[tuple[int, int]] = []
        for first, last in sorted(self._found(whole)):
            if spans and first < spans[-1][1]:
                spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
            else:
                spans.append((first, last))
        return spans

    def _found(self, whole: bytes) -> Iterator[tuple[int, int]]:
        for pattern in (*self._known, *_PATTERNS):
            for found in pattern.finditer(whole):
                yield found.span("secret")

    def __repr__(self) -> str:
        return f"SecretFilter({len(self._known)} texts)"
