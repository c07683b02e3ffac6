"""Files and folders of this user alone: who owns them, and who else could read or write them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["open_private", "others_can", "owned_by_another"]


def owned_by_another(path: Path) -> bool:
    """Whether a file, or a link to it, is another user's; root's links are anybody's."""
    if os.name != "posix":
        return False
    me = os.geteuid()
    return path.stat().st_uid != me or path.lstat().st_uid not in (me, 0)


def others_can(path: Path, what: int) -> bool:
    """Whether other users have a right to a file, such as `stat.S_IWOTH`."""
    return os.name == "posix" and bool(path.stat().st_mode & what)


def open_private(path: Path) -> int:
    """Create or empty a file that only this user can read, and return its descriptor; a link is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)
    if os.name == "posix":  # one that was there keeps its mode
        os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
    return descriptor
