"""Keep the key and the prompt out of what a gateway says back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn, cast

from raptscallions_ai.errors.text import printable_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Redactor"]

_WINDOW = 16  # characters of the prompt in a row that count as quoting it
_SHORTEST = 8  # a message shorter than this, or of one word shorter than a window, is too ordinary to look for
_SHORTEST_SECRET = 6  # what a server on this machine is given for a key is a letter or a word, and in every sentence
_LONGEST = 65_536  # characters of one text that are looked for: the middle of an image is never quoted
_MOST_SEARCHED = 4 * _LONGEST
_HIDDEN = "[hidden]"
# A word with a digit, an at sign or a joint in it is a name, a number or an address rather than ordinary language.
_TELLING_WORD = re.compile(r"(?<![\w.@+-])(?=[\w.@+-]*[\d@_-])[\w.@+-]{6,}")


class Redactor:
    """Replace the key, and anything quoted from the conversation, in a text.

    Gateways echo requests in their errors: validation errors quote the input, moderation quotes what it flagged.

    Args:
        secrets: Texts that must never appear, such as the key; shorter ones than six letters are not looked for.
        conversation: The request's messages in the wire format.
    """

    def __init__(self, secrets: Iterable[str], conversation: Sequence[object]) -> None:
        self._secrets = secrets  # looked at each time: a key may have been fetched meanwhile
        self._conversation = conversation

    def __call__(self, text: str) -> str:
        """Return `text` without the secrets and without quotations of the conversation."""
        for secret in self._secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, _HIDDEN)
        quotable = self._quotable()
        for phrase in sorted(quotable, key=len, reverse=True):
            if _SHORTEST <= len(phrase) <= len(text) and not (phrase.isalpha() and len(phrase) < _WINDOW):
                text = text.replace(phrase, _HIDDEN)
        everything = "\n".join(quotable)
        text = _without_quotations(text, everything)
        return _TELLING_WORD.sub(lambda word: _HIDDEN if word[0] in everything else word[0], text)

    def hiding(self, texts: Sequence[object]) -> Redactor:
        """Return one that hides further parts of the conversation, too."""
        return Redactor(self._secrets, [*self._conversation, *texts])

    def _quotable(self) -> list[str]:
        """Return the texts of the conversation, the last first, as many as can be searched in no time to speak of."""
        texts: list[str] = []
        left = _MOST_SEARCHED
        for message in reversed(self._conversation):
            for text in _strings(message):
                if left <= 0:
                    return texts
                texts.append(printable_line(text[: min(left, _LONGEST)]))
                left -= len(texts[-1])
        return texts

    def __reduce__(self) -> NoReturn:
        raise TypeError("the state of a call cannot be pickled or copied: it holds the key and the conversation")

    def __repr__(self) -> str:
        return "Redactor(...)"


def _without_quotations(text: str, source: str) -> str:
    """Hide each run of `text` that is also a run of `said` and at least a window long."""
    windows = [text[start : start + _WINDOW] for start in range(len(text) - _WINDOW + 1)]
    looked_for = frozenset(windows)
    starts = range(len(source) - _WINDOW + 1)
    quoted = {window for start in starts if (window := source[start : start + _WINDOW]) in looked_for}
    out: list[str] = []
    hidden_until = 0
    for start, letter in enumerate(text):
        if start < len(windows) and windows[start] in quoted:
            if start >= hidden_until:
                out.append(_HIDDEN)
            hidden_until = start + _WINDOW
        if start >= hidden_until:
            out.append(letter)
    return "".join(out)


def _strings(value: object) -> Iterator[str]:
    """Yield every text in the conversation that a person or a tool wrote; roles, types and ids are no secret."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            if key not in ("role", "type", "id", "tool_call_id"):
                yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[object]", value):
            yield from _strings(item)
