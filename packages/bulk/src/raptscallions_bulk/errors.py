"""What can go wrong with a run itself; what goes wrong with a row is an `AiError` and stays with the row.

::

    BulkError
    ├── RunFolderError     the folder cannot be used: not a run's, another owner's, damaged
    │   └── OwnerLostError another process has taken the run over
    ├── RunChangedError    source, template, options or schema are not those that the run began with
    ├── SourceError        the source of rows, or one row of it, cannot be read
    ├── PriceError         nobody knows what a row may cost
    └── StorageError       the disk is full, or does not take what is written
"""

from __future__ import annotations

__all__ = [
    "BulkError",
    "OwnerLostError",
    "PriceError",
    "RunChangedError",
    "RunFolderError",
    "SourceError",
    "StorageError",
]


class BulkError(Exception):
    """The root of what can go wrong with a run itself; the message says what to do."""


class RunFolderError(BulkError):
    """The folder cannot be used: it is no run's, has another owner, or is damaged."""


class OwnerLostError(RunFolderError):
    """Another process has taken the run over; this one writes nothing more."""


class RunChangedError(BulkError, ValueError):
    """Source, template, options or schema are not those that the run began with."""


class SourceError(BulkError, ValueError):
    """The source of rows cannot be read, or a row lacks what the template asks for."""


class PriceError(BulkError, ValueError):
    """Nobody knows what a row may cost, so that no cap could hold."""


class StorageError(BulkError, OSError):
    """The disk is full, or does not take what is written; what had been written is safe."""
