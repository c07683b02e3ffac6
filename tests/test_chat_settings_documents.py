"""`.env.example` and the settings of the chat service agree, both ways."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from raptscallions_chat.settings import ChatSettings

ROOT = Path(__file__).resolve().parents[1]
ENV_EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
FIELDS = {"CHAT_" + name.upper(): field for name, field in ChatSettings.model_fields.items()}
ASSIGNMENT = re.compile(r"^#(CHAT_\w+)=(.*)$", re.MULTILINE)


def written(default: Any) -> str:
    """Return a default as a person writes it into the environment."""
    if default is None:
        return ""
    if isinstance(default, tuple):
        return ",".join(cast("tuple[str, ...]", default))
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_env_example_has_every_setting_of_the_chat_service_with_its_default() -> None:
    found = ASSIGNMENT.findall(ENV_EXAMPLE)
    assert dict(found) == {name: written(field.default) for name, field in FIELDS.items()}
    assert len(found) == len(FIELDS)


def test_env_example_explains_each_one_in_the_words_of_its_setting() -> None:
    comments: list[str] = []
    for line in ENV_EXAMPLE.splitlines():
        if match := ASSIGNMENT.match(line):
            text = " ".join(comments).rstrip(".")
            description = FIELDS[match[1]].description or ""
            assert text.lower() == description.lower(), match[1]
        comments = [*comments, line[2:]] if line.startswith("# ") else []


@pytest.mark.usefixtures("no_settings")
def test_env_example_as_a_file_gives_the_defaults_of_the_chat_service() -> None:
    Path(".env").write_text(re.sub(r"^#(CHAT_)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE), "utf-8")
    assert ChatSettings().model_dump() == ChatSettings.explicit().model_dump()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*FIELDS, "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
