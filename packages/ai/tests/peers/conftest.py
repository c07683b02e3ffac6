"""Servers of other people, for the client to prove itself on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[3]


def missing(what: str) -> None:
    """Skip where something is not there; in CI it must be."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@dataclass(frozen=True)
class Aimock:
    """A running aimock: the root URL, and the key that it accepts."""

    url: str
    api_key: str = "aimock-accepts-this-key"


@pytest.fixture(scope="session")
def aimock() -> Iterator[Aimock]:
    """A running aimock, installed into the repository's cache folder on first use (12 MB)."""
    program = _installed_aimock()
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


def _installed_aimock() -> Path:
    folder = REPOSITORY / ".cache" / "aimock"
    program = folder / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    if program.exists():
        return program
    if (npm := shutil.which("npm")) is None or shutil.which("node") is None:
        missing("aimock needs Node.js with npm, which is not installed here")
        raise AssertionError  # for the type checker: `missing` never returns
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "aimock" / "package.json", folder)
    command = [npm, "install", "--no-fund", "--no-audit", "--no-package-lock", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        missing(f"aimock could not be installed: {done.stderr.strip()[-300:]}")
    return program
