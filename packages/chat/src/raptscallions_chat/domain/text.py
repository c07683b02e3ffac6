"""Text that every database and every reader can hold."""

from __future__ import annotations

__all__ = ["clean"]


def clean(text: str) -> str:
    """Return a text without what PostgreSQL or UTF-8 cannot hold: U+0000 and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
