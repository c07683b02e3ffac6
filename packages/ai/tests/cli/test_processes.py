"""The command as a process: streaming, signals, pipes, terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai._version import __version__
from raptscallions_ai.testing import Gate, Hang, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

if TYPE_CHECKING:
    from pathlib import Path

    from raptscallions_ai.testing import FakeGateway

    from .conftest import OnTerminal, Start

HEAVY = {"openai", "aiohttp", "httpx2", "pydantic_settings", "rich.table"}


def test_text_is_written_before_the_next_is_sent(fake_gateway: FakeGateway, start: Start) -> None:
    gate = Gate()
    end = (sse(chunk(finish_reason="stop")), sse(chunk(choices=[], usage=usage())), DONE)
    fake_gateway.reply(sse(chunk("First")), gate, sse(chunk(" second")), *end)
    process = start("chat", "hi")

    assert process.read_until(b"First") == b"First"
    gate.open()

    code, out, err = process.finish()
    assert (code, out) == (0, "First second\n")
    assert err.startswith("fake/model-1 | 10 + 5 tokens | $0.00015 | first token after ")
    assert err.count("\n") == 1


def test_json_is_written_before_the_next_is_sent(fake_gateway: FakeGateway, start: Start) -> None:
    gate = Gate()
    fake_gateway.reply(sse(chunk("First")), gate)
    process = start("chat", "hi", "--json")

    assert json.loads(process.read_until(b"\n")) == {"v": 1, "type": "content", "content": "First"}
    gate.open()
    assert process.finish()[0] == 1


@pytest.mark.parametrize("json_lines", [[], ["--json"]])
def test_interrupt_stops_the_answer_and_keeps_what_came(
    json_lines: list[str], fake_gateway: FakeGateway, start: Start
) -> None:
    fake_gateway.reply(sse(chunk("Half an")), Hang())
    process = start("chat", "hi", *json_lines)
    process.read_until(b"Half an")

    process.interrupt()

    code, out, err = process.finish()
    assert (code, err) == (130, "interrupted\n")
    assert out == ('{"v": 1, "type": "content", "content": "Half an"}\n' if json_lines else "Half an\n")
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected


def test_interrupt_before_the_first_text(fake_gateway: FakeGateway, start: Start) -> None:
    fake_gateway.reply(b": OPENROUTER PROCESSING\n\n", Hang())
    process = start("chat", "hi")
    assert fake_gateway.wait_until(lambda: bool(fake_gateway.requests), 30)

    process.interrupt()

    assert process.finish() == (130, "", "interrupted\n")
    assert fake_gateway.requests[0].wait_closed()


def test_reader_that_leaves_ends_the_answer_quietly(fake_gateway: FakeGateway, start: Start) -> None:
    fake_gateway.stream(*(f"line {number}\n" for number in range(10_000)), interval_s=0.001)
    reading, writing = os.pipe()
    process = start("chat", "hi", stdout=writing)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as reader:
        assert reader.read(7) == b"line 0\n"

    code, _, err = process.finish()

    assert (code, err) == (141, "")
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected


def test_full_disk_is_one_line(start: Start) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    full = os.open("/dev/full", os.O_WRONLY)
    process = start("chat", "hi", stdout=full)
    os.close(full)

    code, _, err = process.finish()

    assert (code, err) == (1, "error: No space left on device\n")


def test_letters_that_stdout_lacks_are_replaced(fake_gateway: FakeGateway, start: Start) -> None:
    fake_gateway.stream("Grüße, 世界")

    code, out, _ = start("chat", "hi", PYTHONIOENCODING="ascii").finish()

    assert (code, out) == (0, "Gr??e, ??\n")


def test_silent_pipe_is_announced(fake_gateway: FakeGateway, start: Start) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb") as pipe:
        process = start("chat", "Sum up:", stdin=stdin.fileno())
        process.read_until(b"Waiting for the prompt on stdin", stream=2)
        pipe.write(b"all of it")
        pipe.close()

        assert process.finish()[0] == 0
    assert fake_gateway.requests[0].json["messages"] == [{"role": "user", "content": "Sum up:\n\nall of it"}]


def test_retries_are_reported_to_a_person(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    fake_gateway.error(503, "Overloaded", retry_after=0)
    terminal = on_terminal("chat", "hi", AI_MAX_RETRIES="1")

    shown = terminal.wait_for("Hello from the fake gateway.")

    assert "attempt 1 failed with ProviderError (503), trying again in 0.00 s" in shown
    assert terminal.leave() == 0


@pytest.mark.usefixtures("local_weights")
def test_local_model_answers_without_any_setting(start: Start) -> None:
    process = start("chat", "What is 2+2?", "--local", AI_API_KEY="", AI_GATEWAY_URL="nonsense", **local_cache())

    code, out, err = process.finish()

    assert code == 0, err
    assert len(out.split()) > 1
    notice, line = err.splitlines()
    assert "a toy of 135M parameters" in notice
    assert " tokens | free | first token after " in line


@pytest.mark.usefixtures("local_weights")
def test_doctor_checks_the_local_model(start: Start) -> None:
    code, out, err = start("doctor", "--local", **local_cache()).finish()

    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "ok", "Everything"]


def local_cache() -> dict[str, str]:
    """Return where the weights of the suite are, if that is not the default."""
    return {name: os.environ[name] for name in ("AI_LOCAL_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom raptscallions_ai.cli import main\n"
        "try: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=30, check=True)

    loaded = set(run.stderr.split())
    assert "chat" in run.stdout
    assert "typer" in loaded
    assert not HEAVY & loaded


def test_version(start: Start) -> None:
    assert start("--version").finish() == (0, f"raptscallions-ai {__version__}\n", "")


def test_missing_extra_is_one_line(tmp_path: Path) -> None:
    block = "import sys\nsys.modules['typer'] = None\nfrom raptscallions_ai.cli import main\nmain()"
    command = [sys.executable, "-c", block, "chat", "hi"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False)

    assert run.stderr == "typer is missing: pip install 'raptscallions-ai[cli]'\n"
    assert run.returncode == 3
