"""`--engine` and `AI_ENGINE`: the commands ask other engines, each with its own variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai.testing import FakeAnthropic, FakeGateway, FakeOllama

if TYPE_CHECKING:
    from .conftest import Invoke

pytestmark = pytest.mark.requirement("E04-T024.AC3")


@pytest.fixture
def anthropic() -> Iterator[FakeAnthropic]:
    with FakeAnthropic(require_key=True) as server:
        yield server


@pytest.fixture
def claude(anthropic: FakeAnthropic) -> dict[str, str]:
    """The variables of the fake."""
    return {"ANTHROPIC_API_KEY": anthropic.api_key, "ANTHROPIC_BASE_URL": anthropic.base_url}


def test_chat_asks_the_engine_that_is_named(anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke) -> None:
    anthropic.stream("Sunlight ", "scatters.")
    result = invoke("chat", "--engine", "anthropic", "Why?", **claude)
    assert (result.exit_code, result.stdout) == (0, "Sunlight scatters.\n")
    assert anthropic.requests[0].json["model"] == "claude-sonnet-4-20250514"  # not the other engine's


def test_chat_asks_the_engine_of_the_environment_for_the_model_there(
    anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke
) -> None:
    anthropic.stream("Yes.")
    result = invoke("chat", "Why?", AI_ENGINE="anthropic", AI_DEFAULT_MODEL="claude-x", AI_API_KEY=None, **claude)
    assert (result.exit_code, result.stdout) == (0, "Yes.\n")
    assert anthropic.requests[0].json["model"] == "claude-x"


def test_engine_and_key_may_stand_in_the_file(anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke) -> None:
    lines = [f"{name}={value}\n" for name, value in {**claude, "AI_ENGINE": "anthropic"}.items()]
    Path(".env").write_text("".join(lines))
    anthropic.stream("Yes.")
    result = invoke("doctor", AI_API_KEY=None, AI_GATEWAY_URL=None, AI_DEFAULT_MODEL=anthropic.model)
    assert (
        f"anthropic {anthropic.base_url}, model {anthropic.model}, key from ANTHROPIC_API_KEY in .env" in result.stdout
    )
    assert result.exit_code == 0


def test_a_file_does_not_send_a_key_of_the_environment_elsewhere(
    anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke
) -> None:
    Path(".env").write_text(f"ANTHROPIC_BASE_URL={claude.pop('ANTHROPIC_BASE_URL')}\n")
    result = invoke("chat", "-e", "anthropic", "Why?", **claude)
    assert result.exit_code == 3
    assert "ANTHROPIC_BASE_URL is set in .env" in result.stderr
    assert "ANTHROPIC_API_KEY in the environment" in result.stderr
    assert anthropic.requests == []


def test_a_file_does_not_send_a_conversation_to_another_ollama(ollama: FakeOllama, invoke: Invoke) -> None:
    Path(".env").write_text(f"OLLAMA_HOST={ollama.base_url}\n")
    result = invoke("chat", "-e", "ollama", "Why?")
    assert result.exit_code == 3
    assert "may not decide where the conversation goes" in result.stderr
    assert invoke("chat", "-e", "ollama", "Why?", AI_TRUST_DOTENV="true").exit_code == 0


def test_doctor_of_claude(anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke) -> None:
    result = invoke("doctor", "--engine", "anthropic", **claude)
    lines = result.stdout.splitlines()
    assert lines[0].endswith("model claude-sonnet-4-20250514, key from ANTHROPIC_API_KEY in the environment")
    assert [line.split()[:2] for line in lines if line[:2].strip()][-4:-1] == [
        ["warn", "models"],
        ["ok", "key"],
        ["ok", "request"],
    ]
    assert anthropic.api_key not in result.output
    assert result.exit_code == 0


def test_doctor_tells_whose_key_is_wrong(anthropic: FakeAnthropic, claude: dict[str, str], invoke: Invoke) -> None:
    result = invoke("doctor", "--engine", "anthropic", **{**claude, "ANTHROPIC_API_KEY": "sk-ant-other"})
    assert "The key is from ANTHROPIC_API_KEY in the environment" in result.stdout
    assert result.exit_code == 4


def test_doctor_of_ollama_needs_no_key(ollama: FakeOllama, invoke: Invoke) -> None:
    result = invoke("doctor", "--engine", "ollama", OLLAMA_HOST=ollama.base_url, AI_API_KEY=None)
    assert "no key" in result.stdout
    assert "accepted" not in result.stdout
    assert result.exit_code == 0


def test_a_server_that_is_not_there_is_looked_for_in_its_own_variable(invoke: Invoke) -> None:
    result = invoke("doctor", "--engine", "ollama", OLLAMA_HOST="127.0.0.1:1")
    assert "correct host and port in OLLAMA_HOST" in result.stdout
    assert result.exit_code == 1


def test_models_of_each_engine(
    anthropic: FakeAnthropic, claude: dict[str, str], ollama: FakeOllama, invoke: Invoke
) -> None:
    listed = invoke("models", "-e", "anthropic", **claude).stdout
    assert listed.split("\t")[:2] == ["claude-fake-1", "200000"]
    assert ollama.model in invoke("models", "-e", "ollama", OLLAMA_HOST=ollama.base_url).stdout


def test_a_host_without_a_default_model(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    result = invoke("chat", "--engine", "together", "Hi", TOGETHER_API_KEY="k")
    assert result.exit_code == 2
    assert "--model" in result.stderr


@pytest.mark.parametrize("command", [["chat", "Hi"], ["models"], ["doctor"]])
def test_an_unknown_engine(command: list[str], invoke: Invoke) -> None:
    result = invoke(*command, "--engine", "antropic")
    assert result.exit_code == 2
    assert "did you mean anthropic" in result.stderr
    named = invoke(*command, AI_ENGINE="antropic")
    assert named.exit_code == 3
    assert "AI_ENGINE" in named.output


def test_a_missing_key_names_the_variable_of_the_engine(invoke: Invoke) -> None:
    result = invoke("chat", "-e", "groq", "Hi", GROQ_API_KEY=None)
    assert result.exit_code == 3
    assert "GROQ_API_KEY is required but not set" in result.stderr


@pytest.mark.parametrize("command", [["chat", "Hi"], ["doctor"]])
def test_the_local_model_is_no_engine_to_choose(command: list[str], invoke: Invoke) -> None:
    assert invoke(*command, "--local", "--engine", "ollama").exit_code == 2
