"""Sources and templates: every kind of file, one row that is wrong among others, and what a template needs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from raptscallions_bulk import SourceError
from raptscallions_bulk.rows.sources import open_source
from raptscallions_bulk.rows.template import Template


def read(given: Any) -> list[Any]:
    return [row for _, row in open_source(given).rows(lambda number: True)]


@pytest.mark.requirement("E06-T002.AC1")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.jsonl", '{"text": "a"}\n\n{"text": "b"}'),
        ("rows.csv", "\ufefftext\na\nb\n"),
        ("rows.tsv", "text\na\nb\n"),
        ("rows.txt", "a\nb\n"),
        ("rows.jsonl.gz", '{"text": "a"}\n"b"\n'),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str, text: str) -> None:
    path, data = tmp_path / name, text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read(path) == [{"text": "a"}, {"text": "b"}]
    source = open_source(path)
    assert source.count() == 2
    assert [number for number, _ in source.rows(lambda number: number == 1)] == [1]


@pytest.mark.requirement("E06-T002.AC1")
def test_parquet_and_objects_give_rows(tmp_path: Path) -> None:
    from raptscallions_bulk.export import write_rows

    rows: list[dict[str, Any]] = [{"text": str(number)} for number in range(2500)]
    write_rows(tmp_path / "rows.parquet", rows)
    assert read(tmp_path / "rows.parquet") == rows == read(iter(rows))
    assert open_source(tmp_path / "rows.parquet").count() == 2500


def test_a_row_that_is_wrong_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": \n{"text": "b"}\n')
    first, wrong, last = read(path)
    assert (first, last) == ({"text": "a"}, {"text": "b"})
    assert isinstance(wrong, SourceError) and "row 1 is not JSON" in str(wrong)


def test_a_file_that_changed_has_another_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("a\nb\n")
    before = open_source(path).fingerprint()
    path.write_text("a\nc\n")
    assert open_source(path).fingerprint() != before


def test_a_template_puts_fields_in_and_names_what_is_missing() -> None:
    template = Template("{{x}} {user.name}: {tags} {empty}{number}")
    row = {"user": {"name": "Ann"}, "tags": ["a"], "empty": None, "number": 3}
    assert template.fill(row) == '{x} Ann: ["a"] 3'
    assert template.fields == {"user", "tags", "empty", "number"}
    with pytest.raises(SourceError, match=r"asks for \{user.name\}, and the row has: text"):
        template.fill({"text": "a"})
    for wrong in ("{", "{}", "{a:>3}", "{a!r}"):
        with pytest.raises(ValueError, match="the template cannot be read"):
            Template(wrong)
