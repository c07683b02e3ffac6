"""Every way to fail: one or two lines that a person can act on, and the exit code of its kind."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai.cli import exit_codes
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.testing import Cut, Hang, Reply, chunk, error_body, json_reply, sse

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import Invoke

PROMPT = "My secret question"
HTML = Reply((b"<!doctype html><title>Welcome</title>",), headers={"Content-Type": "text/html"})


def refusal(status: int, message: str, **headers: str) -> Reply:
    """Return an error as OpenRouter sends it."""
    return json_reply(error_body(status, message), status=status, headers=headers)


@pytest.mark.parametrize(
    ("reply", "code", "what", "to_do"),
    [
        (refusal(401, "User not found."), 4, "authentication failed", "The key is from AI_API_KEY in the environment"),
        (refusal(402, "Insufficient credits"), 4, "Not enough credits", "Add credits"),
        (refusal(403, "Blocked in your region"), 4, "Blocked in your region", "The key is good"),
        (refusal(429, "Slow down", **{"Retry-After": "30"}), 5, "rate limit exceeded", "Try again in 30 s"),
        (refusal(429, "Slow down"), 5, "rate limit exceeded", "Try again in a while"),
        (refusal(408, "Too slow"), 6, "timed out", "The gateway gave up waiting"),
        (
            refusal(400, "acme/x is not a valid model ID"),
            1,
            "not available: acme/x-1",
            "`raptscallions-ai models acme`",
        ),
        (refusal(400, "maximum context length is 10 tokens"), 1, "context", "Shorten the prompt"),
        (refusal(503, "Overloaded"), 1, "Overloaded", "Try again"),
        (refusal(400, "Bad temperature"), 1, "Bad temperature", ""),
        (HTML, 1, "HTML", "base URL of an API"),
    ],
)
def test_refused_request(
    reply: Reply, code: int, what: str, to_do: str, fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    fake_gateway.add(reply)

    result = invoke("chat", PROMPT, "-m", "acme/x-1")

    first, *rest = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert what.lower() in first.lower()
    assert len(rest) == (1 if to_do else 0)
    assert to_do in "".join(rest)
    assert result.stdout == ""
    assert result.exit_code == code
    assert fake_gateway.api_key not in result.output
    assert PROMPT not in result.output


def test_text_before_a_failure_stays_and_is_called_incomplete(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.reply(sse(chunk("Half an answer")), Cut())

    result = invoke("chat", PROMPT)

    assert result.stdout == "Half an answer\n"
    assert "the answer above is incomplete" in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert result.exit_code == 1


def test_error_inside_the_stream_has_the_code_of_its_kind(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.reply(sse(chunk("Half")), sse(chunk(choices=[], error={"code": 429, "message": "Slow down"})))

    result = invoke("chat", PROMPT)

    assert result.stdout == "Half\n"
    assert result.exit_code == 5


def test_missing_usage_does_not_make_the_text_incomplete(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.stream("Whole", usage=None)

    result = invoke("chat", PROMPT)

    assert "incomplete" not in result.stderr
    assert "AI_REQUIRE_USAGE=false" in result.stderr
    assert result.exit_code == 1


def test_silent_model(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.reply(sse(chunk("Well,")), Hang())

    result = invoke("chat", PROMPT, "--timeout", "0.2")

    assert result.stdout == "Well,\n"
    assert "timed out after 200ms" in result.stderr
    assert "--timeout SECONDS" in result.stderr
    assert result.exit_code == 6
    assert fake_gateway.requests[0].wait_closed()


def test_nothing_listens(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"

    result = invoke("chat", PROMPT, AI_GATEWAY_URL=url)

    assert "Failed to connect to AI gateway (connection refused)" in result.stderr
    assert f"It is {url}." in result.stderr
    assert "raptscallions-ai doctor" in result.stderr
    assert result.exit_code == 1


def test_wrong_host_name(invoke: Invoke) -> None:
    result = invoke("chat", PROMPT, AI_GATEWAY_URL="https://no-such-host.invalid/api/v1")

    assert "Failed to connect" in result.stderr
    assert "https://no-such-host.invalid/api/v1" in result.stderr
    assert result.exit_code == 1


def test_attempts_are_counted(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.add(refusal(503, "Overloaded", **{"Retry-After": "0"}), times=None)

    result = invoke("chat", PROMPT, AI_MAX_RETRIES="2")

    assert "Overloaded (after 3 attempts)" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_no_key_offers_the_local_model(invoke: Invoke) -> None:
    result = invoke("chat", PROMPT, AI_API_KEY=None)

    first, second = result.stderr.splitlines()
    assert "no API key is configured. Set AI_API_KEY" in first
    assert "openrouter.ai/keys" in first
    assert "raptscallions-ai chat --local" in second
    assert result.exit_code == 3


def test_misspelt_key_is_named(invoke: Invoke) -> None:
    result = invoke("chat", PROMPT, AI_API_KEY=None, AI_API_KYE="sk-very-secret")

    assert "AI_API_KYE is not a setting - did you mean AI_API_KEY?" in result.stderr
    assert "sk-very-secret" not in result.output
    assert result.exit_code == 3


def test_misspelt_variable_in_dotenv_is_named(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    Path(".env").write_text("AI_REQUEST_TIMOUT_MS=5\n")

    result = invoke("chat", PROMPT)

    warning, line = result.stderr.splitlines()
    assert warning == (
        "warning: AI_REQUEST_TIMOUT_MS is not a setting and has no effect; did you mean AI_REQUEST_TIMEOUT_MS?"
    )
    assert line.startswith(f"{fake_gateway.model} | ")
    assert result.exit_code == 0


def test_everything_wrong_with_the_settings_is_one_line(invoke: Invoke) -> None:
    result = invoke("chat", PROMPT, AI_MAX_RETRIES="9", AI_GATEWAY_URL="http://example.com/v1")

    (line,) = result.stderr.splitlines()
    assert "AI_MAX_RETRIES must be a whole number from 0 to 5" in line
    assert "AI_GATEWAY_URL must be https" in line
    assert result.exit_code == 3


@pytest.mark.parametrize("command", [["chat", PROMPT], ["models"], ["doctor"]])
def test_dotenv_that_is_no_text_is_named(command: list[str], invoke: Invoke) -> None:
    Path(".env").write_bytes(b"AI_APP_TITLE=\xff\xfe")

    result = invoke(*command)

    assert ".env is not UTF-8 text" in result.output
    assert result.exit_code == 3


def test_debug_shows_where(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.add(refusal(401, "User not found."), times=None)

    assert "Traceback" not in invoke("chat", PROMPT).stderr
    result = invoke("chat", PROMPT, "--debug")

    assert "Traceback (most recent call last)" in result.stderr
    assert "AuthenticationError" in result.stderr
    assert result.exit_code == 4
    assert PROMPT not in result.output
    assert fake_gateway.api_key not in result.output


def test_unforeseen_exception_is_named_without_its_text(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(PROMPT)

    monkeypatch.setattr("raptscallions_ai.cli.answer._remarks", broken)

    result = invoke("chat", PROMPT)

    assert result.stderr == "error: unexpected RuntimeError; --debug shows where\n"
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [["--help"], ["chat", "--help"], ["models", "--help"], ["doctor", "-h"]])
def test_help_lists_every_exit_code(arguments: list[str], invoke: Invoke) -> None:
    shown = invoke(*arguments).stdout

    _, _, table = shown.partition("Exit codes:\n")
    assert {int(line.split()[0]) for line in table.splitlines()} == set(ExitCode)


def test_module_documents_every_exit_code() -> None:
    documented = {int(line.split()[0]) for line in str(exit_codes.__doc__).splitlines() if line.strip()[:1].isdigit()}

    assert documented == set(ExitCode)
