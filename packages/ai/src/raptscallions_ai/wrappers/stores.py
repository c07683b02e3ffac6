"""Stores for a `CachedClient`: in memory, or in files that no other user can read."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raptscallions_ai._guards.imports import require_extra
from raptscallions_ai._guards.private_files import others_can, owned_by_another

if TYPE_CHECKING:
    from key_value.aio.protocols.key_value import AsyncKeyValue

__all__ = ["disk_store", "memory_store"]

_PUTS_UNTIL_A_LOOK = 100


def memory_store(max_entries: int = 1000) -> AsyncKeyValue:
    """Return a store for a `CachedClient` in the memory of this process; needs the extra `cache`.

    Args:
        max_entries: How many answers it keeps; the least recently used is dropped first.
    """
    require_extra("cache", "key_value.aio.stores.memory")
    from key_value.aio.stores.memory import MemoryStore

    return MemoryStore(max_entries_per_collection=max_entries)


def disk_store(directory: str | Path, *, max_entries: int = 10_000) -> AsyncKeyValue:
    """Return a store for a `CachedClient` in files, one for each answer; needs the extra `cache`.

    Answers are stored as plain text, so it is for one user only. Expired ones are deleted when they are looked up, or
    all together by the store's `cull()`.

    Args:
        directory: The directory; if it does not exist, it is created so that no other user can read it.
        max_entries: About how many answers it keeps; the oldest go first. This is checked every hundred answers.

    Raises:
        ValueError: The directory is another user's, a link of another user's, or open to other users; or
            `max_entries` is not positive.
    """
    require_extra("cache", "key_value.aio.stores.filetree")
    from key_value.aio.stores.filetree import FileTreeStore

    if max_entries < 1:
        raise ValueError("max_entries must be a whole number from 1")
    place = Path(directory)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(place)

    class BoundedFiles(FileTreeStore):
        """Files, and no more than so many."""

        _puts = 0

        async def put(self, *arguments: Any, **options: Any) -> None:
            """Keep a value, and now and then look how many there are."""
            await super().put(*arguments, **options)
            self._puts += 1
            if self._puts % _PUTS_UNTIL_A_LOOK == 1:
                await asyncio.to_thread(_delete_oldest, place, max_entries)

    return BoundedFiles(data_directory=place)


def _check_owner(place: Path) -> None:
    if owned_by_another(place):
        raise ValueError(f"{place} belongs to another user, who could read the answers and write others")
    if others_can(place, stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{place} is open to other users, who could read the answers: chmod it to 700")


def _delete_oldest(place: Path, most: int) -> None:
    times: list[tuple[float, Path]] = []
    for path in place.glob("*/*.json"):
        try:
            times.append((path.stat().st_mtime, path))
        except FileNotFoundError:  # another process was faster
            continue
    for _, path in sorted(times)[: max(0, len(times) - most)]:
        path.unlink(missing_ok=True)
