"""`RunStore`: the folder of a run, opened: its journal, its ledger, and the index of its requests."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from raptscallions_bulk.errors import RunChangedError, RunFolderError
from raptscallions_bulk.index import RequestIndex
from raptscallions_bulk.journal.committer import Committer
from raptscallions_bulk.journal.records import Answered, Opened, Record, Sent
from raptscallions_bulk.journal.storage import Storage
from raptscallions_bulk.ledger.ledger import Ledger
from raptscallions_bulk.money import amount_of, to_pico
from raptscallions_bulk.rows.answers import AnswerLine, read_line

__all__ = ["RunFile", "RunStore"]

_FORMAT = 1
_LIVE = ("status.json", "limits.json")


class RunFile(msgspec.Struct, omit_defaults=True):
    """`run.json`: what a run is about. It holds no key, and nothing of any row.

    Attributes:
        format: The version of the folder's layout.
        source: The name of the source, and what is different when its rows are.
        asks: What is different when other requests are made of them.
        base: The number of the source's first row, which grows when a changed source takes the place of an earlier one.
        rows: How many rows there are, once that is known.
        command: What the command line needs to go on.
        caches: Whether the gateway has shown that it keeps answers.
        token: What tells this run's requests in batches from those of others.
    """

    format: int = _FORMAT
    source: dict[str, Any] = {}
    asks: dict[str, str] = {}
    base: int = 0
    rows: int | None = None
    command: dict[str, Any] = {}
    caches: bool = False
    token: str = ""


class RunStore:
    """The folder of a run, owned by this process.

    Args:
        folder: The folder; made if it is not there.
        rows: About how many rows there will be.

    Attributes:
        file: What `run.json` says.
        ledger: The state of all rows.
        index: Which row asked what first.
        is_new: Whether the folder held no run.

    Raises:
        RunFolderError: It is another run's owner's, or damaged.
    """

    def __init__(self, folder: Path, *, rows: int = 0) -> None:
        self._path = folder / "run.json"
        self.is_new = not self._path.exists()
        if self.is_new and folder.exists() and any(folder.iterdir()):
            names = {path.name for path in folder.iterdir()}
            if names - {"owner.lock", "owner.json", "owner.new", "ballast", "journal", "answers", "index", *_LIVE}:
                raise RunFolderError(f"{folder} holds something else than a run; choose an empty or a new folder")
        self.storage = Storage(folder)
        try:
            self.file = self._read()
            snapshot, records = self.storage.load()
            self.ledger = Ledger() if snapshot is None else Ledger.restored(snapshot)
            self.index = RequestIndex(folder / "index", rows)
            self._replay(list(records))
            self._take_unrecorded()
        except BaseException:
            self.storage.close()
            raise
        self.storage.prepare()
        self.committer = Committer(self.storage, self.ledger)

    async def begin(self) -> None:
        """Note that this process is the owner now; what was open before is in doubt from here on."""
        await self.committer.commit([*self._found, Opened(self.ledger.count("epoch") + 1, time.time())])

    def save(self) -> None:
        """Write `run.json`."""
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self.file), indent=2) + b"\n")
        temporary.replace(self._path)

    def adopt(self, source: dict[str, Any], asks: dict[str, str], *, changed: bool) -> None:
        """Make sure that this is the run that the folder is of, or let it become another one.

        Args:
            source: What is different when the rows are.
            asks: What is different when the requests are.
            changed: Whether a difference is meant, so that only rows whose request is new are asked.

        Raises:
            RunChangedError: There is a difference that is not meant.
        """
        before = self.file
        differences = [] if self.is_new else _differences(before, source, asks)
        if differences and not changed:
            raise RunChangedError(
                f"{' and '.join(differences)} changed since this run began; take a new folder, or ask only for what is "
                "new with changed=True (--changed)"
            )
        if differences:
            before.base += before.rows if before.rows is not None else self.next_number - before.base
            before.rows = None
        before.source, before.asks = source, asks
        before.token = before.token or uuid.uuid4().hex[:12]
        self.save()
        self.is_new = False

    def line(self, segment: int, offset: int) -> AnswerLine:
        """Return a line of answers."""
        return read_line(self.storage.read_line(segment, offset))

    async def aclose(self) -> None:
        """Write everything, and let the folder go; safe to call again."""
        await self.committer.aclose()
        self.index.close()
        self.storage.close()

    def _read(self) -> RunFile:
        if self.is_new:
            return RunFile()
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=RunFile)
        except ValueError as error:
            raise RunFolderError(f"{self._path} cannot be read: {error}") from None
        if file.format != _FORMAT:
            raise RunFolderError(f"{self._path} is of format {file.format}; this version knows {_FORMAT}")
        return file

    def _replay(self, records: list[Record]) -> None:
        for record in records:
            if isinstance(record, Sent):
                self.index.put(record.request, record.row)
            elif isinstance(record, Answered) and (entry := self.ledger.open.get(record.row)) is not None:
                self.index.locate(entry.request, record.row, record.segment, record.offset)
            self.ledger.apply(record)

    def _take_unrecorded(self) -> None:
        """Take the answers that were on the disk when the process died, and whose records were not yet."""
        self._found: list[Record] = []
        for segment, offset, text in self.storage.lines_after(*self.ledger.tail):
            try:
                line = read_line(text)
            except (ValueError, msgspec.ValidationError):
                continue  # cut off
            entry = self.ledger.open.get(line.row)
            if entry is None or line.error is not None or line.same_as is not None:
                continue
            cost, usage = to_pico(amount_of(line.cost or "0", "cost")), line.usage
            prompt, completion = (0, 0) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
            found = Answered(line.row, time.time(), cost, prompt, completion, line.seconds or 0.0, segment, offset)
            self.index.locate(entry.request, line.row, segment, offset)
            self._found.append(found)

    @property
    def next_number(self) -> int:
        """The number after that of the last row that anything is known of."""
        rows = [*self.ledger.open, *self.ledger.answered, *self.ledger.failed, *self.ledger.lost]
        return max(rows, default=-1) + 1


def _differences(file: RunFile, source: dict[str, Any], asks: dict[str, str]) -> list[str]:
    names = {"ask": "the template", "options": "the model, an option or the type of answers"}
    found = [text for name, text in names.items() if file.asks.get(name) != asks.get(name)]
    if file.source.get("digest") != source.get("digest") or file.source.get("size") != source.get("size"):
        found.insert(0, "the source")
    return found
