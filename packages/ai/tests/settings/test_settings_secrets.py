"""The key shows nowhere, whatever is wrong; and names with a typing error are told."""

import logging
import pickle
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from raptscallions_ai.errors import ConfigurationError
from raptscallions_ai.settings import AiSettings, get_settings, misspelt_variables, warn_of_misspelt_variables

SECRET = "sk-or-v1-0123456789abcdef"


def locals_of(link: TracebackType | None) -> str:
    """Return everything that a debugger or an error tracker would show of the frames of a traceback."""
    texts: list[str] = []
    while link is not None:
        for value in link.tb_frame.f_locals.values():
            try:
                texts.append(repr(value))
            except Exception as error:
                texts.append(repr(error))
        link = link.tb_next
    return "\n".join(texts)


def everything_of(error: BaseException) -> str:
    assert error.__traceback__ is not None
    shown = [str(error), repr(error), repr(vars(error)), repr(error.args)]
    shown += traceback.format_exception(error)
    # The first frame is the test's own, which knows the secret.
    shown.append(locals_of(error.__traceback__.tb_next))
    shown.append(pickle.dumps(error).decode("latin-1"))
    assert (error.__cause__, error.__context__) == (None, None)
    return "\n".join(shown)


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"AI_API_KEY": SECRET, "AI_MAX_RETRIES": "9"}, id="beside a bad one"),
        pytest.param({"AI_API_KEY": f"{SECRET} {SECRET}"}, id="with a space"),
        pytest.param({"AI_API_KEY": f"{SECRET}\n{SECRET}"}, id="on two lines"),
        pytest.param({"AI_API_KEY": f"{SECRET}é"}, id="beyond ascii"),
        pytest.param({"OPENROUTER_API_KEY": f"{SECRET} x"}, id="OpenRouter's name"),
        pytest.param({"AI_API_KEY": "k", "AI_GATEWAY_URL": f"https://u:{SECRET}@h"}, id="in the URL"),
        pytest.param({"AI_API_KEY": "k", "AI_GATEWAY_URL": f"https://h?key={SECRET}"}, id="in the query"),
        pytest.param({"AI_API_KEY": "k", "AI_MAX_RETRIES": SECRET}, id="in the wrong place"),
        pytest.param({"AI_API_KEY": "k", "AI_REQUIRE_USAGE": SECRET}, id="for a boolean"),
        pytest.param({"AI_API_KEYS": SECRET}, id="under a misspelt name"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_an_error_never_shows_the_key(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], source: str) -> None:
    if source == "file":
        Path(".env").write_text("".join(f'{name}="{value}"\n' for name, value in variables.items()), encoding="utf-8")
    else:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert SECRET not in everything_of(caught.value)


@pytest.mark.parametrize("make", [AiSettings, AiSettings.explicit], ids=["settings", "explicit"])
@pytest.mark.parametrize(
    "values",
    [
        {"api_key": SECRET, "max_retries": 9},
        {"api_key": f"{SECRET} x"},
        {"api_key": "k", "gateway_url": f"https://{SECRET}@h"},
    ],
    ids=["beside a bad one", "bad itself", "in the URL"],
)
def test_an_error_never_shows_the_argument(make: Any, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(**values)
    assert SECRET not in everything_of(caught.value)


def test_settings_never_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_KEY", SECRET)
    settings = AiSettings()
    for text in (repr(settings), str(settings), f"{settings}", repr(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in text
    assert settings.api_key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AI_APIKEY", "AI_API_KEY"),
        ("AI_API_KEYS", "AI_API_KEY"),
        ("AI_GATEWAY_ULR", "AI_GATEWAY_URL"),
        ("AI_GATEWAYURL", "AI_GATEWAY_URL"),
        ("AI_MODEL_DEFAULT", None),
        ("AI_DEFAULT_MODLE", "AI_DEFAULT_MODEL"),
        ("AI_MAX_RETRYS", "AI_MAX_RETRIES"),
        ("AI_REQUEST_TIMEOUT", "AI_REQUEST_TIMEOUT_MS"),
        ("OPENROUTER_APIKEY", "OPENROUTER_API_KEY"),
        ("OPENROUTER_SITE", None),
        ("AI_SOMETHING_ELSE", None),
        ("AI", None),
        ("PATH_TO_AI_API_KEY", None),
    ],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_misspelt_names(monkeypatch: pytest.MonkeyPatch, written: str, meant: str | None, source: str) -> None:
    if source == "file":
        Path(".env").write_text(f"{written}=1\n")
    else:
        monkeypatch.setenv(written, "1")
    assert misspelt_variables() == ({written: meant} if meant else {})


@pytest.mark.parametrize("name", ["AI_" + field.upper() for field in AiSettings.model_fields])
def test_names_that_are_right_are_not_suspected(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert misspelt_variables() == {}


def test_a_misspelt_name_is_reported_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_APIKEY", SECRET)
    with pytest.raises(ConfigurationError) as caught:
        AiSettings()
    assert caught.value.details["variables"] == {
        "AI_API_KEY": "is required but not set (argument api_key=)",
        "AI_APIKEY": "is set, but it is not a setting - did you mean AI_API_KEY?",
    }


def test_a_misspelt_name_is_logged_without_its_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AI_MAX_RETRYS", SECRET)
    with caplog.at_level(logging.DEBUG):
        warn_of_misspelt_variables()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("raptscallions_ai", "WARNING")
    assert "AI_MAX_RETRYS" in record.getMessage()
    assert "AI_MAX_RETRIES" in record.getMessage()
    assert SECRET not in record.getMessage()
