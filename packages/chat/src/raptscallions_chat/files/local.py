"""Files in a folder of this machine."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["LocalFiles", "files_from_url"]

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}(/[a-z0-9][a-z0-9-]{0,99}){0,4}")


class LocalFiles:
    """Keeps each file under its key in a folder; what is written is there whole or not at all.

    Args:
        folder: The folder; it is made when the first file is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, data: bytes) -> None:
        """Store bytes; putting the same again is no error.

        Raises:
            ValueError: The key is not made of small letters, digits, dashes and slashes.
            OSError: The folder cannot be written.
        """
        await asyncio.to_thread(_write, self._path(key), data)

    async def get(self, key: str) -> bytes:
        """Return bytes.

        Raises:
            KeyError: There are none of this key.
        """
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            raise KeyError(key) from None

    async def delete(self, key: str) -> None:
        """Delete bytes; that there are none is no error."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("a key must be made of small letters, digits, dashes and slashes")
        return self._folder / key


def files_from_url(url: str) -> LocalFiles:
    """Return the files of `CHAT_STORAGE_URL`: `file:folder`, or `file:///absolute/folder`."""
    parts = urlsplit(url)
    return LocalFiles(Path(unquote(parts.path)))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
