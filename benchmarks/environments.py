"""Environments of peers whose pins collide with ours, each made once and then kept under .cache/benchmarks/."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["HOME", "EnvironmentUnavailableError", "node_environment", "python_environment"]

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".cache" / "benchmarks"
_PATIENCE = 600  # seconds for one installation
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"


class EnvironmentUnavailableError(Exception):
    """An environment cannot be made here; the message says why, on one line."""


def python_environment(requirements: Path) -> Path:
    """Return the Python of an environment that holds exactly what a requirements file asks for.

    It is made on first use, in a folder with the file's name, and again when the file or our own Python changes.

    Args:
        requirements: A file of pins, such as `benchmarks/peers/litellm.txt`.

    Raises:
        EnvironmentUnavailableError: Something in it cannot be installed.
    """
    home = HOME / requirements.stem
    python = home / _SCRIPTS / "python"
    state = _state(requirements, sys.version)
    if not _is_current(home, state):
        uv = _find_uv()
        _announce(requirements.stem)
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)])
        _mark(home, state)
    return python


def node_environment(folder: Path) -> Path:
    """Return a folder with a package's files and its dependencies installed, made on first use or when one changed.

    Args:
        folder: A folder with a `package.json`, such as `benchmarks/peers/node`.

    Raises:
        EnvironmentUnavailableError: There is no npm, or something cannot be installed.
    """
    home = HOME / folder.name
    state = _state(folder / "package.json")
    if not _is_current(home, state):
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise EnvironmentUnavailableError("Node and npm are not installed")
        _announce(folder.name)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):  # the second has the hash of each package
            shutil.copy(folder / name, home)
        _run([npm, "ci", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error"])
        _mark(home, state)
    for file in folder.glob("*.mjs"):
        shutil.copy(file, home)
    return home


def _find_uv() -> str:
    sys.path.append(str(ROOT))
    from dev import find_uv

    return find_uv()


def _run(command: list[str]) -> None:
    # In the repository itself, uv would force our own pins on the peers.
    try:
        done = subprocess.run(
            command, cwd=tempfile.gettempdir(), capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentUnavailableError(f"installing took longer than {_PATIENCE} seconds") from None
    if done.returncode:
        told = (done.stderr or done.stdout).split() or [f"{Path(command[0]).name} failed"]
        raise EnvironmentUnavailableError(" ".join(told)[:300])


def _announce(name: str) -> None:
    print(f"making the environment of {name} (once) ...", file=sys.stderr, flush=True)


def _state(file: Path, *more: str) -> str:
    return hashlib.sha256(file.read_bytes() + "".join(more).encode()).hexdigest()


def _is_current(home: Path, state: str) -> bool:
    mark = home / "state"
    return mark.is_file() and mark.read_text() == state


def _mark(home: Path, state: str) -> None:
    (home / "state").write_text(state)
