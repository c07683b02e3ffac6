"""Reading a run's journal, by its owner or by anybody who only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from raptscallions_bulk.errors import RunFolderError
from raptscallions_bulk.journal.frames import Damage, read_frames
from raptscallions_bulk.journal.records import Record, decode

__all__ = ["read_records", "read_snapshot"]

OnDamage = Callable[[Path, Damage], None]


def read_snapshot(journal: Path) -> tuple[bytes | None, int]:
    """Return the newest snapshot, and the number of the segment that it follows; None and 0 if there is none.

    Raises:
        RunFolderError: It is damaged.
    """
    for path in sorted(journal.glob("*.snapshot"), reverse=True):
        contents = list(read_frames(path.read_bytes()))
        if len(contents) != 1 or isinstance(contents[0], Damage):
            raise RunFolderError(f"{path} is damaged; restore the folder from a copy")
        return contents[0], int(path.stem)
    return None, 0


def read_records(journal: Path, after: int, on_damage: OnDamage) -> Iterator[Record]:
    """Yield the records of all segments after one.

    Args:
        journal: The folder of the segments.
        after: The number of the segment that a snapshot follows.
        on_damage: Told of a file that does not end with a whole record, and may raise.
    """
    for path in sorted(journal.glob("*.log")):
        if int(path.stem) <= after:
            continue  # a snapshot has taken its place
        for content in read_frames(path.read_bytes()):
            if isinstance(content, Damage):
                on_damage(path, content)
            else:
                yield decode(content)
