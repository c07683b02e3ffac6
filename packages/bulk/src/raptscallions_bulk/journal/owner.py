"""Who owns a run's folder: one process, until it ends or another one takes over."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from raptscallions_bulk.errors import OwnerLostError, RunFolderError

__all__ = ["Owner"]


class Owner:
    """The lock of a run's folder, and a note of who holds it.

    The lock goes with the process, however that ends. On file systems whose locks are not to be trusted, and in
    processes that were forked or stopped for long, the note tells: it changes with each owner, and what is written
    without it counts for nothing, because a new owner writes into files of its own.

    Args:
        folder: The run's folder, which exists.

    Raises:
        RunFolderError: Another process owns the run.
    """

    def __init__(self, folder: Path) -> None:
        self._note = folder / "owner.json"
        self._lock = FileLock(folder / "owner.lock", thread_local=False)
        self._pid = os.getpid()
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise RunFolderError(f"{folder} is in use by {self._holder()}; wait for it, or stop it") from None
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be locked: {error.strerror}") from None
        note = {"pid": self._pid, "host": socket.gethostname(), "token": uuid.uuid4().hex}
        temporary = self._note.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(note))
        temporary.replace(self._note)
        self._mark = self._read_mark()

    def check(self) -> None:
        """Make sure that the run is still ours.

        Raises:
            OwnerLostError: It is not.
        """
        if os.getpid() != self._pid or self._read_mark() != self._mark:
            raise OwnerLostError(f"{self._note.parent} has another owner now; this process writes nothing more")

    def release(self) -> None:
        """Let the run go; safe to call again."""
        if os.getpid() == self._pid:
            self._lock.release()

    def _read_mark(self) -> tuple[int, int, int]:
        try:
            found = self._note.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _holder(self) -> str:
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=dict[str, object])
        except (OSError, ValueError):
            return "another process"
        return f"process {note.get('pid')} on {note.get('host')}"
