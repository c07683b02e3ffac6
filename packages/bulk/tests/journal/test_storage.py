"""The files of a run: order on the disk, torn ends, owners, snapshots, a full disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raptscallions_bulk.errors import OwnerLostError, RunFolderError, StorageError
from raptscallions_bulk.journal.records import Answered, Opened, Record, Returned, Sent
from raptscallions_bulk.journal.storage import Storage
from raptscallions_bulk.ledger.ledger import Ledger


def sent(row: int) -> Sent:
    return Sent(row, 1.0, 100, b"r" * 16)


def answered(row: int) -> Answered:
    return Answered(row, 2.0, 7, 10, 20, 0.5)


def reopened(folder: Path) -> tuple[bytes | None, list[Record]]:
    storage = Storage(folder)
    try:
        snapshot, records = storage.load()
        return snapshot, list(records)
    finally:
        storage.close()


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write([(Opened(1, 0.5), None), (sent(0), None)])
    storage.write([(answered(0), b'{"row":0}'), (Returned(1, 3.0, "RateLimitError"), None)])
    storage.write([(answered(2), b'{"row":2}')])
    assert storage.read_line(1, 10) == b'{"row":2}'
    storage.close()
    snapshot, records = reopened(tmp_path)
    assert snapshot is None
    assert [type(record).__name__ for record in records] == ["Opened", "Sent", "Answered", "Returned", "Answered"]
    last = records[-1]
    assert isinstance(last, Answered)
    assert (last.segment, last.offset) == (1, 10)


@pytest.mark.requirement("E06-T001.AC1")
def test_answers_are_synced_before_the_records_that_point_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, events = Storage(tmp_path), list[str]()
    real_write, real_sync = os.write, os.fdatasync
    names: dict[int, str] = {}

    def write(handle: int, data: bytes) -> int:
        names[handle] = Path(os.readlink(f"/proc/self/fd/{handle}")).suffix
        events.append("write " + names[handle])
        return real_write(handle, data)

    def sync(handle: int) -> None:
        events.append("sync " + names[handle])
        real_sync(handle)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr("raptscallions_bulk.journal.storage._sync", sync)
    storage.write([(answered(0), b"{}")])
    storage.close()
    assert events == ["write .jsonl", "sync .jsonl", "write .log", "sync .log"]


@pytest.mark.requirement("E06-T001.AC1")
def test_a_torn_end_is_cut_off_and_the_rest_stays(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write([(sent(number), None) for number in range(3)])
    storage.close()
    (log,) = (tmp_path / "journal").glob("*.log")
    whole = log.read_bytes()
    for size in range(len(whole) - 1, len(whole) // 3 * 2, -1):
        log.write_bytes(whole[:size])
        assert len(reopened(tmp_path)[1]) == 2
        assert log.stat().st_size == len(whole) // 3 * 2


def test_damage_in_the_middle_is_refused_and_named(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write([(sent(number), None) for number in range(3)])
    storage.close()
    (log,) = (tmp_path / "journal").glob("*.log")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    with pytest.raises(RunFolderError, match=r"000001\.log is damaged at byte \d+"):
        reopened(tmp_path)


@pytest.mark.requirement("E06-T001.AC2")
def test_a_second_owner_is_refused_and_told_who_the_first_one_is(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    program = "from pathlib import Path; from raptscallions_bulk.journal.storage import Storage; "
    program += f"Storage(Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert f"is in use by process {os.getpid()} on " in done.stderr
    storage.close()
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@pytest.mark.requirement("E06-T001.AC2")
def test_an_owner_that_lost_the_run_writes_nothing_more(tmp_path: Path) -> None:
    zombie = Storage(tmp_path)
    zombie.write([(sent(0), None)])
    zombie.owner.release()  # as on a file system that drops locks
    heir = Storage(tmp_path)
    with pytest.raises(OwnerLostError, match="another owner"):
        zombie.write([(sent(1), None)])
    with pytest.raises(OwnerLostError):
        zombie.snapshot(b"state")
    heir.write([(sent(2), None)])
    heir.close()
    zombie.close()
    rows = [record.row for record in reopened(tmp_path)[1] if isinstance(record, Sent)]
    assert rows == [0, 2]


@pytest.mark.requirement("E06-T001.AC2")
def test_a_child_of_a_fork_does_not_own_the_run(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.owner._pid += 1  # pyright: ignore[reportPrivateUsage] - stands for the fork, which a test must not do
    with pytest.raises(OwnerLostError):
        storage.write([(sent(0), None)])
    storage.owner._pid -= 1  # pyright: ignore[reportPrivateUsage] - as above
    storage.close()


@pytest.mark.requirement("E06-T001.AC4")
def test_a_snapshot_takes_the_place_of_the_segments_before_it(tmp_path: Path) -> None:
    storage, ledger = Storage(tmp_path, segment=1000), Ledger()
    for number in range(200):
        records: list[Record] = [sent(number), answered(number)]
        storage.write([(records[0], None), (records[1], b"{}")])
        for record in records:
            ledger.apply(record)
        if storage.wants_snapshot:
            storage.snapshot(ledger.snapshot())
    storage.close()
    snapshot, records = reopened(tmp_path)
    assert snapshot is not None
    assert 0 < len(records) < 100
    again = Ledger.restored(snapshot)
    for record in records:
        again.apply(record)
    assert again.snapshot() == ledger.snapshot()
    assert len(list((tmp_path / "journal").iterdir())) == 2


def test_a_snapshot_that_was_not_finished_changes_nothing(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write([(sent(0), None)])
    storage.close()
    (tmp_path / "journal" / "snapshot.new").write_bytes(b"half")
    assert len(reopened(tmp_path)[1]) == 1


@pytest.mark.requirement("E06-T001.AC7")
def test_on_a_full_disk_what_is_under_way_still_finds_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(tmp_path)
    storage.prepare()
    storage.write([(sent(0), None)])
    real_write = os.write

    def write(handle: int, data: bytes) -> int:
        if (tmp_path / "ballast").exists():
            real_write(handle, bytes(data)[:3])  # part of it, as a disk does that runs full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(handle, data)

    monkeypatch.setattr(os, "write", write)
    storage.write([(answered(0), b'{"row":0}')])
    assert storage.is_short
    storage.close()
    assert [type(record) for record in reopened(tmp_path)[1]] == [Sent, Answered]
    assert (tmp_path / "answers" / "000001.jsonl").read_bytes() == b'\n{"row":0}'


@pytest.mark.requirement("E06-T001.AC7")
def test_on_a_disk_that_takes_nothing_more_what_was_written_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    storage.write([(sent(0), None)])

    def write(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        with pytest.raises(StorageError, match="No space left on device"):
            storage.write([(sent(1), None)])
    storage.close()
    assert [record.row for record in reopened(tmp_path)[1] if isinstance(record, Sent)] == [0]


def test_lines_that_no_record_points_at_yet_are_found(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write([(answered(0), b'{"row":0}'), (answered(1), b'{"row":1}')])
    assert [line.strip() for _, _, line in storage.lines_after(1, 0)] == [b'{"row":1}']
    assert [(number, offset) for number, offset, _ in storage.lines_after(0, 0)] == [(1, 0), (1, 10)]
    storage.close()
