"""Build the wheel and the source distribution, and prove the wheel alone in an empty virtual environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

PROGRAM = """
import asyncio
import raptscallions_ai
from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway

async def main():
    with FakeGateway() as gateway:
        gateway.stream("It ", "works.")
        async with OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model) as client:
            result = await client.chat("Does it?")
    assert result.content == "It works.", result.content
    assert "site-packages" in raptscallions_ai.__file__, raptscallions_ai.__file__
    print(raptscallions_ai.__version__, result.content, result.usage.total_tokens)

asyncio.run(main())
"""


def run(*command: str | Path, cwd: str | None = None) -> str:
    print("$", *(str(part) for part in command), flush=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}\n{command[0]} failed with exit code {done.returncode}")
    return done.stdout + done.stderr


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "dist"
        run(sys.executable, "-m", "build", "--outdir", built, ROOT / "packages" / "ai")
        (wheel,) = built.glob("*.whl")
        (source,) = built.glob("*.tar.gz")
        names = zipfile.ZipFile(wheel).namelist()
        for needed in ("raptscallions_ai/py.typed", "raptscallions_ai/_dialects/fold.py"):
            assert needed in names, f"{needed} is not in {wheel.name}"
        assert any(name.endswith("licenses/LICENSE") for name in names), f"no licence in {wheel.name}"
        assert not any("tests" in name for name in names), f"tests in {wheel.name}"
        home = Path(folder) / "empty"
        venv.create(home, with_pip=True)
        python = home / SCRIPTS / "python"
        run(python, "-m", "pip", "install", "--quiet", wheel)
        print(run(python, "-W", "error", "-c", PROGRAM, cwd=folder).strip())
        command = subprocess.run(
            [home / SCRIPTS / "raptscallions-ai", "--help"], capture_output=True, text=True, check=False
        )
        assert "raptscallions-ai[cli]" in command.stderr, f"the missing extra is not named: {command.stderr}"
        assert command.returncode == 3, command.returncode
        print(f"built and proved {wheel.name} and {source.name}")


if __name__ == "__main__":
    main()
