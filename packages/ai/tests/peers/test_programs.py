"""The programs of `examples/programs`, unchanged against servers of other people: only three variables differ."""

from __future__ import annotations

import ast
import logging
import os
import re
import runpy
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

import pytest
from peer_servers import Aimock, LiteLLM

from raptscallions_ai import AiError, ModelNotAvailableError, reset_settings
from raptscallions_ai.errors import NotSupportedError
from raptscallions_ai.local import LocalGateway

pytestmark = [
    pytest.mark.requirement("E04-T005.AC13"),
    pytest.mark.timeout(900),  # the first run of all installs aimock and LiteLLM, and downloads the model
]

PROGRAMS = Path(__file__).parents[4] / "examples" / "programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
LONGEST = 12  # lines of code, without imports and the two lines that start a coroutine

# Which fruits it names, and what it says of them, is the model's affair, and another processor's rounding.
FRUITS = r"1\. \w+\n2\. \w+\n3\. \w+(?:\n\n[^\n]+)?"
QUOTED = r"'1\. \w+\\n2\. \w+\\n3\. \w+'"
N = r"[1-9]\d*"

# What each program prints, of all servers alike.
PRINTED = {
    "account": rf"\S+ spent, (no limit|{N} left)\n",
    "budget": r"tokens 50 True\ntokens 50 False\n1\n",
    "cache": rf"{QUOTED} (?P<pieces>{N}) {N} 1\n{QUOTED} (?P=pieces) 0 0\n",
    "cancelling": rf"True\n{FRUITS}\n",
    "cassette": rf"record {QUOTED} (?P<tokens>{N})\nreplay {QUOTED} (?P=tokens)\n",
    "chat_stream": rf"{FRUITS}\n{N} tokens, stop\n",
    "conversation": rf"{FRUITS}\n{N}\n(\d\. \w+\n){{3}}{N}\n\['user', 'assistant', 'user', 'assistant'\]\n",
    "embeddings": rf"2 {N} \d+\n",
    "errors": r"check your key: 401 False\n",
    "events": rf"start\ntext_start\n([^|]+\|){{6,}}{QUOTED}\ndone\n",
    "fallback": rf"{FRUITS}\n\['ConnectionError', None\]\n",
    "hooks": rf"\{{'temperature': 0, 'max_tokens': 40\}}\n{FRUITS}\n{N}\n",
    "leaving_early": rf"left after '[^']+'\nNone unknown\n{FRUITS}\n",
    "logprobs": r"('.+' -\d+\.\d+ 2\n){5}",
    "logs": rf"call started: .*\nchat started: .*\nchat finished: .* tokens={N}\+{N} in .*\ncall finished: .*\n",
    "models": r"\S+ (\d+|None) (\S+|None)\n(.*\n)*True\n",
    "options": r"True True\n1\. \w+ stop\n",
    "picture": r"A single pixel\.\n",
    "rate_limit": rf"4 \{{{QUOTED}\}}\n",
    "reasoning": r"thought: Two and two are four\.\nsaid: 4\n",
    "structured_output": rf"City .+ {N}\n{N}\n",
    "structured_stream": r"(0 )+([1-3] )+owner='Ada' fruits=\['(apple|banana|cherry)'.*\]\n",
    "timeouts": r"total ['\"].+['\"]\n",
    "tokens": rf"True {N} {N}\n",
    "tools": rf"weather \{{'city': 'Paris'\}} 12 degrees in Paris\n.*12 degrees.*\n2\n{N}\n",
    "tracing": rf'(.*\n)*.*"gen_ai\.usage\.output_tokens": {N},?\n(.*\n)*',
    "usage": rf"\[{N}, {N}\] 2 True\n0\n",
    "web": r'text/event-stream; charset=utf-8\n(data: \{"type":"content",.*\n\n){6,}data: \{"type":"done",.*\n\n',
    "whole_answer": rf"1\. \w+\n(.*\n)+True {N} {N}\n",
    "without_async": rf"{FRUITS}\n{N} {N}\nTrue\n",
}


@dataclass
class Server:
    """A server's variables, and what it does not do as the others: another output, or one of the library's errors."""

    base_url: str
    api_key: str
    model: str
    differs: dict[str, str | type[AiError]]

    @property
    def variables(self) -> dict[str, str]:
        return {"AI_GATEWAY_URL": self.base_url, "AI_API_KEY": self.api_key, "AI_DEFAULT_MODEL": self.model}


# The local model is too small to think, and has no eyes.
SMALL: dict[str, str | type[AiError]] = {
    "picture": ModelNotAvailableError,
    "reasoning": r"thought: \nsaid: .+\n",
}


@pytest.fixture(params=["llamacpp", "aimock", pytest.param("litellm", marks=pytest.mark.litellm)])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "aimock":
        aimock: Aimock = request.getfixturevalue("aimock")
        # It knows no log probabilities, and `stop` is none of its options.
        differs: dict[str, str | type[AiError]] = {"logprobs": "", "options": rf"True True\n{FRUITS} stop\n"}
        return Server(f"{aimock.url}/api/v1", aimock.api_key, "deepseek/deepseek-r1", differs)
    if request.param == "litellm":
        litellm: LiteLLM = request.getfixturevalue("litellm")
        # What a key may spend is told at an address of its own, in a form of its own.
        return Server(litellm.base_url, litellm.api_key, litellm.model, {**SMALL, "account": NotSupportedError})
    llamacpp: LocalGateway = request.getfixturevalue("llamacpp")
    # It knows no accounts, and makes vectors only where it was started for that.
    differs = {**SMALL, "account": NotSupportedError, "embeddings": NotSupportedError}
    return Server(llamacpp.base_url, llamacpp.api_key, llamacpp.model, differs)


def run(name: str) -> None:
    log = logging.getLogger("raptscallions_ai")
    level, handlers = log.level, log.handlers[:]
    reset_settings()
    try:
        runpy.run_path(str(PROGRAMS / f"{name}.py"), run_name="__main__")
    finally:
        log.setLevel(level)
        log.handlers[:] = handlers


# One test for all programs of a server: LiteLLM is slow to start, and each process that runs tests would start one.
def test_every_program(
    server: Server,
    subtests: pytest.Subtests,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable, value in server.variables.items():
        monkeypatch.setenv(variable, value)
    for name in NAMES:
        with subtests.test(program=name):
            expected = server.differs.get(name, PRINTED[name])
            if isinstance(expected, str):
                run(name)
                printed = capsys.readouterr()
                assert re.fullmatch(expected, printed.out), printed.out
            else:
                with pytest.raises(expected):
                    run(name)
                printed = capsys.readouterr()
                assert printed.out == ""
            assert printed.err == ""


def test_a_program_in_a_process_of_its_own(llamacpp: LocalGateway) -> None:
    variables = Server(llamacpp.base_url, llamacpp.api_key, llamacpp.model, {}).variables
    command = [sys.executable, "-W", "error", str(PROGRAMS / "chat_stream.py")]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert re.fullmatch(PRINTED["chat_stream"], done.stdout), done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_every_program_is_run_and_listed() -> None:
    assert list(PRINTED) == NAMES
    listed = (PROGRAMS.parent / "README.md").read_text("utf-8")
    for name in NAMES:
        shows = (ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text("utf-8"))) or "").rstrip(".")
        assert f"| [{name}.py](programs/{name}.py) | {shows} |\n" in listed


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_short_and_hides_nothing_from_the_type_checker(name: str) -> None:
    path = PROGRAMS / f"{name}.py"
    tree = ast.parse(path.read_text("utf-8"))
    trivial = {"async def main() -> None:", "asyncio.run(main())", ""}
    unneeded = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = path.read_text("utf-8").splitlines()
    for node in [tree.body[0], *unneeded]:
        lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or 0) - node.lineno + 1)
    assert len([line for line in lines if line not in trivial]) <= LONGEST
    assert not {"cast", "Any"} & {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    with tokenize.open(path) as file:
        comments = [token.string for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.COMMENT]
    assert not [comment for comment in comments if re.search(r"type:|pyright:|noqa", comment)]
