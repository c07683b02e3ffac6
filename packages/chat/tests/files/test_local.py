"""Files in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from raptscallions_chat.files.local import LocalFiles, files_from_url


async def test_bytes_are_stored_read_and_deleted(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "deep" / "folder")
    await files.put("tenant/ab/abc", b"one")
    await files.put("tenant/ab/abc", b"two")
    assert await files.get("tenant/ab/abc") == b"two"
    assert [path.name for path in (tmp_path / "deep/folder/tenant/ab").iterdir()] == ["abc"]
    await files.delete("tenant/ab/abc")
    await files.delete("tenant/ab/abc")
    with pytest.raises(KeyError):
        await files.get("tenant/ab/abc")


@pytest.mark.parametrize("key", ["", "../x", "/etc/passwd", "a/../b", "a//b", "A", "a b", ".hidden", "a/", "x\n"])
async def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path, key: str) -> None:
    for attempt in (
        LocalFiles(tmp_path).put(key, b""),
        LocalFiles(tmp_path).get(key),
        LocalFiles(tmp_path).delete(key),
    ):
        with pytest.raises(ValueError, match="key"):
            await attempt


async def test_a_url_names_a_relative_or_an_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await files_from_url("file:some%20files").put("a", b"1")
    assert (tmp_path / "some files" / "a").read_bytes() == b"1"
    await files_from_url(f"file://{tmp_path}/other").put("a", b"2")
    assert (tmp_path / "other" / "a").read_bytes() == b"2"
