"""Configuration is no way in: what a `.env` in a stranger's folder can and cannot do."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import AiSettings, ConfigurationError, OpenRouterClient
from raptscallions_ai.settings import misspelt_variables, setting_sources
from raptscallions_ai.testing import FakeGateway

pytestmark = pytest.mark.requirement("E04-T014.AC2")

SECRET = "sk-or-v1-0123456789abcdef"
EVIL = "https://evil.example/v1"
STRANGERS = {
    "AI_GATEWAY_URL": EVIL,
    "ai_gateway_url": EVIL,
    "AI_ALLOW_INSECURE": "true",
    "AI_LOG_CONTENT": "1",
}


def write(**variables: str) -> None:
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()), "utf-8")


def refused(**arguments: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        AiSettings(**arguments)
    assert SECRET not in str(caught.value)
    return caught.value.details["variables"]


@pytest.mark.parametrize("variable", STRANGERS)
@pytest.mark.parametrize("key", ["AI_API_KEY", "OPENROUTER_API_KEY", "argument"])
def test_what_decides_over_a_key_does_not_come_from_a_file_without_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, key: str
) -> None:
    write(**{variable: STRANGERS[variable]})
    if key != "argument":
        monkeypatch.setenv(key, SECRET)
    found = refused(**({"api_key": SECRET} if key == "argument" else {}))
    assert list(found) == [variable.upper()]
    assert ("the key that is an argument" if key == "argument" else f"the key {key} in the env") in found[
        variable.upper()
    ]


@pytest.mark.parametrize("variable", STRANGERS)
def test_a_file_with_a_key_of_its_own_decides_over_that(variable: str) -> None:
    write(AI_API_KEY="file", **{variable: STRANGERS[variable]})
    settings = AiSettings()
    assert settings.api_key.get_secret_value() == "file"
    assert setting_sources()[variable.lower().removeprefix("ai_")] == f"{variable.upper()} in .env"


@pytest.mark.parametrize("variable", STRANGERS)
def test_a_second_key_in_the_file_changes_nothing(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    write(AI_API_KEY="file", OPENROUTER_API_KEY="file", **{variable: STRANGERS[variable]})
    monkeypatch.setenv("AI_API_KEY", SECRET)
    assert list(refused()) == [variable.upper()]


def test_all_that_is_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write(AI_GATEWAY_URL=EVIL, AI_LOG_CONTENT="true", AI_MAX_RETRIES="9")
    monkeypatch.setenv("AI_API_KEY", SECRET)
    assert set(refused()) == {"AI_GATEWAY_URL", "AI_LOG_CONTENT", "AI_MAX_RETRIES"}


def test_a_person_may_say_that_the_file_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    write(AI_GATEWAY_URL="https://gateway.example/v1", AI_TRUST_DOTENV="true")
    monkeypatch.setenv("AI_API_KEY", SECRET)
    assert list(refused()) == ["AI_GATEWAY_URL"]  # the file itself may not say so
    monkeypatch.setenv("AI_TRUST_DOTENV", "true")
    assert AiSettings().gateway_url == "https://gateway.example/v1"
    assert misspelt_variables() == {}


def test_what_changes_nothing_and_what_harms_nobody_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://openrouter.ai/api/v1"
    write(
        AI_GATEWAY_URL=url, AI_ALLOW_INSECURE="false", AI_LOG_CONTENT="no", AI_DEFAULT_MODEL="a/b", AI_MAX_RETRIES="1"
    )
    monkeypatch.setenv("AI_API_KEY", SECRET)
    settings = AiSettings()
    assert (settings.gateway_url, settings.default_model, settings.max_retries) == (url, "a/b", 1)


def test_what_the_environment_says_counts_and_not_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write(AI_GATEWAY_URL=EVIL)
    monkeypatch.setenv("AI_API_KEY", SECRET)
    monkeypatch.setenv("AI_GATEWAY_URL", "https://gateway.example/v1")
    assert AiSettings().gateway_url == "https://gateway.example/v1"
    assert AiSettings(gateway_url="https://other.example").gateway_url == "https://other.example"


def test_every_setting_is_either_harmless_or_needs_the_key() -> None:
    from raptscallions_ai import settings

    harmless = settings._HARMLESS  # pyright: ignore[reportPrivateUsage] - the list that is held here
    assert harmless < AiSettings.model_fields.keys()
    assert {"gateway_url", "allow_insecure", "log_content", "api_key"} & harmless == set()


def test_a_client_does_not_send_its_key_where_a_file_says(fake_gateway: FakeGateway) -> None:
    write(AI_GATEWAY_URL=fake_gateway.base_url)
    with pytest.raises(ConfigurationError, match="AI_GATEWAY_URL"):
        OpenRouterClient(api_key=SECRET, default_model="m")
    with pytest.raises(ConfigurationError, match="AI_GATEWAY_URL"):
        OpenRouterClient(api_key=SECRET)
    assert fake_gateway.requests == []


@pytest.mark.parametrize("text", ["${HOME_OF_SECRETS}", "$HOME_OF_SECRETS", '"${HOME_OF_SECRETS:-x}"'])
def test_a_file_reads_no_other_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HOME_OF_SECRETS", SECRET)
    write(AI_API_KEY="file", OTHER=SECRET, AI_APP_TITLE=text, AI_DEFAULT_MODEL="${OTHER}")
    settings = AiSettings()
    assert settings.app_title == text.strip('"')
    assert settings.default_model == "${OTHER}"


def pipe() -> None:
    os.mkfifo(".env")


def listening() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(".env")


def endless() -> None:
    os.symlink("/dev/zero", ".env")


def circle() -> None:
    os.symlink(".env", ".env")


def huge() -> None:
    with open(".env", "wb") as file:
        file.truncate(10**12)  # of holes


def unreadable() -> None:
    write(AI_API_KEY="file")
    Path(".env").chmod(0)


SPECIAL_FILES = {
    "a pipe": (pipe, "is not a file but a pipe"),
    "a socket": (listening, "cannot be read|is no file"),
    "a device": (endless, "is not a file but"),
    "a circle": (circle, "cannot be read"),
}
NO_FILES = {
    **({} if os.name == "nt" else SPECIAL_FILES),
    "a folder": (lambda: os.mkdir(".env"), "is a folder"),
    "a huge file": (huge, "is larger than 256 KiB"),
    "no text": (lambda: Path(".env").write_bytes(b"AI_API_KEY=\xff"), "is not UTF-8 text"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_of_settings_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    make, why = NO_FILES[what]
    make()
    monkeypatch.setenv("AI_API_KEY", SECRET)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=rf"The file \.env ({why})"):
        AiSettings()
    with pytest.raises(ConfigurationError, match=why):
        OpenRouterClient()
    assert misspelt_variables() == {}
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever is root may read everything")
def test_a_file_that_may_not_be_read_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable()
    monkeypatch.setenv("AI_API_KEY", SECRET)
    with pytest.raises(ConfigurationError, match="cannot be read \\(PermissionError\\)"):
        AiSettings()


def test_a_folder_with_a_virtual_environment_is_no_file_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir(".env")
    Path(".env/pyvenv.cfg").touch()
    monkeypatch.setenv("AI_API_KEY", SECRET)
    assert AiSettings().api_key.get_secret_value() == SECRET


def test_settings_that_are_given_whole_read_no_file() -> None:
    os.mkdir(".env")
    OpenRouterClient("k", "https://gateway.example", "m")
