"""Text that every database and every reader can hold."""

from __future__ import annotations

__all__ = ["clean", "first_words"]


def clean(text: str) -> str:
    """Return a text without what PostgreSQL or UTF-8 cannot hold: U+0000 and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def first_words(text: str, limit: int = 60) -> str:
    """Return the beginning of a text as a title: whole words, at most `limit` characters, on one line."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head, space, _ = line[: limit - 1].rpartition(" ")
    return (head if space and len(head) > limit // 2 else line[: limit - 1]).rstrip(" ,.;:-") + "\u2026"
