"""Copies of a run in object storage: what they hold, and that no other run is written over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raptscallions_bulk import BulkRun, RunFolderError, StorageError
from raptscallions_bulk.objects import ObjectCopy

if TYPE_CHECKING:
    from .conftest import NewClient, NewGateway


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "text": f"row {number}"} for number in range(count)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "bucket").mkdir()
    return (tmp_path / "bucket").as_uri()


async def test_a_run_goes_on_elsewhere_from_its_copy(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path, url: str
) -> None:
    gateway = new_gateway()
    client = new_client(gateway)
    await BulkRun(client, rows(5), tmp_path / "run", copy_to=url)
    await BulkRun(client, rows(5), tmp_path / "run", copy_to=url)
    assert ObjectCopy(url).fetch(tmp_path / "elsewhere") >= 4
    report = await BulkRun(client, rows(8), tmp_path / "elsewhere", copy_to=url, changed=True)
    assert (report.answered, gateway.sent.total()) == (8, 8)
    assert len(list((tmp_path / "bucket" / "journal").iterdir())) == 1
    with pytest.raises(RunFolderError, match="holds something"):
        ObjectCopy(url).fetch(tmp_path / "elsewhere")


async def test_the_copy_of_another_run_is_left_alone(
    new_gateway: NewGateway, new_client: NewClient, tmp_path: Path, url: str
) -> None:
    client = new_client(new_gateway())
    await BulkRun(client, rows(5), tmp_path / "run", copy_to=url)
    with pytest.raises(RunFolderError, match="copy of another run"):
        await BulkRun(client, rows(2), tmp_path / "other", copy_to=url)


def test_what_is_wrong_is_said(tmp_path: Path, url: str) -> None:
    with pytest.raises(StorageError, match="no place in object storage"):
        ObjectCopy("nowhere://bucket")
    with pytest.raises(StorageError, match="no copy of a run"):
        ObjectCopy(url).fetch(tmp_path / "new")
