"""`AuditFile`: audit records as lines of JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from raptscallions_ai.proxy.audit import AuditRecord

__all__ = ["AuditFile"]

_OF_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens", "cost")


class AuditFile:
    """An `audit` of a proxy that appends one line of JSON for each request.

    Args:
        path: The file, which only its owner can read if it is made here.

    Raises:
        ConfigurationError: It cannot be written.
    """

    def __init__(self, path: str) -> None:
        place = Path(path)
        try:
            place.touch(mode=0o600, exist_ok=True)
            self._file = place.open("ab", buffering=0)
        except OSError as error:
            raise ConfigurationError(f"The audit file cannot be written: {error.strerror}") from None

    def __call__(self, record: AuditRecord) -> None:
        """Append a record."""
        fields: dict[str, Any] = {**asdict(record), "usage": None}
        if record.usage is not None:
            fields["usage"] = {name: getattr(record.usage, name) for name in _OF_USAGE}
        self._file.write(msgspec.json.encode(fields) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
