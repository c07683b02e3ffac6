"""What a person sees while the weights are being fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["fetch_progress", "say"]


def say(line: str, progress: bool | None) -> None:
    """Write one line to stderr unless progress is switched off."""
    if progress is not False and sys.stderr is not None:  # there is none under pythonw
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@contextmanager
def fetch_progress(name: str, size: int, folder: str, progress: bool | None) -> Generator[Callable[[int], None]]:
    """Show how far a download is, and yield a function to call with the number of bytes on disk.

    Args:
        name: What is being fetched.
        size: Its length in bytes.
        folder: Where it is going to be.
        progress: True for a bar on stderr, False for silence, None for a bar on a terminal and otherwise one line.
    """
    line = f"Downloading the local model {name} ({size / 1e6:.0f} MB, once) into {folder}"
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (progress or (progress is None and terminal)):
        say(line, progress)
        yield lambda done: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.percentage:>3.0f}%"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=console.is_terminal,  # elsewhere the last state is all there is to see
    )
    with bar:
        task = bar.add_task(name, total=size)
        yield lambda done: bar.update(task, completed=done)
