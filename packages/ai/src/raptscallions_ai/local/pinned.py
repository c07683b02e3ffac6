"""Files that are accepted only when size and sha256 are the ones written down here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

__all__ = ["PinnedFile", "in_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file known by its content.

    Attributes:
        name: The file's name, or its path inside an archive.
        size: Length in bytes.
        sha256: Lower-case hexadecimal digest of the whole content.
    """

    name: str
    size: int
    sha256: str

    def matches(self, path: Path) -> bool:
        """Return whether the file at `path` exists and is exactly this one (about 0.1 s for 100 MB)."""
        try:
            if path.stat().st_size != self.size:
                return False
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a function that touches the disk in a thread, and never leave that thread behind.

    A cancelled caller waits for the function to end before `CancelledError` goes on, because a lock that the
    caller holds must not be released while the thread still writes.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
