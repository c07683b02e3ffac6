"""Servers of other people, for the client to prove itself on."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from peer_servers import Aimock, LiteLLM, OllamaProxy

from raptscallions_ai.local import LocalGateway
from raptscallions_ai.testing import FakeGateway

HERE = Path(__file__).parent


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], says: str, patience: float) -> Generator[str]:
    """A running server's address, which it says in the first line of its output that fits a pattern."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    watchdog = threading.Timer(patience, process.kill)
    watchdog.start()
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(says, line):
                break
        else:
            pytest.fail(f"{command[0]} did not say where it listens:\n{''.join(said[-10:])}")
        watchdog.cancel()
        drain.start()
        yield found[1]
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain.is_alive():
            drain.join(timeout=10)
        process.stdout.close()


@pytest.fixture(scope="session")
def aimock(node_modules: Callable[[Path], Path]) -> Iterator[Aimock]:
    """A running aimock, installed into the repository's cache folder on first use (12 MB)."""
    program = node_modules(HERE / "aimock") / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = ["node", str(program), "-p", "0", "-f", str(HERE / "aimock" / "fixtures.json"), "--strict", "-c", "6"]
    with serving(command, {"AIMOCK_API_KEYS": Aimock.api_key}, r"listening on (\S+)", patience=30) as address:
        yield Aimock(address)


@pytest.fixture(scope="session")
def llamacpp(local_weights: Path) -> Iterator[LocalGateway]:
    """The local model with a chat template that tells it of tools."""
    template = (HERE / "llamacpp" / "tools.jinja").read_text("utf-8")
    gateway = LocalGateway(chat_template=template, progress=False)
    with ThreadPoolExecutor(1) as pool:  # away from the loops that pytest-asyncio keeps
        pool.submit(asyncio.run, gateway.start()).result()
        yield gateway
        pool.submit(asyncio.run, gateway.aclose()).result()


@pytest.fixture(scope="session")
def litellm(python_environment: Callable[[Path], Path], llamacpp: LocalGateway) -> Iterator[LiteLLM]:
    """A running LiteLLM proxy in front of the local model, installed on first use (580 MB).

    It takes 16 seconds of computing to start, so no more than one test should ask for it: each process that runs
    tests starts its own.
    """
    program = python_environment(HERE / "litellm") / "litellm"
    config = str(HERE / "litellm" / "config.yaml")
    with FakeGateway() as embedder:
        environment = {
            "CHAT_URL": llamacpp.base_url,
            "CHAT_KEY": llamacpp.api_key,
            "EMBEDDING_URL": embedder.base_url,
            "EMBEDDING_KEY": embedder.api_key,
            "LITELLM_MASTER_KEY": LiteLLM.api_key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches a list of prices when it starts
        }
        command = [str(program), "--config", config, "--host", "127.0.0.1", "--port", "0"]
        with serving(command, environment, r"running on (http://\S+)", patience=150) as address:
            yield LiteLLM(f"{address}/v1")


@pytest.fixture(scope="session")
def ollama_proxy(python_environment: Callable[[Path], Path], llamacpp: LocalGateway) -> Iterator[OllamaProxy]:
    """A running server that speaks Ollama's API in front of the local model, installed on first use (80 MB)."""
    program = python_environment(HERE / "ollama_proxy") / "ollama-proxy"
    environment = {"PROVIDERS_LLAMA_API_KEY": llamacpp.api_key, "PROVIDERS_LLAMA_BASE_URL": llamacpp.base_url}
    command = [str(program), "--host", "127.0.0.1", "--port", "0"]
    with serving(command, environment, r"running on (http://\S+)", patience=60) as address:
        yield OllamaProxy(address, f"llama/{llamacpp.model}")
