"""What the cookbook says of Ctrl-C, which tests of its code blocks alone cannot show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raptscallions_ai.testing import FakeGateway, Hang, RecordedRequest, chunk, completion, sse

pytestmark = [
    pytest.mark.requirement("E04-T005.AC13"),
    pytest.mark.skipif(sys.platform == "win32", reason="a child process gets no Ctrl-C of its own on Windows"),
]

COOKBOOK = Path(__file__).resolve().parents[1] / "docs" / "cookbook"


@contextmanager
def program(name: str, page: str, gateway: FakeGateway, place: Path) -> Generator[subprocess.Popen[str]]:
    """Run a program of a page, as it stands there, in an environment that names the gateway."""
    source = re.search(rf"file: {name} -->.*?```python\n(.*?)```", (COOKBOOK / page).read_text("utf-8"), re.DOTALL)
    assert source is not None
    (place / name).write_text(source[1], "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AI_", "OPENROUTER_"))}
    environment |= {"AI_GATEWAY_URL": gateway.base_url, "AI_API_KEY": gateway.api_key}
    command = [sys.executable, "-u", "-W", "error", name]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=place, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_ctrl_c_stops_an_answer_of_the_bot_and_not_the_bot(fake_gateway: FakeGateway, tmp_path: Path) -> None:
    fake_gateway.reply(sse(chunk("Once upon")), Hang()).stream("Stopped.")
    with program("bot.py", "terminal-bot.md", fake_gateway, tmp_path) as bot:
        assert bot.stdin is not None
        assert bot.stdout is not None
        bot.stdin.write("A story!\n")
        bot.stdin.flush()
        assert bot.stdout.read(len("> Once upon")) == "> Once upon"
        bot.send_signal(signal.SIGINT)
        assert await fake_gateway.requests[0].closed()
        assert fake_gateway.requests[0].disconnected
        out, err = bot.communicate("Why?\n", timeout=30)
    assert (out, err, bot.returncode) == (" ...\n> Stopped.\n> ", "", 0)
    told = [message["content"] for message in fake_gateway.requests[1].json["messages"]]
    assert told[1:] == ["A story!", "Once upon", "Why?"]


def chats(gateway: FakeGateway) -> list[RecordedRequest]:
    return [request for request in gateway.requests if request.method == "POST"]


async def test_ctrl_c_ends_a_batch_and_keeps_what_was_answered(fake_gateway: FakeGateway, tmp_path: Path) -> None:
    fake_gateway.json(completion("A fruit."), times=5).reply(Hang(), times=8)
    with program("batch.py", "batch.md", fake_gateway, tmp_path) as batch:
        assert await fake_gateway.until(lambda: len(chats(fake_gateway)) == 13, timeout=30)
        batch.send_signal(signal.SIGINT)
        assert batch.stderr is not None
        while "Ending" not in batch.stderr.readline():
            pass
        batch.send_signal(signal.SIGINT)
        batch.communicate(timeout=30)
    assert await fake_gateway.until(lambda: all(request.ended for request in fake_gateway.requests))
    (answers,) = (tmp_path / "runs/fruit/answers").glob("*.jsonl")
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines() if line]
    assert [row["answer"] for row in rows] == ["A fruit."] * 5
