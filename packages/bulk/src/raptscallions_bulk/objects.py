"""`ObjectCopy`: a copy of a run's folder in object storage (extra `objects`)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from raptscallions_bulk.errors import RunFolderError, StorageError

__all__ = ["ObjectCopy"]

_FIXED = ("answers/*.jsonl", "journal/*.snapshot")  # are never changed once their process has ended
_CHANGING = ("index/*.index", "run.json")  # the last of them makes the copy one of this end


class ObjectCopy:
    """A copy of a run's folder, as it was when a process had ended in good order.

    Args:
        url: Where it is: `s3://bucket/runs/tickets`, `gs://...`, `az://...` or `file:///...`; keys come from the
            environment, as each store has it.

    Raises:
        ImportError: The extra is not installed.
        StorageError: It is no URL of a store.
    """

    def __init__(self, url: str) -> None:
        try:
            self._obstore: Any = import_module("obstore")
            stores: Any = import_module("obstore.store")
        except ImportError as error:
            raise ImportError("obstore is missing: install raptscallions-bulk[objects]") from error
        self._url, self._error = url, import_module("obstore.exceptions").BaseError
        try:
            self._store = stores.from_url(url)
        except (self._error, ValueError) as error:
            raise StorageError(f"{url} is no place in object storage: {error}") from None

    def send(self, folder: Path) -> int:
        """Copy what is not there yet, and return how many files that was; no process may own the run meanwhile.

        Raises:
            RunFolderError: The copy is of another run, or of a later end of this one.
            StorageError: The store does not take it.
        """
        try:
            return self._send(folder)
        except (self._error, OSError) as error:
            raise StorageError(f"{self._url}: {error}") from None

    def fetch(self, folder: Path) -> int:
        """Make the folder again of its copy, and return how many files that was.

        Rows that were asked after the copy was made are not in it, and would be asked again.

        Raises:
            RunFolderError: The folder holds something.
            StorageError: There is no copy, or it cannot be read.
        """
        if folder.exists() and any(folder.iterdir()):
            raise RunFolderError(f"{folder} holds something; choose an empty or a new folder")
        try:
            names = sorted(self._sizes(), key=lambda name: name == "run.json")
            if "run.json" not in names:
                raise StorageError(f"{self._url} has no copy of a run")
            for name in names:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    for piece in self._obstore.get(self._store, name).stream():
                        file.write(piece)
        except self._error as error:
            raise StorageError(f"{self._url}: {error}") from None
        return len(names)

    def _send(self, folder: Path) -> int:
        there, sent = self._sizes(), 0
        for path in [path for pattern in _FIXED for path in sorted(folder.glob(pattern))]:
            name = path.relative_to(folder).as_posix()
            if name not in there:
                # Refused if somebody else was first.
                self._obstore.put(self._store, name, path, mode="create", use_multipart=False)
                sent += 1
            elif there[name] != path.stat().st_size:
                raise RunFolderError(f"{self._url} has the copy of another run, or of a later end of this one")
        for path in [path for pattern in _CHANGING for path in sorted(folder.glob(pattern))]:
            self._obstore.put(self._store, path.relative_to(folder).as_posix(), path)
            sent += 1
        kept = {path.name for path in (folder / "journal").glob("*.snapshot")}
        for name in there:
            if name.startswith("journal/") and name.removeprefix("journal/") not in kept:
                self._obstore.delete(self._store, name)
        return sent

    def _sizes(self) -> dict[str, int]:
        return {each["path"]: each["size"] for batch in self._obstore.list(self._store) for each in batch}
