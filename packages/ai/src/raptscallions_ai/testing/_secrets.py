"""Secrets in recorded exchanges: what they look like, and their removal before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from raptscallions_ai.testing._secret_spans import HIDDEN, NAME, NAMES, is_secret, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["HIDDEN", "SecretFilter"]

_SHORTEST = 8  # a shorter text is too ordinary to be replaced wherever it stands
_QUERY_NAME = re.compile(rf"{NAMES}|key|token|sig|signature", re.IGNORECASE)
_HEADER_NAME = re.compile(
    rf"{NAMES}|.*(?:cookie|auth|secret|api-?key|session|csrf).*|.*(?:token|signature|credential|password)"
    r"|openai-(?:organization|project)",
    re.IGNORECASE,
)


class SecretFilter:
    """Hides the credentials of one exchange wherever they are, and everything that looks like one.

    Args:
        headers: The request's headers; what those that authenticate hold is looked foreverywhere.
        texts: Further texts to hide.
    """

    def __init__(self, headers: Mapping[str, str], texts: Iterable[str] = ()) -> None:
        known = {*texts}
        for name, value in headers.items():
            if _HEADER_NAME.fullmatch(name):
                known |= {value, *re.split(r"[\s;,=]+", value)}
        longest_first = sorted((text for text in known if len(text) >= _SHORTEST), key=len, reverse=True)
        self._known = [re.compile(re.escape(form)) for text in longest_first for form in _forms(text)]
        self._count = len(longest_first)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        # A lone surrogate, which JSON can hold, has no bytes of its own.
        [hidden] = self.pieces([text.encode("utf-8", "surrogatepass")])
        return hidden.decode("utf-8", "surrogatepass")

    def pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Return pieces of one text without secrets, even those that span several; as many pieces as were passed."""
        whole = b"".join(pieces)
        spans = secrets_in(whole.decode("latin-1"), self._known)  # a letter a byte, whatever the text is
        if not spans:
            return list(pieces)
        hidden: list[bytes] = []
        start = 0
        for piece in pieces:
            end = start + len(piece)
            out, position = b"", start
            for span in spans:
                if span.start < end and span.end > start:
                    replacement = span.text.encode("latin-1") if span.start >= start else b""
                    out += whole[position : max(span.start, position)] + replacement
                    position = min(span.end, end)
            hidden.append(out + whole[position:end])
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
                self.text(name): HIDDEN if is_secret(item) and NAME.fullmatch(name) else self.json(item)
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

    def __repr__(self) -> str:
        return f"SecretFilter({self._count} texts)"


def _forms(text: str) -> set[str]:
    """Return how a text may stand in a body that is read byte by byte, or in a URL."""
    return {text, text.encode().decode("latin-1"), quote(text, safe="")}
