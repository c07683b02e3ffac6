"""What a conversation is called before anybody has named it: its first words."""

from __future__ import annotations

import re

__all__ = ["MAX_TITLE", "clean_title", "first_words"]

MAX_TITLE = 200
_LONGEST = 60


def first_words(text: str) -> str:
    """Return the first words of a message as a title of at most 60 characters; empty if there are none.

    Marks of Markdown at the beginning, and line breaks, are left out; a cut is made between words where there are any.
    """
    line = next((line for line in text.splitlines() if re.search(r"\w", line)), "")
    words = " ".join(re.sub(r"^[\s#>*`~+-]+", "", line).split()).rstrip("`*~ ")
    if len(words) <= _LONGEST:
        return words
    cut = words[: _LONGEST - 1]
    whole = cut.rpartition(" ")[0] if words[_LONGEST - 1] != " " else cut
    return (whole if len(whole) >= _LONGEST // 2 else cut).rstrip(" ,.;:-") + "\u2026"


def clean_title(text: str) -> str:
    """Return what a model or a person gave as a title: one line, no quotes around it, at most 200 characters."""
    line = " ".join(text.split())
    while len(line) > 1 and (line[0] + line[-1]) in {'""', "''", "\u201c\u201d", "\u00ab\u00bb", "**", "``"}:
        line = line[1:-1].strip()
    return line.removeprefix("Title:").strip()[:MAX_TITLE].rstrip()
