"""The interactive chat, at a real terminal."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raptscallions_ai.testing import Cut, Hang, chunk, sse

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import OnTerminal, Start

PROMPT = "> "
MORE = ". "


def asked(gateway: FakeGateway, turn: int) -> list[tuple[str, Any]]:
    """Return role and content of each message of a request."""
    return [(message["role"], message["content"]) for message in gateway.requests[turn].json["messages"]]


def test_history_goes_upstream_and_commands_work(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    fake_gateway.stream("One.").stream("Two.").stream("Three.").stream("Four.")
    terminal = on_terminal("chat", "--system", "Be brief.", "--max-tokens", "9")

    assert "Chatting with fake/model-1. /help lists the commands" in terminal.wait_for(PROMPT)
    terminal.type("first\n")
    assert "One." in terminal.wait_for("first token after")
    terminal.wait_for(PROMPT)
    terminal.type("second\n")
    terminal.wait_for("Two.")
    terminal.wait_for(PROMPT)
    assert asked(fake_gateway, 0) == [("system", "Be brief."), ("user", "first")]
    assert asked(fake_gateway, 1) == [*asked(fake_gateway, 0), ("assistant", "One."), ("user", "second")]

    for command, answer in (
        ("/model other/model", "The model is other/model."),
        ("/system Be kind.", "System message set."),
        ("/clear", "Started a new conversation."),
        ("/nonsense", "There is no command /nonsense"),
        ("/help", "Ctrl-C stops an answer"),
    ):
        terminal.type(f"{command}\n")
        terminal.wait_for(answer)
        terminal.wait_for(PROMPT)
    terminal.type("third\n")
    terminal.wait_for("Three.")
    terminal.wait_for(PROMPT)
    terminal.type("/system\n")
    terminal.wait_for("System message removed.")
    terminal.wait_for(PROMPT)
    terminal.type(" /not a command\n")
    terminal.wait_for("Four.")
    terminal.wait_for(PROMPT)
    terminal.type("/quit\n")

    assert terminal.leave() == 0
    assert asked(fake_gateway, 2) == [("system", "Be kind."), ("user", "third")]
    assert asked(fake_gateway, 3) == [("user", "third"), ("assistant", "Three."), ("user", " /not a command")]
    assert [request.json["model"] for request in fake_gateway.requests] == ["fake/model-1"] * 2 + ["other/model"] * 2
    assert {request.json["max_tokens"] for request in fake_gateway.requests} == {9}


def test_message_of_several_lines(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    terminal = on_terminal("chat")
    terminal.wait_for(PROMPT)
    for keys in ("one \\\n", "two \\\n"):
        terminal.type(keys)
        terminal.wait_for(MORE)
    terminal.type("three\n")
    terminal.wait_for("first token after")
    terminal.wait_for(PROMPT)
    for keys in ('"""\n', "  a\n", "\n", "/quit\n"):
        terminal.type(keys)
        terminal.wait_for(MORE)
    terminal.type('"""\n')
    terminal.wait_for("first token after")
    terminal.wait_for(PROMPT)
    terminal.type('"""\n')
    terminal.wait_for(MORE)
    terminal.type("dropped\n")
    terminal.wait_for(MORE)
    terminal.interrupt_prompt()
    terminal.wait_for(PROMPT)
    terminal.type("\x04")

    assert terminal.leave() == 0
    assert [asked(fake_gateway, turn)[-1][1] for turn in (0, 1)] == ["one \ntwo \nthree", "  a\n\n/quit"]
    assert len(fake_gateway.requests) == 2


def test_interrupt_stops_one_answer_and_keeps_what_came(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    fake_gateway.reply(sse(chunk("Half an")), Hang()).reply(Hang()).stream("Done.")
    terminal = on_terminal("chat")
    terminal.wait_for(PROMPT)
    terminal.type("first\n")
    terminal.wait_for("Half an")
    terminal.type("\x03")
    terminal.wait_for("stopped")
    assert fake_gateway.requests[0].wait_closed()
    assert fake_gateway.requests[0].disconnected

    terminal.wait_for(PROMPT)
    terminal.type("unanswered\n")
    assert fake_gateway.wait_until(lambda: len(fake_gateway.requests) == 2)
    terminal.type("\x03")
    terminal.wait_for("stopped")
    terminal.wait_for(PROMPT)
    terminal.type("second\n")
    terminal.wait_for("Done.")
    terminal.wait_for(PROMPT)
    terminal.interrupt_prompt()

    assert terminal.leave() == 0
    assert asked(fake_gateway, 2) == [("user", "first"), ("assistant", "Half an"), ("user", "second")]


def test_failure_of_one_answer_does_not_end_the_chat(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    fake_gateway.reply(sse(chunk("Half")), Cut()).error(429, retry_after=7).stream("Done.")
    terminal = on_terminal("chat")
    terminal.wait_for(PROMPT)
    terminal.type("first\n")
    terminal.wait_for("the answer above is incomplete")
    terminal.wait_for(PROMPT)
    terminal.type("refused\n")
    terminal.wait_for("Try again in 7 s")
    terminal.wait_for(PROMPT)
    terminal.type("second\n")
    terminal.wait_for("Done.")
    terminal.wait_for(PROMPT)
    terminal.type("\x04")

    assert terminal.leave() == 0
    assert "Traceback" not in terminal.shown
    assert asked(fake_gateway, 2) == [("user", "first"), ("assistant", "Half"), ("user", "second")]


def test_save_writes_the_messages_and_overwrites_only_its_own(
    fake_gateway: FakeGateway, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    fake_gateway.stream("Grüße", " \x1b[31m")
    mine, foreign = tmp_path / "chat.json", tmp_path / "foreign.json"
    foreign.write_text("precious")
    terminal = on_terminal("chat", "-s", "Be brief.")
    terminal.wait_for(PROMPT)
    terminal.type("hi\n")
    terminal.wait_for("first token after")
    for path, answer in (
        (mine, "Saved 3 messages to"),
        (mine, "Saved 3 messages to"),
        (foreign, "choose another name"),
        (tmp_path / "no" / "folder.json", "cannot be written: No such file or directory"),
        ("", "/save needs the path of a file"),
    ):
        terminal.wait_for(PROMPT)
        terminal.type(f"/save {path}\n")
        terminal.wait_for(answer)
    terminal.wait_for(PROMPT)
    terminal.type("\x04")

    assert terminal.leave() == 0
    assert foreign.read_text() == "precious"
    assert stat.S_IMODE(mine.stat().st_mode) & 0o077 == 0
    assert json.loads(mine.read_text(encoding="utf-8")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Grüße \x1b[31m"},
    ]


def test_reasoning_blocks_go_back_to_their_model_only(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    block = {"type": "reasoning.text", "text": "Hm", "signature": "s1", "index": 0}
    whole = (sse(chunk(delta={"reasoning_details": [block]})), sse(chunk("Yes.", finish_reason="stop")))
    for _ in range(2):
        fake_gateway.reply(*whole, sse(chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 9})))
    terminal = on_terminal("chat")
    for keys, answer in (("a\n", "Yes."), ("b\n", "Yes."), ("/model x/y\n", "The model is x/y"), ("c\n", "Hello")):
        terminal.wait_for(PROMPT)
        terminal.type(keys)
        terminal.wait_for(answer)
    terminal.wait_for(PROMPT)
    terminal.type("\x04")

    assert terminal.leave() == 0
    second, third = (request.json["messages"] for request in fake_gateway.requests[1:])
    assert second[1]["reasoning_details"] == [block]
    assert [set(message) for message in third] == [{"role", "content"}] * 5


def test_wrong_settings_are_reported_before_anything_is_typed(on_terminal: OnTerminal) -> None:
    terminal = on_terminal("chat", AI_API_KEY="")

    assert terminal.leave() == 3
    assert "AI_API_KEY must not be empty" in terminal.shown
    assert PROMPT not in terminal.shown


def test_no_chat_where_its_answers_go_to_a_file(start: Start) -> None:
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    master, slave = pty.openpty()
    process = start("chat", stdin=slave)

    code, out, err = process.finish()
    os.close(master)
    os.close(slave)

    assert (code, out) == (2, "")
    assert err.startswith("error: an interactive chat needs a terminal")
