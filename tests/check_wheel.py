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

CHAT_PROGRAM = """
import asyncio
import urllib.request
import raptscallions_chat
from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.testing import serve_chat

def look(url):
    with urllib.request.urlopen(url) as reply:
        return reply.status, b"<html" in reply.read()

async def main():
    async with serve_chat(ScriptedClient("Yes."), database_url="sqlite:///wheel.db") as service:
        assert await asyncio.to_thread(look, service.url + "/") == (200, True)
    assert "site-packages" in raptscallions_chat.__file__, raptscallions_chat.__file__
    print(raptscallions_chat.__version__, "has a page")

asyncio.run(main())
"""


def run(*command: str | Path, cwd: str | None = None) -> str:
    print("$", *(str(part) for part in command), flush=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}\n{command[0]} failed with exit code {done.returncode}")
    return done.stdout + done.stderr


MEMBERS = {
    "ai": ("raptscallions_ai/py.typed", "raptscallions_ai/_dialects/fold.py"),
    "bulk": ("raptscallions_bulk/py.typed", "raptscallions_bulk/run.py"),
    "chat": (
        "raptscallions_chat/py.typed",
        "raptscallions_chat/store/migrations/script.py.mako",
        "raptscallions_chat/store/migrations/versions/0001_tenants_and_conversations.py",
        "raptscallions_chat/page/index.html",
    ),
}
"""What must be in the wheel of each member, besides its licence."""


def build(member: str, needed: tuple[str, ...], folder: Path) -> Path:
    """Build a member, look at what is in its wheel, and return that."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT / "packages" / member)
    (wheel,) = folder.glob("*.whl")
    assert list(folder.glob("*.tar.gz")), f"no source distribution of {member}"
    names = zipfile.ZipFile(wheel).namelist()
    for name in needed:
        assert name in names, f"{name} is not in {wheel.name}"
    assert any(name.endswith("licenses/LICENSE") for name in names), f"no licence in {wheel.name}"
    assert not any(name.startswith("tests") or "/tests/" in name for name in names), f"tests in {wheel.name}"
    return wheel


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheels = {name: build(name, needed, Path(folder) / name) for name, needed in MEMBERS.items()}
        wheel = wheels["ai"]
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
        run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli,web]", wheels["bulk"], wheels["chat"])
        print(run(python, "-W", "error", "-c", CHAT_PROGRAM, cwd=folder).strip())
        run(home / SCRIPTS / "raptscallions-chat", "migrate", cwd=folder)
        run(python, "-W", "error", "-c", "import raptscallions_bulk", cwd=folder)
        print("built and proved", *(each.name for each in wheels.values()))


if __name__ == "__main__":
    main()
