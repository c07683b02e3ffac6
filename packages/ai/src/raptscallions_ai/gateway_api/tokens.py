"""How many tokens a conversation has, estimated: for planning, not for billing.

Each model has its own tokenizer, and most are not public. What is known without one: text of one script, and of one
kind, has about so many tokens per letter in all of them. The figures below were fitted to the tokenizers of GPT-4o,
Llama 3, Gemma 3, Qwen 3 and DeepSeek V3 over the Universal Declaration of Human Rights in 35 languages, source code,
Markdown, JSON and tables of numbers; docs/guides/models-and-account.md shows how far off they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import ContextLengthError
from raptscallions_ai.messages.message import to_wire

if TYPE_CHECKING:
    from raptscallions_ai.messages.message import Messages

__all__ = ["TokenCounter", "TokenEstimate", "check_fit", "estimate_tokens"]

TokenCounter: TypeAlias = Callable[[str], int]
"""A function that counts the tokens of a text exactly, such as one around a tokenizer of the model at hand."""


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """How many tokens something has, approximately.

    Attributes:
        tokens: The best guess.
        at_least: Fewer are unlikely.
        at_most: More are unlikely.
        uncounted: How many parts (files, audio, video) are not counted, because that cannot be known from outside.
    """

    tokens: int
    at_least: int
    at_most: int
    uncounted: int = 0


class _Range(NamedTuple):
    """Tokens of one thing: a good guess, and what the tokenizers with the fewest and the most make of it."""

    guess: float
    least: float
    most: float


_WORD = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_ORDINARY_LENGTH = 6  # letters of a word that is usually one token
_BREAK = re.compile(r"\n\s*|[ \t]{2,}")
_WORDS = _Range(0.85, 0.7, 1.35)  # each, with the space before it
_FURTHER_LETTERS = _Range(0.36, 0.2, 0.7)  # each letter beyond the ordinary length
_MARKED_LETTERS = _Range(1.2, 0.3, 2.0)  # each letter with an accent or the like
_BREAKS = _Range(0.66, 0.4, 0.95)
_PUNCTUATION = _Range(0.5, 0.35, 0.85)
_OTHER = _Range(0.86, 0.3, 3.0)  # letters of rarer scripts, and emoji

# The first and the last code point of a script, and the tokens of each letter.
_SCRIPTS: tuple[tuple[int, int, _Range], ...] = (
    (0x30, 0x39, _Range(0.58, 0.5, 1.05)),  # digits
    (0x21, 0x7E, _PUNCTUATION),
    (0xA1, 0xBF, _PUNCTUATION),
    (0x370, 0x3FF, _Range(0.43, 0.38, 1.05)),  # Greek
    (0x400, 0x52F, _Range(0.31, 0.24, 0.55)),  # Cyrillic
    (0x590, 0x5FF, _Range(0.54, 0.43, 1.2)),  # Hebrew
    (0x600, 0x77F, _Range(0.45, 0.35, 0.9)),  # Arabic
    (0x900, 0xDFF, _Range(0.55, 0.26, 1.6)),  # scripts of India
    (0xE00, 0xEFF, _Range(0.44, 0.33, 0.65)),  # Thai, Lao
    (0x1100, 0x11FF, _Range(0.78, 0.6, 1.0)),  # Hangul
    (0x1F00, 0x1FFF, _Range(0.6, 0.38, 1.5)),  # Greek with accents
    (0x2010, 0x203A, _PUNCTUATION),
    (0x3000, 0x303F, _PUNCTUATION),
    (0x3040, 0x30FF, _Range(0.7, 0.5, 0.95)),  # Kana
    (0x3400, 0x9FFF, _Range(0.73, 0.5, 1.0)),  # Han
    (0xAC00, 0xD7AF, _Range(0.78, 0.6, 1.0)),  # Hangul
    (0xFB1D, 0xFDFF, _Range(0.6, 0.35, 1.5)),  # Hebrew and Arabic, as they are printed
    (0xFF00, 0xFFEF, _PUNCTUATION),
)

_PER_MESSAGE = _Range(4, 3, 8)  # its role and the marks around it
_LOW_DETAIL = _Range(85, 85, 300)
_IMAGE = _Range(765, 85, 3000)  # a square of 1024 pixels for GPT-4o; what models charge depends on size and model


def estimate_tokens(
    messages: Messages, *, tools: Sequence[Mapping[str, Any]] = (), count: TokenCounter | None = None
) -> TokenEstimate:
    """Return about how many tokens a conversation has, without asking anybody.

    Args:
        messages: The conversation, as `stream_chat` takes it.
        tools: The tools that go with it.
        count: Counts the tokens of a text exactly, if you have the model's tokenizer; else they are estimated. The
            frame of each message and images are estimated in any case.

    Raises:
        TypeError: A message is of a wrong type.
        ValueError: A message has no role.
    """
    tally = _Tally(count)
    for message in to_wire(messages):
        tally.add(_PER_MESSAGE)
        tally.add_message(message)
    for tool in tools:
        tally.add_text(json.dumps(tool, ensure_ascii=False, default=str))
    return tally.estimate()


def check_fit(estimate: TokenEstimate, *, max_tokens: int | None, context_length: int | None) -> None:
    """Raise if a conversation, with the answer that is wanted, clearly does not fit.

    Args:
        estimate: The conversation's tokens.
        max_tokens: The most tokens of the answer.
        context_length: The tokens that the model takes; None if that is unknown.

    Raises:
        ContextLengthError: Even the fewest tokens that it may have are too many.
    """
    needed = estimate.at_least + (max_tokens or 0)
    if context_length is not None and needed > context_length:
        answer = f", the answer up to {max_tokens}" if max_tokens else ""
        raise ContextLengthError(
            message=f"Context length exceeded: the conversation has about {estimate.tokens} tokens, "
            f"at least {estimate.at_least}{answer}, and the model takes {context_length}",
            max_tokens=context_length,
            requested_tokens=needed,
        )


class _Tally:
    def __init__(self, count: TokenCounter | None) -> None:
        self._count = count
        self._sums = [0.0, 0.0, 0.0]
        self._uncounted = 0

    def add(self, tokens: _Range, times: int = 1) -> None:
        for position, each in enumerate(tokens):
            self._sums[position] += each * times

    def add_text(self, text: str) -> None:
        if self._count is not None:
            self.add(_Range(*[self._count(text)] * 3))
            return
        text = unicodedata.normalize("NFC", text)
        lengths = [len(word) for word in _WORD.findall(text)]
        self.add(_WORDS, len(lengths))
        self.add(_FURTHER_LETTERS, sum(length - _ORDINARY_LENGTH for length in lengths if length > _ORDINARY_LENGTH))
        self.add(_BREAKS, len(_BREAK.findall(text)))
        for letter, times in Counter(text).items():
            if not letter.isspace() and (tokens := _of_letter(letter)) is not None:
                self.add(tokens, times)

    def add_message(self, message: Mapping[str, object]) -> None:
        for key in ("content", "reasoning", "refusal", "name"):
            value = message.get(key)
            if isinstance(value, str):
                self.add_text(value)
            elif isinstance(value, Sequence):
                for part in cast("Sequence[object]", value):
                    self._add_part(cast("Mapping[str, object]", part) if isinstance(part, Mapping) else {})
        for call in json_list(message.get("tool_calls")):
            function = json_object(json_object(call).get("function"))
            self.add_text(f"{function.get('name')} {function.get('arguments')}")

    def _add_part(self, part: Mapping[str, object]) -> None:
        if isinstance(text := part.get("text"), str):
            self.add_text(text)
        elif part.get("type") == "image_url":
            low = json_object(part.get("image_url")).get("detail") == "low"
            self.add(_LOW_DETAIL if low else _IMAGE)
        else:
            self._uncounted += 1

    def estimate(self) -> TokenEstimate:
        guess, least, most = self._sums
        return TokenEstimate(round(guess), round(least), round(most), self._uncounted)


def _of_letter(letter: str) -> _Range | None:
    """Return what a letter adds; None for those whose words have been counted."""
    if _WORD.match(letter):
        return None if letter.isascii() else _MARKED_LETTERS
    code = ord(letter)
    return next((tokens for first, last, tokens in _SCRIPTS if first <= code <= last), _OTHER)
