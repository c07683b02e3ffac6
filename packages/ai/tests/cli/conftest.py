"""The command as people run it: as a process with pipes or a terminal, or in this one where that is as good."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner, Result

from raptscallions_ai.cli.app import app
from raptscallions_ai.testing import FakeGateway

DEADLINE_S = 30.0
COMMAND = [sys.executable, "-m", "raptscallions_ai.cli"]
# The child has to take the terminal as its own, or Ctrl-C typed there would reach nobody.
ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

Invoke = Callable[..., Result]


@pytest.fixture
def environment(fake_gateway: FakeGateway) -> dict[str, str]:
    """Variables for a child: those of the fake gateway, and of the machine only what a program needs to start."""
    kept = {name: value for name in ("PATH", "HOME", "SYSTEMROOT") if (value := os.environ.get(name))}
    settings = {"AI_API_KEY": fake_gateway.api_key, "AI_GATEWAY_URL": fake_gateway.base_url}
    other = {"AI_DEFAULT_MODEL": fake_gateway.model, "AI_MAX_RETRIES": "0", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    return {**kept, **settings, **other}


@pytest.fixture
def invoke(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run the command in this process: `invoke("chat", "hi", stdin="", AI_API_KEY="other")`; None unsets."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: str | bytes = "", **variables: str | None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin, env={**environment, **variables})

    return run


@dataclass
class Process:
    """A running command, whose output is read as it comes."""

    popen: subprocess.Popen[bytes]
    seen: dict[int, bytes] = field(default_factory=lambda: {1: b"", 2: b""})

    def read_until(self, text: bytes, stream: int = 1) -> bytes:
        """Return what has come on stdout (1) or stderr (2) as soon as `text` is in it."""
        pipe = self._pipe(stream)
        until = time.monotonic() + DEADLINE_S
        while text not in self.seen[stream]:
            ready = select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]
            piece = os.read(pipe.fileno(), 65536) if ready else b""
            assert piece, f"{text!r} did not come, only {self.seen}"
            self.seen[stream] += piece
        return self.seen[stream]

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.popen.send_signal(signal.SIGINT)

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end and return exit code, stdout and stderr."""
        out, err = self.popen.communicate(timeout=DEADLINE_S)
        return self.popen.returncode, (self.seen[1] + (out or b"")).decode(), (self.seen[2] + (err or b"")).decode()

    def _pipe(self, stream: int) -> IO[bytes]:
        pipe = self.popen.stdout if stream == 1 else self.popen.stderr
        assert pipe is not None
        return pipe


Start = Callable[..., Process]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the command as a process: `start("chat", "hi", stdout=..., AI_API_KEY="other")`."""
    started: list[Process] = []

    def run(
        *arguments: str, stdin: int | IO[bytes] = subprocess.DEVNULL, stdout: int = subprocess.PIPE, **variables: str
    ) -> Process:
        popen = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**environment, **variables},
            bufsize=0,
        )
        started.append(Process(popen))
        return started[-1]

    yield run
    for process in started:
        _end(process.popen)


@dataclass
class Terminal:
    """A command at a terminal, and the person in front of it."""

    popen: subprocess.Popen[bytes]
    master: int
    shown: str = ""
    read: int = 0

    def wait_for(self, text: str) -> str:
        """Return what is shown between the last text that was waited for and the end of this one."""
        until = time.monotonic() + DEADLINE_S
        while text not in self.shown[self.read :]:
            assert self._receive(until), f"{text!r} did not come, only {self.shown[self.read :]!r}"
        begin, self.read = self.read, self.shown.index(text, self.read) + len(text)
        return self.shown[begin : self.read]

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl-C, `\\x04` is Ctrl-D."""
        os.write(self.master, keys.encode())

    def interrupt_prompt(self) -> None:
        """Press Ctrl-C once the command waits for a key: readline overlooks a signal in the instant before that."""
        until = time.monotonic() + DEADLINE_S
        state = Path(f"/proc/{self.popen.pid}/stat")
        while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < until, "the command does not come to rest"
            time.sleep(0.001)
        self.type("\x03")

    def leave(self) -> int:
        """Wait for the end and return the exit code."""
        until = time.monotonic() + DEADLINE_S
        while self._receive(until):
            pass
        return self.popen.wait(timeout=DEADLINE_S)

    def _receive(self, until: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


OnTerminal = Callable[..., Terminal]


@pytest.fixture
def on_terminal(environment: dict[str, str]) -> Iterator[OnTerminal]:
    """Start the command at a terminal of its own: `on_terminal("chat", TERM="dumb")`."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    started: list[Terminal] = []

    def run(*arguments: str, **variables: str) -> Terminal:
        master, slave = pty.openpty()
        popen = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, **variables},
            start_new_session=True,
        )
        os.close(slave)
        started.append(Terminal(popen, master))
        return started[-1]

    yield run
    for terminal in started:
        _end(terminal.popen)
        os.close(terminal.master)


def _end(popen: subprocess.Popen[bytes]) -> None:
    if popen.poll() is None:
        popen.kill()
    popen.wait()
    for pipe in (popen.stdout, popen.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
