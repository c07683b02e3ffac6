"""Where a command writes: the answer to stdout, the rest to stderr, and nothing that could control a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from typing import TextIO

import typer

__all__ = ["Console", "dimmable", "printable"]

_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # which turn the text around, so that it reads otherwise
    r"\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f]"  # which end lines, or are invisible
)
_DROPPED = "\r\u061c\u200e\u200f"  # marks of Arabic and Hebrew texts have no symbol and are at home in them


def printable(text: str) -> str:
    """Return text that no terminal takes for a command: only tabs and line feeds are left of all control characters.

    Each of the others is replaced by its symbol, so that what was sent stays visible; carriage returns, which could
    overwrite a line, are dropped. What turns text around goes the same ways, so that letters stay in the order in which
    they were sent. It looks at one character at a time, so no sequence can hide between two chunks.
    """
    return _CONTROLS.sub(_symbol, text)


def _symbol(found: re.Match[str]) -> str:
    code = ord(found.group())
    if found.group() in _DROPPED:
        return ""
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"


def dimmable(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that may be asked to dim text."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


class Console:
    """Stdout and stderr of one run, used in turns so that each starts on a line of its own."""

    def __init__(self) -> None:
        # Neither exists in a process that was started with them closed.
        self._out: TextIO = sys.stdout if sys.stdout is not None else io.StringIO()
        self._err: TextIO = sys.stderr if sys.stderr is not None else io.StringIO()
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                # An answer must not end in a traceback because a terminal lacks one of its letters.
                stream.reconfigure(errors="replace")
        self._shows_reasoning = dimmable(self._err)
        self._in_line = False
        self._in_reasoning = False

    @property
    def is_watched(self) -> bool:
        """Whether stderr is a terminal, so that a person may be reading along."""
        return self._err.isatty()

    @property
    def is_read_by_a_person(self) -> bool:
        """Whether stdout is a terminal."""
        return self._out.isatty()

    def text(self, text: str) -> None:
        """Write a piece of the answer to stdout at once.

        Raises:
            BrokenPipeError: Nobody reads stdout any more.
        """
        if not text:
            return
        self._end_reasoning()
        shown = printable(text)
        self._out.write(shown)
        self._out.flush()
        if shown:
            self._in_line = not shown.endswith("\n")

    def line(self, text: str) -> None:
        """Write a whole line to stdout."""
        self.text(text + "\n")

    def reasoning(self, text: str) -> None:
        """Show the model thinking, dimmed on stderr; only where that is a terminal that can dim."""
        if self._shows_reasoning and text:
            self.end_line()
            self._echo(printable(text), dim=True, newline=False)
            self._in_reasoning = not text.endswith("\n")

    def note(self, text: str, *, dim: bool = False) -> None:
        """Write one line to stderr, below whatever has been written so far."""
        self._end_reasoning()
        self.end_line()
        self._echo(printable(text), dim=dim)

    def end_line(self) -> None:
        """End the line that stdout is in, if it is in one."""
        if self._in_line:
            self._in_line = False
            self._out.write("\n")
            self._out.flush()

    def abandon(self) -> None:
        """Drop streams without a reader, so that Python's own flush at exit has nothing to complain about."""
        for stream in (self._out, self._err):
            try:
                stream.flush()
            except OSError:
                with suppress(OSError):
                    null = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(null, stream.fileno())
                    os.close(null)

    def _end_reasoning(self) -> None:
        if self._in_reasoning:
            self._in_reasoning = False
            self._echo("")

    def _echo(self, text: str, *, dim: bool = False, newline: bool = True) -> None:
        if dim and dimmable(self._err):
            text = typer.style(text, dim=True)
        typer.echo(text, file=self._err, nl=newline)
