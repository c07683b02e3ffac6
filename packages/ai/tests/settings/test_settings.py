import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from raptscallions_ai.errors import ConfigurationError
from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.settings import AiSettings, get_settings, reset_settings

# variable, what is set, field, what is read
GOOD: list[tuple[str, str, str, Any]] = [
    ("AI_GATEWAY_URL", "https://gateway.example/v1", "gateway_url", "https://gateway.example/v1"),
    ("AI_GATEWAY_URL", "https://gateway.example/v1/", "gateway_url", "https://gateway.example/v1"),
    ("AI_GATEWAY_URL", "https://gateway.example:8443", "gateway_url", "https://gateway.example:8443"),
    ("AI_GATEWAY_URL", "http://localhost:4000/v1", "gateway_url", "http://localhost:4000/v1"),
    ("AI_GATEWAY_URL", "http://api.localhost/v1", "gateway_url", "http://api.localhost/v1"),
    ("AI_GATEWAY_URL", "http://127.0.0.1:4000", "gateway_url", "http://127.0.0.1:4000"),
    ("AI_GATEWAY_URL", "http+unix://%2Frun%2Fllm.sock/v1", "gateway_url", "http+unix://%2Frun%2Fllm.sock/v1"),
    ("AI_GATEWAY_URL", "http://127.9.9.9", "gateway_url", "http://127.9.9.9"),
    ("AI_GATEWAY_URL", "http://[::1]:4000/v1", "gateway_url", "http://[::1]:4000/v1"),
    ("AI_API_KEY", "sk-or-v1-abc", "api_key", SecretStr("sk-or-v1-abc")),
    ("AI_API_KEY", " sk-or-v1-abc\n", "api_key", SecretStr("sk-or-v1-abc")),
    ("OPENROUTER_API_KEY", "sk-or-v1-abc", "api_key", SecretStr("sk-or-v1-abc")),
    ("AI_DEFAULT_MODEL", "openai/gpt-4o:nitro", "default_model", "openai/gpt-4o:nitro"),
    ("AI_DEFAULT_MODEL", " a/b ", "default_model", "a/b"),
    ("AI_MODEL_ALIASES", "fast=a/b, slow = c/d:free,", "model_aliases", {"fast": "a/b", "slow": "c/d:free"}),
    ("AI_MODEL_ALIASES", "", "model_aliases", None),
    ("AI_REQUEST_TIMEOUT_MS", "1", "request_timeout_ms", 1),
    ("AI_CONNECT_TIMEOUT_MS", "250", "connect_timeout_ms", 250),
    ("AI_TOTAL_TIMEOUT_MS", "60000", "total_timeout_ms", 60_000),
    ("AI_TOTAL_TIMEOUT_MS", "", "total_timeout_ms", None),
    ("AI_MAX_RETRIES", "0", "max_retries", 0),
    ("AI_MAX_RETRIES", "5", "max_retries", 5),
    ("AI_APP_URL", "https://app.example", "app_url", "https://app.example"),
    ("AI_APP_URL", "", "app_url", None),
    ("AI_APP_TITLE", "My App", "app_title", "My App"),
    ("AI_ALLOW_INSECURE", "true", "allow_insecure", True),
    ("AI_REQUIRE_USAGE", "false", "require_usage", False),
    ("AI_MAX_EVENT_BYTES", "1024", "max_event_bytes", 1024),
    ("AI_LOG_CONTENT", "1", "log_content", True),
]
# variable, what is set, what the error says of it
BAD: list[tuple[str, str, str]] = [
    ("AI_MODEL_ALIASES", "fast", "must be pairs such as fast=openai/gpt-4o-mini"),
    ("AI_MODEL_ALIASES", "=a/b", "must have names without a slash"),
    ("AI_MODEL_ALIASES", "fast=", "must have names without a slash, and ids that are not empty"),
    ("AI_MODEL_ALIASES", "a/b=c/d", "must have names without a slash"),
    ("AI_GATEWAY_URL", "", "must be a URL"),
    ("AI_GATEWAY_URL", "openrouter.ai/api/v1", "must be a URL"),
    ("AI_GATEWAY_URL", "ftp://gateway.example", "must be a URL"),
    ("AI_GATEWAY_URL", "https://", "must be a URL"),
    ("AI_GATEWAY_URL", "https://gateway .example", "must be a URL"),
    ("AI_GATEWAY_URL", "https://gateway.example/\n", "must be a URL"),
    ("AI_GATEWAY_URL", "https://[::1", "is not a valid URL"),
    ("AI_GATEWAY_URL", "https://gateway.example:port", "is not a valid URL"),
    ("AI_GATEWAY_URL", "https://gateway.example:99999", "is not a valid URL"),
    ("AI_GATEWAY_URL", "https://user:hidden@gateway.example", "must not contain a user name or password"),
    ("AI_GATEWAY_URL", "https://hidden@gateway.example", "must not contain a user name or password"),
    ("AI_GATEWAY_URL", "https://gateway.example?key=hidden", "must not contain a query"),
    ("AI_GATEWAY_URL", "https://gateway.example#hidden", "must not contain a query or a fragment"),
    ("AI_GATEWAY_URL", "http://gateway.example/v1", "must be https"),
    ("AI_GATEWAY_URL", "http://localhost.gateway.example", "must be https"),
    ("AI_GATEWAY_URL", "http://127.0.0.1.gateway.example", "must be https"),
    ("AI_GATEWAY_URL", "http://0.0.0.0:4000", "must be https"),
    ("AI_GATEWAY_URL", "http://192.168.0.1", "must be https"),
    ("AI_API_KEY", "", "must not be empty"),
    ("AI_API_KEY", "  ", "must not be empty"),
    ("AI_API_KEY", "hidden key", "must not contain spaces"),
    ("AI_API_KEY", "hidden\nkey", "control characters"),
    ("AI_API_KEY", "hidden\x07key", "control characters"),
    ("AI_API_KEY", "hidden-ключ", "letters beyond ASCII"),
    ("AI_DEFAULT_MODEL", "", "must not be empty"),
    ("AI_DEFAULT_MODEL", "  ", "must not be empty"),
    *((name, value, "must be a whole number of milliseconds") for value in ("0", "-1", "1.5", "soon", "1" + "0" * 400)
      for name in ("AI_REQUEST_TIMEOUT_MS", "AI_CONNECT_TIMEOUT_MS", "AI_TOTAL_TIMEOUT_MS")),
    *(("AI_MAX_RETRIES", value, "must be a whole number from 0 to 5") for value in ("-1", "6", "1.5", "two", "")),
    ("AI_APP_URL", "https://app.example\r\nX: 1", "must be printable ASCII"),
    ("AI_APP_TITLE", "Café", "must be printable ASCII"),
    ("AI_ALLOW_INSECURE", "perhaps", "must be true or false"),
    ("AI_REQUIRE_USAGE", "", "must be true or false"),
    ("AI_LOG_CONTENT", "2", "must be true or false"),
    ("AI_MAX_EVENT_BYTES", "10", "must be greater than or equal to 1024"),
]  # fmt: skip


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AI_API_KEY", "sk-hidden")
    return "sk-hidden"


def problems(**values: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        AiSettings(**values)
    listed = "\n".join(f"  {name}: {says}" for name, says in caught.value.details["variables"].items())
    assert str(caught.value) == f"The AI gateway configuration is invalid:\n{listed}"
    return caught.value.details["variables"]


def test_defaults(key: str) -> None:
    settings = AiSettings()
    assert settings.model_dump() == {
        "engine": "openrouter",
        "gateway_url": "https://openrouter.ai/api/v1",
        "api_key": SecretStr(key),
        "default_model": "anthropic/claude-sonnet-4-20250514",
        "request_timeout_ms": 120_000,
        "connect_timeout_ms": 10_000,
        "total_timeout_ms": None,
        "max_retries": 2,
        "on_interrupt": "fail",
        "fallback_models": (),
        "fallback_cooldown_ms": 5_000,
        "model_aliases": None,
        "app_url": None,
        "app_title": None,
        "require_usage": True,
        "max_event_bytes": 64 * 1024 * 1024,
        "log_content": False,
        "allow_insecure": False,
    }
    assert settings.timeouts == Timeouts(connect=10.0, first_chunk=120.0, idle=120.0, total=None)


@pytest.mark.parametrize(("variable", "text", "field", "value"), GOOD)
def test_what_is_accepted(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object) -> None:
    if not variable.endswith("API_KEY"):
        monkeypatch.setenv("AI_API_KEY", "k")
    monkeypatch.setenv(variable, text)
    assert getattr(AiSettings(), field) == value


@pytest.mark.parametrize(("variable", "text", "says"), BAD)
def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, key: str, variable: str, text: str, says: str) -> None:
    monkeypatch.setenv(variable, text)
    found = problems()
    assert list(found) == [variable]
    assert says in found[variable]
    assert "hidden" not in found[variable]


def test_plain_http_is_accepted_when_it_is_allowed(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("AI_GATEWAY_URL", "http://gateway.example/v1")
    monkeypatch.setenv("AI_ALLOW_INSECURE", "true")
    assert AiSettings().gateway_url == "http://gateway.example/v1"


def test_a_missing_key_says_how_to_give_it() -> None:
    assert problems() == {"AI_API_KEY": "is required but not set (argument api_key=)"}


def test_everything_that_is_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {variable: (text, says) for variable, text, says in BAD}
    for variable, (text, _) in wrong.items():
        monkeypatch.setenv(variable, text)
    found = problems()
    assert set(found) == set(wrong)
    assert all(says in found[variable] for variable, (_, says) in wrong.items() if variable != "AI_GATEWAY_URL")


def test_invalid_arguments_are_reported_under_the_names_of_the_variables() -> None:
    found = problems(api_key="k", max_retries=9, gateway_url="x", request_timeout_ms=0)
    assert set(found) == {"AI_MAX_RETRIES", "AI_GATEWAY_URL", "AI_REQUEST_TIMEOUT_MS"}


def test_openrouters_own_variable_is_second(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "other")
    assert AiSettings().api_key.get_secret_value() == key


def test_a_file_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("# comment\nAI_API_KEY='from file'\nAI_API_KEY=file\nAI_MAX_RETRIES=4\nUNKNOWN=1\n")
    settings = AiSettings()
    assert (settings.api_key.get_secret_value(), settings.max_retries) == ("file", 4)


def test_openrouters_variable_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("OPENROUTER_API_KEY=file\n")
    assert AiSettings().api_key.get_secret_value() == "file"


def test_a_file_is_checked_as_the_environment_is() -> None:
    Path(".env").write_text("AI_API_KEY=k\nAI_MAX_RETRIES=9\n")
    assert problems() == {"AI_MAX_RETRIES": "must be a whole number from 0 to 5"}


def test_a_file_that_is_no_text_is_a_configuration_error() -> None:
    Path(".env").write_bytes(b"AI_API_KEY=k\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env"):
        AiSettings()


FIELDS = [
    ("api_key", "API_KEY"),
    ("default_model", "DEFAULT_MODEL"),
    ("app_title", "APP_TITLE"),
    ("app_url", "APP_URL"),
]


@pytest.mark.parametrize(("field", "name"), FIELDS)
def test_arguments_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, field: str, name: str
) -> None:
    def read(**values: Any) -> str:
        value: object = getattr(AiSettings(**{"api_key": "k", **values} if field != "api_key" else values), field)  # pyright: ignore[reportArgumentType] - texts, as the environment has them
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    Path(".env").write_text(f"AI_{name}=file\n")
    assert read() == "file"
    monkeypatch.setenv(f"AI_{name}", "environment")
    assert read() == "environment"
    assert read(**{field: "argument"}) == "argument"


def test_an_argument_wins_over_openrouters_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "environment")
    assert AiSettings(api_key=SecretStr("argument")).api_key.get_secret_value() == "argument"


def test_explicit_settings_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_MAX_RETRIES", "9")
    monkeypatch.setenv("AI_API_KEY", "environment")
    Path(".env").write_text("AI_APP_TITLE=file\n")
    settings = AiSettings.explicit(api_key="k")
    assert (settings.max_retries, settings.app_title, settings.api_key.get_secret_value()) == (2, None, "k")
    with pytest.raises(ConfigurationError, match="AI_API_KEY: is required"):
        AiSettings.explicit()


def test_settings_are_read_once_and_again_after_a_reset(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    first = get_settings()
    monkeypatch.setenv("AI_MAX_RETRIES", "5")
    assert get_settings() is first
    reset_settings()
    assert get_settings().max_retries == 5


def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError):
        get_settings()
    monkeypatch.setenv("AI_API_KEY", "k")
    assert get_settings().api_key.get_secret_value() == "k"


def test_timeouts_are_in_seconds() -> None:
    settings = AiSettings.explicit(
        api_key="k", request_timeout_ms=1_500, connect_timeout_ms=250, total_timeout_ms=60_000
    )
    assert settings.timeouts == Timeouts(connect=0.25, first_chunk=1.5, idle=1.5, total=60.0)


def test_settings_cannot_be_changed_and_can_be_pickled() -> None:
    settings = AiSettings.explicit(api_key="k", max_retries=1)
    with pytest.raises(ValueError, match="frozen"):
        settings.max_retries = 2
    assert pickle.loads(pickle.dumps(settings)) == settings
