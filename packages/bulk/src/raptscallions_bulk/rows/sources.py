"""Sources of rows: files that are read piece by piece, and whatever can be iterated."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, cast

import msgspec

from raptscallions_bulk.errors import SourceError

__all__ = ["Numbered", "Source", "Wanted", "open_source"]

Wanted: TypeAlias = Callable[[int], bool]
"""Whether the row of a number is to be read; the others are passed by without being understood."""

Numbered: TypeAlias = "tuple[int, dict[str, Any] | SourceError]"
"""A row with its number, from 0; or what is wrong with it."""

_SAMPLE = 1 << 16  # bytes of each piece that a fingerprint looks at
_PIECES = 64
_decode = msgspec.json.Decoder().decode


class Source(Protocol):
    """Rows in an order that is always the same."""

    name: str

    def rows(self, wanted: Wanted) -> Iterator[Numbered]:
        """Yield the wanted rows, from the first on."""
        ...

    def count(self) -> int | None:
        """Return how many rows there are; None where only reading them all would tell."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what is different when the rows are; empty where that cannot be told from outside."""
        ...


def open_source(given: str | Path | Iterable[Any]) -> Source:
    """Return the source that a path or an object stands for.

    Args:
        given: The path of a JSONL, CSV, TSV, text (a prompt a line) or Parquet file, the first four also with `.gz`;
            or an iterable of dicts, or of texts, such as a list, a generator or a Hugging Face data set.

    Raises:
        SourceError: The file is not there, or is of no kind that is known.
    """
    if not isinstance(given, str | Path):
        return _Objects(given)
    path = Path(given)
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    kinds: dict[str, Callable[[Path], Source]] = {
        ".jsonl": _JsonLines,
        ".ndjson": _JsonLines,
        ".csv": _Table,
        ".tsv": _Table,
        ".txt": _TextLines,
        ".parquet": _Parquet,
    }
    kind = kinds.get(_suffix(path))
    if kind is None:
        raise SourceError(f"{path}: its name must end with one of {', '.join(kinds)}")
    return kind(path)


class _File:
    """A file of rows; its fingerprint is its size and what is at 64 places of it, both ends included."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    def count(self) -> int | None:
        return None

    def fingerprint(self) -> dict[str, Any]:
        size, digest = self.path.stat().st_size, hashlib.blake2b(digest_size=16)
        with self.path.open("rb") as file:
            if size <= _PIECES * _SAMPLE:
                digest.update(file.read())
            else:
                for piece in range(_PIECES):
                    file.seek((size - _SAMPLE) * piece // (_PIECES - 1))
                    digest.update(file.read(_SAMPLE))
        return {"size": size, "digest": digest.hexdigest()}

    def open(self) -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(self.path, "rb")) if self.path.suffix == ".gz" else self.path.open("rb")


class _Lines(_File):
    def rows(self, wanted: Wanted) -> Iterator[Numbered]:
        number = 0
        with self.open() as file:
            for line in file:
                if line.isspace():
                    continue
                if wanted(number):
                    yield number, self._row(number, line)
                number += 1

    def count(self) -> int | None:
        with self.open() as file:
            return sum(1 for line in file if not line.isspace())

    def _row(self, number: int, line: bytes) -> dict[str, Any] | SourceError:
        raise NotImplementedError


class _JsonLines(_Lines):
    def _row(self, number: int, line: bytes) -> dict[str, Any] | SourceError:
        try:
            row = _decode(line)
        except ValueError as error:
            return SourceError(f"{self.path}: row {number} is not JSON: {error}")
        if isinstance(row, str):
            return {"text": row}
        if not isinstance(row, dict):
            return SourceError(f"{self.path}: row {number} is not an object or a text")
        return cast("dict[str, Any]", row)


class _TextLines(_Lines):
    def _row(self, number: int, line: bytes) -> dict[str, Any] | SourceError:
        try:
            return {"text": line.decode("utf-8").rstrip("\r\n")}
        except UnicodeDecodeError:
            return SourceError(f"{self.path}: row {number} is not UTF-8")


class _Table(_File):
    def rows(self, wanted: Wanted) -> Iterator[Numbered]:
        for number, (header, cells) in enumerate(self._cells()):
            if not wanted(number):
                continue
            if len(cells) > len(header):
                yield number, SourceError(f"{self.path}: row {number} has more cells than the header has names")
            else:
                yield number, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))

    def count(self) -> int | None:
        return sum(1 for _ in self._cells())

    def _cells(self) -> Iterator[tuple[list[str], list[str]]]:
        text = gzip.open if self.path.suffix == ".gz" else open
        delimiter = "\t" if _suffix(self.path) == ".tsv" else ","
        # Excel begins its files with a byte order mark.
        with cast("IO[str]", text(self.path, "rt", encoding="utf-8-sig", newline="")) as file:
            reader = csv.reader(file, delimiter=delimiter)
            try:
                header = next(reader, None)
                if header is None:
                    return
                for cells in reader:
                    if cells:
                        yield header, cells
            except (csv.Error, UnicodeDecodeError) as error:
                raise SourceError(f"{self.path}: line {reader.line_num + 1} cannot be read: {error}") from None


class _Parquet(_File):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise ImportError("pyarrow is missing: install raptscallions-bulk[parquet]") from error
        self._open: Any = ParquetFile  # which has no types

    def rows(self, wanted: Wanted) -> Iterator[Numbered]:
        number = 0
        with self._open(self.path) as file:
            for batch in file.iter_batches(batch_size=1024):
                size: int = batch.num_rows
                places = [place for place in range(size) if wanted(number + place)]
                rows: list[dict[str, Any]] = batch.take(places).to_pylist() if places else []
                for place, row in zip(places, rows, strict=True):
                    yield number + place, row
                number += size

    def count(self) -> int | None:
        with self._open(self.path) as file:
            return file.metadata.num_rows


class _Objects:
    """What can be iterated; it can be read once only if it is a generator."""

    def __init__(self, given: Iterable[Any]) -> None:
        self._given = given
        self.name = type(given).__name__

    def rows(self, wanted: Wanted) -> Iterator[Numbered]:
        for number, item in enumerate(self._given):
            if wanted(number):
                yield number, self._row(number, item)

    def count(self) -> int | None:
        try:
            return len(self._given)  # type: ignore[arg-type] - where it has a length
        except TypeError:
            return None

    def fingerprint(self) -> dict[str, Any]:
        # Hugging Face data sets have one of their own.
        own = getattr(self._given, "_fingerprint", None)
        return {"digest": own} if isinstance(own, str) else {}

    @staticmethod
    def _row(number: int, item: object) -> dict[str, Any] | SourceError:
        if isinstance(item, str):
            return {"text": item}
        if isinstance(item, Mapping):
            return dict(cast("Mapping[str, Any]", item))
        return SourceError(f"row {number} is neither a mapping nor a text, but {type(item).__name__}")


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()
