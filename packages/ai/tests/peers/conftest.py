"""Servers of other people, for the client to prove itself on."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Aimock:
    """A running aimock: the root URL, and the key that it accepts."""

    url: str
    api_key: str = "aimock-accepts-this-key"


@pytest.fixture(scope="session")
def aimock(node_modules: Callable[[Path], Path]) -> Iterator[Aimock]:
    """A running aimock, installed into the repository's cache folder on first use (12 MB)."""
    program = node_modules(HERE / "aimock") / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(program), "-p", "0", "-f", str(HERE / "aimock" / "fixtures.json"), "--strict", "-c", "6"]
    environment = {**os.environ, "AIMOCK_API_KEYS": Aimock.api_key}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        address = next((found[1] for line in process.stdout if (found := re.search(r"listening on (\S+)", line))), None)
        assert address is not None, "aimock did not say where it listens"
        watchdog.cancel()
        drain.start()
        yield Aimock(address)
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait(timeout=10)
        if drain.is_alive():
            drain.join(timeout=10)
        process.stdout.close()
