"""Who is measured, and in which environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import EnvironmentUnavailableError, node_environment, python_environment
from scenarios import Scenario

__all__ = ["OURS", "PARTICIPANTS", "REFERENCE", "Participant", "Prepared", "prepare"]

HERE = Path(__file__).resolve().parent
OURS = "raptscallions-ai"
REFERENCE = "openai"

_UVLOOP = frozenset({"coalesced", "live", "live-tls", "200-streams", "first"})
_WITHOUT_SOCKETS = frozenset({"memory-coalesced", "memory-live"})
_OWN = frozenset({"first-call-warm"})


@dataclass(frozen=True, slots=True)
class Participant:
    """A client that is measured.

    Attributes:
        name: Its name in the table.
        adapter: The file that shows it to the workloads; for Node, the name by which `measure.mjs` knows it.
        imports: What is imported to use it; for Node, the packages.
        packages: The distributions whose versions are told.
        environment: Its requirements file or Node folder under `peers`, or None for our own environment.
        options: Arguments of its adapter.
        loop: The event loop.
        only: The scenarios that it is put through, or None for all that suit it.
        never: Scenarios that mean nothing for it.
        grows: Whether it stands in the plots of growth.
        quick: Whether it belongs to the short form.
    """

    name: str
    adapter: str
    imports: str
    packages: tuple[str, ...]
    environment: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    loop: str = "asyncio"
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    grows: bool = False
    quick: bool = False

    @property
    def on_node(self) -> bool:
        """Whether it is a JavaScript library."""
        return self.environment == "node"

    def takes(self, scenario: Scenario) -> bool:
        """Whether it is put through a scenario."""
        if scenario.group == "growth":
            return self.grows
        if self.only is not None:
            return scenario.name in self.only
        return scenario.name not in self.never and not (self.environment and scenario.rough)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A participant whose environment is there.

    Attributes:
        participant: Who.
        command: What starts a measurement; the task is its last argument.
        versions: The versions of its packages.
    """

    participant: Participant
    command: tuple[str, ...]
    versions: dict[str, str]


_SDK = ("openai", "httpx2", "aiohttp")
_RAW = _WITHOUT_SOCKETS | _OWN | {"import", "first-call"}

PARTICIPANTS: tuple[Participant, ...] = (
    Participant(
        OURS,
        "clients/raptscallions_ai.py",
        "import raptscallions_ai",
        ("raptscallions-ai", "msgspec"),
        grows=True,
        quick=True,
    ),
    Participant(
        f"{OURS}, aiohttp",
        "clients/raptscallions_ai.py",
        "",
        ("aiohttp",),
        options={"http": "aiohttp"},
        never=_WITHOUT_SOCKETS | _OWN | {"import"},
        quick=True,
    ),
    Participant(REFERENCE, "clients/openai_sdk.py", "import openai", _SDK, never=_OWN, grows=True, quick=True),
    Participant(
        "openai, aiohttp",
        "clients/openai_sdk.py",
        "import openai, aiohttp",
        _SDK,
        options={"transport": "aiohttp"},
        never=_OWN | _WITHOUT_SOCKETS,
        quick=True,
    ),
    Participant("raw aiohttp", "clients/raw_aiohttp.py", "", ("aiohttp", "msgspec"), never=_RAW),
    Participant(
        "raw socket", "clients/raw_socket.py", "", ("httptools", "msgspec"), never=_RAW, grows=True, quick=True
    ),
    Participant(f"{OURS}, uvloop", "clients/raptscallions_ai.py", "", ("uvloop",), loop="uvloop", only=_UVLOOP),
    Participant("openai, uvloop", "clients/openai_sdk.py", "", ("uvloop",), loop="uvloop", only=_UVLOOP),
    Participant("raw socket, uvloop", "clients/raw_socket.py", "", ("uvloop",), loop="uvloop", only=_UVLOOP),
    Participant(
        "pydantic and msgspec",
        "",
        "import pydantic, msgspec\nclass Model(pydantic.BaseModel):\n    field: str",
        ("pydantic", "msgspec"),
        only=frozenset({"import"}),
    ),
    Participant(
        "openrouter",
        "peers/openrouter.py",
        "import openrouter\nopenrouter.OpenRouter",
        ("openrouter",),
        "openrouter.txt",
    ),
    Participant(
        "litellm",
        "peers/litellm.py",
        "import os\nos.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'\nimport litellm",
        ("litellm", "openai"),
        "litellm.txt",
    ),
    Participant(
        "pydantic-ai",
        "peers/pydantic_ai.py",
        "import pydantic_ai.direct, pydantic_ai.models.openrouter",
        ("pydantic-ai-slim", "openai"),
        "pydantic-ai.txt",
    ),
    Participant("any-llm", "peers/any_llm.py", "import any_llm", ("any-llm-sdk", "openai"), "any-llm.txt"),
    Participant(
        "langchain-openai",
        "peers/langchain_openai.py",
        "import langchain_openai\nlangchain_openai.ChatOpenAI",
        ("langchain-openai", "openai"),
        "langchain-openai.txt",
    ),
    Participant("Node openai", "openai", "openai", ("openai",), "node"),
    Participant("Node ai", "ai", "ai, @openrouter/ai-sdk-provider", ("ai", "@openrouter/ai-sdk-provider"), "node"),
)


def prepare(participant: Participant) -> Prepared:
    """Make a participant's environment, if it is not there.

    Raises:
        EnvironmentUnavailableError: It cannot be made.
    """
    if participant.on_node:
        home = node_environment(HERE / "peers" / "node")
        read = (home / "node_modules" / package / "package.json" for package in participant.packages)
        found = {f"npm {text['name']}": str(text["version"]) for text in map(json.loads, (p.read_text() for p in read))}
        return Prepared(participant, (shutil.which("node") or "node", str(home / "measure.mjs")), found)
    file = participant.environment
    python = sys.executable if file is None else str(python_environment(HERE / "peers" / file))
    script = "import json, sys; from importlib.metadata import version as v\n"
    script += "print(json.dumps({name: v(name) for name in sys.argv[1:]}))"
    told = subprocess.run([python, "-c", script, *participant.packages], capture_output=True, text=True, check=False)
    if told.returncode:
        raise EnvironmentUnavailableError(told.stderr.strip().rpartition("\n")[2])
    return Prepared(participant, (python, str(HERE / "measure.py")), json.loads(told.stdout))
