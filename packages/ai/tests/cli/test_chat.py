"""`chat` with a prompt: what is sent, what is written where."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from raptscallions_ai import ContentChunk, ToolCall, from_json
from raptscallions_ai.testing import Cut, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import Invoke, OnTerminal


def sent(gateway: FakeGateway) -> list[dict[str, Any]]:
    """Return the messages of the only request."""
    (request,) = gateway.requests
    return request.json["messages"]


def test_text_goes_to_stdout_and_one_line_about_it_to_stderr(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("Hello", " there.", usage=usage(12, 30, cost=0.000123), interval_s=0.01)

    result = invoke("chat", "hi")

    assert result.stdout == "Hello there.\n"
    told = r"fake/model-1 \| 12 \+ 30 tokens \| \$0\.000123 \| first token after \d+\.\d\d s \| \d+\.\d tokens/s\n"
    assert re.fullmatch(told, result.stderr)
    assert result.exit_code == 0


def test_no_second_newline_after_an_answer_that_ends_with_one(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("Hello\n")

    assert invoke("chat", "hi").stdout == "Hello\n"


def test_options_travel_upstream(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    options = ("-m", "other/model", "-s", "Be brief.", "--max-tokens", "7", "--temperature", "0.5")
    invoke("chat", "hi", *options)

    (request,) = fake_gateway.requests
    wanted = {"model": "other/model", "max_tokens": 7, "temperature": 0.5, "stream": True}
    assert wanted.items() <= request.json.items()
    assert sent(fake_gateway) == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        (["Sum it up"], "a\nb\n", "Sum it up\n\na\nb"),
        (["Hello"], "", "Hello"),
        (["Hello"], " \n", "Hello"),
        (["-"], "from stdin\n", "from stdin"),
        ([], "\ufefffrom a pipe\r\n", "from a pipe"),
    ],
)
def test_prompt_comes_from_argument_and_stdin(
    arguments: list[str], stdin: str, prompt: str, fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    assert invoke("chat", *arguments, stdin=stdin).exit_code == 0
    assert sent(fake_gateway) == [{"role": "user", "content": prompt}]


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        ([], "", "there is no prompt"),
        ([" "], "\n", "there is no prompt"),
        (["hi"], b"\xff\xfe", "stdin is not UTF-8 text"),
        (["hi", "--timeout", "0"], "", "timeout must be more than 0"),
        (["hi", "--local", "--model", "x"], "", "--local has one model"),
        (["a \udcff"], "", "the messages or options contain half a character"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    arguments: list[str], stdin: str | bytes, says: str, fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    result = invoke("chat", *arguments, stdin=stdin)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {says}")
    assert result.stderr.count("\n") == 1
    assert not fake_gateway.requests


@pytest.mark.parametrize("option", [["--temperature", "3"], ["--max-tokens", "0"], ["--no-such"], ["--timeout", "x"]])
def test_wrong_options_are_usage_errors(option: list[str], invoke: Invoke) -> None:
    result = invoke("chat", "hi", *option)

    assert result.exit_code == 2
    assert option[0] in result.stderr


def test_json_is_one_object_for_each_chunk(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    call = ToolCall("call-1", "look_up", '{"a": 1}')
    fake_gateway.stream("Hé", reasoning=["Hm"], tool_calls=[call], usage=usage(cost=0.00000123))

    result = invoke("chat", "hi", "--json")

    assert result.stderr == ""
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert objects[0] == {"v": 1, "type": "reasoning", "content": "Hm"}
    assert objects[1] == {"v": 1, "type": "content", "content": "Hé"}
    assert [one["type"] for one in objects[2:]] == ["tool_call"] * (len(objects) - 3) + ["done"]
    assert "".join(one["arguments"] for one in objects[2:-1]) == '{"a": 1}'
    done = objects[-1]
    assert done["usage"]["cost"] == "0.00000123"
    assert done["usage"]["total_tokens"] == 15
    assert (done["model"], done["finish_reason"]) == ("fake/model-1", "tool_calls")
    assert done["id"] == "gen-1700000000-fake"
    assert done["tool_calls"] == [call.to_dict()]
    assert [attempt["error"] for attempt in done["attempts"]] == [None]


def test_json_ends_with_the_error(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.reply(sse(chunk("Half an ")))

    result = invoke("chat", "hi", "--json")

    first, last = (json.loads(line) for line in result.stdout.splitlines())
    assert first == {"v": 1, "type": "content", "content": "Half an "}
    assert (last["type"], last["name"], last["code"]) == ("error", "StreamInterruptedError", "AI_ERROR")
    assert last["status_code"] == 502
    assert last["message"] in result.stderr
    assert result.exit_code == 1


def test_json_reports_settings_that_are_wrong(invoke: Invoke) -> None:
    result = invoke("chat", "hi", "--json", AI_API_KEY=None)

    assert json.loads(result.stdout)["name"] == "ConfigurationError"
    assert result.exit_code == 3


def test_json_needs_a_prompt(on_terminal: OnTerminal) -> None:
    terminal = on_terminal("chat", "--json")

    assert terminal.leave() == 2
    assert "--json needs a prompt" in terminal.shown


@pytest.mark.parametrize(
    ("wire", "remark"),
    [
        (sse(chunk("Cut", finish_reason="length")), "cut off at the token limit (--max-tokens)"),
        (sse(chunk("", finish_reason="stop")), "no text"),
        (sse(chunk("x", finish_reason="content_filter")), "finish reason: content_filter"),
        (sse(chunk(delta={"refusal": "I\nwon't."}, finish_reason="stop")), "refused: I won't."),
        (
            sse(chunk("x", delta={"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]}))
            + sse(chunk(finish_reason="stop")),
            "1 image not shown (--json does)",
        ),
    ],
)
def test_line_says_what_else_there_is_to_know(
    wire: bytes, remark: str, fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    fake_gateway.reply(wire, sse(chunk(choices=[], usage=usage())), DONE)

    line = invoke("chat", "hi").stderr

    assert line.endswith(f" | {remark}\n")
    assert line.count("\n") == 1


def test_unknown_cost_and_usage_are_called_unknown(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("x", usage=None)

    line = invoke("chat", "hi", AI_REQUIRE_USAGE="false").stderr

    assert line.startswith("fake/model-1 | tokens not reported | cost not reported | first token after")


def interrupted_once(gateway: FakeGateway) -> None:
    gateway.reply(sse(chunk("Once")), Cut())
    gateway.stream("There")


def test_a_person_is_reported_that_the_answer_starts_again(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    interrupted_once(fake_gateway)

    terminal = on_terminal("chat", "hi", AI_ON_INTERRUPT="restart")

    assert terminal.leave() == 0
    assert re.search(r"Once\s+.*closed in the middle.*; the answer starts again:\s+There", terminal.shown, re.DOTALL)


def test_a_pipe_does_not_get_two_answers(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    interrupted_once(fake_gateway)

    result = invoke("chat", "hi", AI_ON_INTERRUPT="restart")

    assert result.stdout == "Once\n"
    assert result.exit_code == 1
    assert "closed in the middle" in result.stderr


@pytest.mark.requirement("E04-T008.AC4")
def test_json_lines_say_what_is_void(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    interrupted_once(fake_gateway)

    result = invoke("chat", "hi", "--json", AI_ON_INTERRUPT="restart")

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["content", "restarted", "content", "done"]
    assert [type(from_json(line)) for line in result.stdout.splitlines()][::2] == [ContentChunk, ContentChunk]
    assert (lines[1]["discarded"]["content"], lines[1]["error"]["name"]) == ("Once", "StreamInterruptedError")
