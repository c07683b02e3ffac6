"""Answers beside the rows that they belong to, in the order of the source: JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec

from raptscallions_bulk.errors import SourceError
from raptscallions_bulk.rows.answers import AnswerLine
from raptscallions_bulk.rows.sources import Source
from raptscallions_bulk.viewing import RunView

__all__ = ["export_rows", "exported", "write_rows"]

Exported: TypeAlias = dict[str, Any]

_CHUNK = 10_000  # rows of a piece of a Parquet file
_encode = msgspec.json.Encoder(enc_hook=str).encode


def export_rows(view: RunView, path: Path, source: Source | None = None) -> int:
    """Write all rows of a run to a file, and return how many.

    Args:
        view: The run.
        path: The file, which ends with `.jsonl`, `.csv`, `.tsv` or `.parquet`; written anew.
        source: The rows, whose fields come first; without it, keys and answers are all there is.

    Raises:
        SourceError: The file is of no kind that is known.
    """
    return write_rows(path, exported(view, source))


def exported(view: RunView, source: Source | None = None) -> Iterator[Exported]:
    """Yield each row's fields, its `answer` (or the answer's own fields), `status`, `error` and `cost`, in order.

    Args:
        view: The run.
        source: The rows, whose fields come first.
    """
    places = view.positions()
    if source is None:
        for number in range(view.file.rows or len(places)):
            line = view.answer_at(places, number)
            yield {"key": number if line is None or line.key is None else line.key, **_told(view, number, line)}
        return
    for number, row in source.rows(lambda _: True):
        fields = {} if isinstance(row, SourceError) else row
        yield _beside(fields, _told(view, number, view.answer_at(places, number)))


def write_rows(path: Path, rows: Iterable[Exported]) -> int:
    """Write rows to a file, and return how many.

    Raises:
        SourceError: The file is of no kind that is known.
    """
    writers = {".jsonl": _write_jsonl, ".csv": _write_table, ".tsv": _write_table, ".parquet": _write_parquet}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise SourceError(f"{path}: its name must end with one of {', '.join(writers)}")
    temporary = path.with_name(path.name + ".part")
    count = writer(temporary, rows, path.suffix.lower())
    temporary.replace(path)
    return count


def _told(view: RunView, number: int, line: AnswerLine | None) -> Exported:
    if line is None:
        return {"answer": None, "status": view.ledger.state(number + view.file.base), "error": None, "cost": None}
    if line.error is not None:
        error = f"{line.error.error}: {line.error.message}"
        return {"answer": None, "status": "failed", "error": error, "cost": line.cost}
    answer: Any = line.answer
    told = cast("Exported", answer) if isinstance(answer, dict) else {"answer": answer}
    cost = line.cost if line.row == number + view.file.base else "0"
    return {**told, "status": "answered", "error": None, "cost": cost}


def _beside(fields: Exported, told: Exported) -> Exported:
    """Return both; what the source calls the same keeps its name."""
    return {**fields, **{f"answer_{name}" if name in fields else name: value for name, value in told.items()}}


def _write_jsonl(path: Path, rows: Iterable[Exported], kind: str) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(_encode(row) + b"\n")
            count += 1
    return count


def _write_table(path: Path, rows: Iterable[Exported], kind: str) -> int:
    first, rows = _names_of_first(rows)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(
            file, first, restval="", extrasaction="ignore", delimiter="\t" if kind == ".tsv" else ","
        )
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})
            count += 1
    return count


def _write_parquet(path: Path, rows: Iterable[Exported], kind: str) -> int:
    try:
        import pyarrow
        import pyarrow.parquet as parquet_module
    except ImportError as error:
        raise ImportError("pyarrow is missing: install raptscallions-bulk[parquet]") from error
    arrow: Any = pyarrow  # which has no types
    parquet: Any = parquet_module
    names, rows = _names_of_first(rows)
    rest, count = iter(rows), 0
    piece = _piece(rest, names)
    schema = _schema(arrow, piece, names)
    with parquet.ParquetWriter(path, schema) as writer:
        while piece:
            writer.write_table(arrow.Table.from_pylist(piece, schema=schema))
            count += len(piece)
            piece = _piece(rest, names)
    return count


def _piece(rows: Iterator[Exported], names: list[str]) -> list[Exported]:
    return [_fitting({name: row.get(name) for name in names}) for row in islice(rows, _CHUNK)]


def _schema(arrow: Any, piece: list[Exported], names: list[str]) -> Any:
    """Return the types of the columns, text where nothing tells."""
    found: Any = arrow.Table.from_pylist(piece or [dict.fromkeys(names)]).schema
    fields = [arrow.field(one.name, arrow.string() if arrow.types.is_null(one.type) else one.type) for one in found]
    return arrow.schema(fields)


def _fitting(row: Exported) -> Exported:
    return {name: _encode(value).decode() if isinstance(value, dict) else value for name, value in row.items()}


def _names_of_first(rows: Iterable[Exported]) -> tuple[list[str], Iterator[Exported]]:
    """Return the names of all columns, as the first rows have them, and the same rows."""
    rest = iter(rows)
    first = list(islice(rest, _CHUNK))
    names: dict[str, None] = {}
    answered = [row for row in first if row.get("status") == "answered"] or first
    for row in [*answered, *first]:
        names |= dict.fromkeys(row)
    # Answers without fields of their own have the column `answer`; for those with fields it would be empty.
    if answered and all("answer" not in row for row in answered):
        names.pop("answer", None)
    return list(names), chain(first, rest)


def _cell(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, dict | list) else value
