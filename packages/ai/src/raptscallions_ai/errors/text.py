"""Texts from others made safe for a log, a terminal or an error: printable, on one line, not long."""

from __future__ import annotations

__all__ = ["one_line", "printable_line", "printable_lines"]

_LONGEST = 200  # characters of a name; the longest model id known is half of that


def one_line(text: object, longest: int = _LONGEST) -> str:
    """Return a text on one printable line, cut where it is too long.

    Otherwise the name of a model or a tenant could add lines to a log, or control a terminal.

    Args:
        text: The text; anything else becomes one first.
        longest: The most characters to keep.
    """
    whole = text if isinstance(text, str) else str(text)
    line = printable_line(whole[: 4 * longest])
    return line if len(line) <= longest and len(whole) <= 4 * longest else line[: longest - 1] + "…"


def printable_lines(text: str, longest: int) -> str:
    """Return a text whose lines are printable and not long, for our own texts of several lines."""
    return "\n".join(_indent(line) + one_line(line, longest) for line in text.split("\n"))


def printable_line(text: str) -> str:
    """Return a text on one line, without control characters, direction marks and zero-width characters.

    What is looked for and what it is looked for in both go through it, or an invisible mark would hide a quotation.
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip(" ")))
