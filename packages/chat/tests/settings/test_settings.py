"""What the environment says, and what is told when it says something wrong."""

from __future__ import annotations

import base64
import logging
import os
import re
from pathlib import Path

import pytest

from raptscallions_ai import ConfigurationError
from raptscallions_chat.settings import ChatSettings, warn_of_unknown_variables

KEY = base64.b64encode(bytes(32)).decode()


def problems(**variables: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        ChatSettings.explicit(**variables)
    found: dict[str, str] = caught.value.details["variables"]
    return found


def test_nothing_has_to_be_set() -> None:
    settings = ChatSettings()
    assert settings.is_embedded
    assert settings.is_loopback
    assert settings.auth == ("dev",)


def test_everything_that_is_wrong_is_told_at_once_and_no_value_is(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "CHAT_PORT": "eighty",
        "CHAT_DATABASE_URL": "mysql://me:hunter2@host/db",
        "CHAT_REDIS_URL": "http://hunter2",
        "CHAT_AUTH": "jwt",
        "CHAT_SESSION_SECRET": "hunter2",
        "CHAT_KEYS": "k1:hunter2",
        "CHAT_TRUSTED_PROXIES": "hunter2",
        "CHAT_CORS_ORIGINS": "https://hunter2/path",
        "CHAT_ON_BUSY": "hunter2",
        "CHAT_LOG_CONTENT": "hunter2",
        "CHAT_MAX_RUNS": "-1",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        ChatSettings()
    assert set(caught.value.details["variables"]) == {*wrong, "CHAT_JWKS_URL", "CHAT_JWT_AUDIENCE"} - {"CHAT_AUTH"}
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.details}"
    assert "CHAT_ON_BUSY: must be 'reject', 'enqueue', 'interrupt' or 'merge'" in caught.value.message


def test_dev_is_for_loopback_only() -> None:
    assert "dev" in problems(host="0.0.0.0")["CHAT_AUTH"]
    assert ChatSettings.explicit(host="::1").auth == ("dev",)
    assert ChatSettings.explicit(host="0.0.0.0", auth="token").auth == ("token",)


def test_roles_of_their_own_need_what_processes_share() -> None:
    assert set(problems(role="web")) == {"CHAT_DATABASE_URL", "CHAT_REDIS_URL"}
    settings = ChatSettings.explicit(role="worker", database_url="postgresql://h/db", redis_url="redis://h")
    assert not settings.is_embedded


@pytest.mark.parametrize("url", ["sqlite://chat.db", "postgresql://host", "chat.db", ""])
def test_a_database_url_of_another_form_is_refused(url: str) -> None:
    assert set(problems(database_url=url)) == {"CHAT_DATABASE_URL"}


def test_the_names_of_the_original_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/db")
    monkeypatch.setenv("REDIS_URL", "redis://host")
    settings = ChatSettings()
    assert (settings.database_url, settings.redis_url) == ("postgresql://host/db", "redis://host")


@pytest.mark.parametrize("keys", ["", "k1:" + KEY[:20], f"k1:{KEY},k1:{KEY}", KEY])
def test_keys_must_have_names_and_32_bytes(keys: str) -> None:
    if not keys:
        assert ChatSettings.explicit(keys=keys).keys is None
    else:
        assert set(problems(keys=keys)) == {"CHAT_KEYS"}


def test_secrets_are_not_shown() -> None:
    settings = ChatSettings.explicit(
        keys=f"k1:{KEY}", session_secret="s" * 32, database_url="postgresql://u:hunter2@h/d", redis_url="redis://:pw1@h"
    )
    assert not re.search(f"{KEY}|ssss|hunter2|pw1", repr(settings))


def test_unknown_variables_are_warned_of_with_near_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CHAT_MAX_RUN", "3")
    monkeypatch.setenv("CHAT_WHATEVER_ELSE", "3")
    Path(".env").write_text("CHAT_FLUSH_MSS=3\n", "utf-8")
    with caplog.at_level(logging.WARNING, "raptscallions_chat"):
        warn_of_unknown_variables()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert told[0].endswith("CHAT_FLUSH_MSS is not a setting and has no effect; did you mean CHAT_FLUSH_MS?")
    assert "did you mean CHAT_MAX_RUNS?" in told[1]
    assert told[2].endswith("CHAT_WHATEVER_ELSE is not a setting and has no effect")


def test_a_misspelt_variable_is_named_beside_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_AUTH", "jwt")
    monkeypatch.setenv("CHAT_JWKS_URI", "https://id.example.com/keys")
    with pytest.raises(ConfigurationError, match="CHAT_JWKS_URI: is set, .* did you mean CHAT_JWKS_URL"):
        ChatSettings()


def test_a_dotenv_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    Path(".env").write_bytes(b"CHAT_PORT=\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        ChatSettings()


A_STRANGERS = "CHAT_AUTH=proxy\nCHAT_HOST=0.0.0.0\nCHAT_TRUSTED_PROXIES=0.0.0.0/0\nCHAT_PORT=9000\n"


@pytest.mark.requirement("E05-T005.AC8")
@pytest.mark.parametrize("secret", ["AI_API_KEY", "OPENROUTER_API_KEY", "CHAT_KEYS", "DATABASE_URL"])
def test_a_file_of_somebody_else_does_not_decide_over_secrets_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    value = {"CHAT_KEYS": f"k1:{KEY}", "DATABASE_URL": "postgresql://u:hunter2@h/d"}.get(secret, "hunter2")
    Path(".env").write_text(A_STRANGERS, "utf-8")
    assert ChatSettings().auth == ("proxy",)  # nothing is anybody's but the file's
    monkeypatch.setenv(secret, value)
    with pytest.raises(ConfigurationError) as caught:
        ChatSettings()
    told: dict[str, str] = caught.value.details["variables"]
    assert set(told) == {"CHAT_AUTH", "CHAT_HOST", "CHAT_TRUSTED_PROXIES"}
    assert told["CHAT_AUTH"].startswith(f"stands in .env, which may not decide what becomes of {secret}: set both")
    assert "hunter2" not in f"{caught.value} {caught.value.details}"
    monkeypatch.setenv("AI_TRUST_DOTENV", "true")
    assert (ChatSettings().auth, ChatSettings().port) == (("proxy",), 9000)


@pytest.mark.requirement("E05-T005.AC8")
def test_a_secret_that_is_an_argument_is_the_programs_own_and_defaults_in_a_file_do_no_harm() -> None:
    Path(".env").write_text("CHAT_AUTH=dev\nCHAT_FLUSH_MS=50\nCHAT_RETENTION_DAYS=1\n", "utf-8")
    with pytest.raises(ConfigurationError, match="CHAT_RETENTION_DAYS: stands in"):
        ChatSettings(database_url="sqlite:///a.db")
    assert ChatSettings(database_url="sqlite:///a.db", retention_days=2).flush_ms == 50


@pytest.mark.requirement("E05-T005.AC8")
@pytest.mark.parametrize(("content", "told"), [(b"\xff", "not UTF-8"), (b"A=1\n" * 100_000, "at most 256 KiB")])
def test_a_file_that_is_no_small_text_is_told(content: bytes, told: str) -> None:
    Path(".env").write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        ChatSettings()


@pytest.mark.requirement("E05-T005.AC8")
def test_a_pipe_is_not_waited_for_and_a_folder_is_no_file() -> None:
    Path(".env").mkdir()
    assert ChatSettings().port == 8000
    Path(".env").rmdir()
    os.mkfifo(".env")
    with pytest.raises(ConfigurationError, match="must be a file"):
        ChatSettings()


@pytest.mark.requirement("E05-T005.AC8")
def test_a_file_cannot_send_other_variables_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    Path(".env").write_text("CHAT_JWKS_URL=https://example.com/${SOME_TOKEN}", "utf-8")
    assert ChatSettings().jwks_url == "https://example.com/${SOME_TOKEN}"
