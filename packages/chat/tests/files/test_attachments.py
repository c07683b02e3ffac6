"""Attachments of users, on both databases, with their bytes in a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT, Principal
from raptscallions_chat.files.attachments import Attachments
from raptscallions_chat.files.local import LocalFiles
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory

ANN, BOB = Principal(ROOT_TENANT, "ann"), Principal(ROOT_TENANT, "bob")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def attachments(database: Database, tmp_path: Path) -> Attachments:
    return Attachments(database, LocalFiles(tmp_path / "files"), max_bytes=100)


def stored(tmp_path: Path) -> int:
    return len([path for path in (tmp_path / "files").rglob("*") if path.is_file()])


async def test_the_same_bytes_are_stored_once_and_deleted_with_the_last(
    attachments: Attachments, tmp_path: Path
) -> None:
    one = await attachments.add(ANN, PNG, name="a.png", media_type="image/png")
    two = await attachments.add(BOB, PNG, name="b.png")
    assert (one.sha256, one.size, one.media_type) == (two.sha256, len(PNG), "image/png")
    assert stored(tmp_path) == 1
    await attachments.remove(ANN, one.id)
    assert await attachments.read((await attachments.find(BOB, [two.id]))[0]) == PNG
    await attachments.remove(BOB, two.id)
    assert stored(tmp_path) == 0


async def test_tenants_share_no_bytes(attachments: Attachments, database: Database, tmp_path: Path) -> None:
    other = Principal((await TenantDirectory(database).create("other")).id, "ann")
    await attachments.add(ANN, PNG, name="a.png")
    await attachments.add(other, PNG, name="a.png")
    assert stored(tmp_path) == 2


async def test_what_is_not_yours_is_not_found(attachments: Attachments) -> None:
    mine = await attachments.add(ANN, PNG, name="a.png")
    assert [each.id for each in await attachments.find(ANN, [mine.id, mine.id])] == [mine.id] * 2
    for principal, id_ in ((BOB, mine.id), (ANN, new_id()), (ANN, "x"), (ANN, "")):
        with pytest.raises(ChatError) as caught:
            await attachments.find(principal, [id_])
        assert caught.value.code == "not_found"
        with pytest.raises(ChatError):
            await attachments.remove(principal, id_)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"x" * 101, "attachment_too_large"), (b"", "invalid_request"), (b"MZ\0", "unsupported_media_type")],
)
async def test_what_may_not_be_attached_leaves_nothing(
    attachments: Attachments, tmp_path: Path, data: bytes, code: str
) -> None:
    with pytest.raises(ChatError) as caught:
        await attachments.add(ANN, data, name="a")
    assert caught.value.code == code
    assert stored(tmp_path) == 0


async def test_a_model_gets_pictures_texts_and_a_word_about_what_is_gone(attachments: Attachments) -> None:
    picture = await attachments.add(ANN, PNG, name="a.png")
    text = await attachments.add(ANN, b"a,b", name="t.csv", media_type="text/csv")
    pdf = await attachments.add(ANN, b"%PDF-1.7", name="d.pdf")
    gone = await attachments.add(ANN, b"gone", name="g.txt")
    await attachments.remove(ANN, gone.id)
    parts = [each.part() for each in (picture, text, pdf, gone)]
    content = await attachments.content_parts(ANN, [*parts, {"type": "text", "size": 3}])
    assert [part["type"] for part in content] == ["image_url", "text", "file", "text"]
    assert "data:image/png;base64," in str(content[0])
    assert content[1] == {"type": "text", "text": "[File: t.csv]\na,b"}
    assert content[3] == {"type": "text", "text": "[A file that was attached here has been deleted.]"}


async def test_bytes_that_are_attached_while_they_are_deleted_are_there_afterwards(attachments: Attachments) -> None:
    last = await attachments.add(ANN, PNG, name="0.png")
    for number in range(1, 15):
        added, _ = await asyncio.gather(attachments.add(BOB, PNG, name=f"{number}.png"), attachments.erase([last.id]))
        assert await attachments.read(added) == PNG
        last = added
