"""The prompt of a one-shot chat: from the command line, from stdin, or both."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, BinaryIO

from raptscallions_ai.cli.failures import UsageError

if TYPE_CHECKING:
    from raptscallions_ai.cli.output import Console

__all__ = ["read_prompt"]

_SILENCE_S = 2.0


def read_prompt(argument: str | None, console: Console) -> str | None:
    """Return the prompt, or None if there is none and a person sits at the terminal.

    What is piped in follows the argument after a blank line, as in `git diff | raptscallions-ai chat "Sum it up"`;
    an argument of `-` stands for stdin alone.

    Args:
        argument: The prompt on the command line.
        console: Where to say that stdin is being waited for.

    Raises:
        UsageError: The prompt is empty, or stdin is not UTF-8 text.
    """
    at_terminal = sys.stdin is None or sys.stdin.isatty()
    if argument is None and at_terminal:
        return None
    parts = [] if argument in (None, "-") else [argument]
    if argument == "-" or not at_terminal:
        parts.append(_read_stdin(console))
    prompt = "\n\n".join(part for part in parts if part and part.strip())
    if not prompt:
        raise UsageError("there is no prompt; give one as an argument or on stdin")
    return prompt


def _read_stdin(console: Console) -> str:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        return ""
    if _is_silent(stream):
        # Someone's open but unused pipe would otherwise look like a hanging model.
        console.note("Waiting for the prompt on stdin; it ends with Ctrl-D. `</dev/null` gives none.", dim=True)
    try:
        return stream.read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError("stdin is not UTF-8 text") from None


def _is_silent(stream: BinaryIO) -> bool:
    try:
        return not select.select([stream], [], [], _SILENCE_S)[0]
    except (OSError, ValueError):  # Windows can wait for sockets only
        return False
