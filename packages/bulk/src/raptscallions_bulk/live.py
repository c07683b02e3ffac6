"""Two small files by which a run and people talk while it goes on: its status, and the limits that they set."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from raptscallions_bulk.report import Status

__all__ = ["read_limits", "write_limits", "write_status"]


class _Limits(msgspec.Struct):
    max_open: int | None = None


def write_status(folder: Path, status: Status) -> None:
    """Tell where a run is; that it cannot be told is no reason to stop."""
    with contextlib.suppress(OSError):
        _replace(folder / "status.json", msgspec.json.encode(status))


def write_limits(folder: Path, *, max_open: int) -> None:
    """Set the most requests at a time, for the process that runs it now or next."""
    _replace(folder / "limits.json", msgspec.json.encode(_Limits(max_open)))


def read_limits(folder: Path) -> int | None:
    """Return the most requests at a time that a person has set; None if nobody has."""
    try:
        return msgspec.json.decode((folder / "limits.json").read_bytes(), type=_Limits).max_open
    except (OSError, ValueError):
        return None


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(data)
    temporary.replace(path)
