"""`.env.example`, README's tables and the code agree, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from raptscallions_ai import AiError, AiSettings, errors
from raptscallions_ai.local.weights import CACHE_VARIABLE
from raptscallions_ai.proxy.settings import ProxySettings

ROOT = Path(__file__).resolve().parents[1]
ENV_EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
FIELDS = {"AI_" + name.upper(): field for name, field in AiSettings.model_fields.items()}
PROXY_FIELDS = {"AI_PROXY_" + name.upper(): field for name, field in ProxySettings.model_fields.items()}
ASSIGNMENT = re.compile(r"^#?(AI_\w+)=(.*)$", re.MULTILINE)


def table_under(heading: str, document: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, without its head."""
    _, _, rest = document.partition(f"## {heading}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def default_of(name: str) -> str:
    """Return the default as a person writes it into the environment."""
    default = (FIELDS | PROXY_FIELDS)[name].default
    if default is None or default is PydanticUndefined or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.requirement("E04-T002.AC8")
def test_env_example_has_every_setting_with_its_default() -> None:
    expected = {name: default_of(name) for name in FIELDS | PROXY_FIELDS} | {CACHE_VARIABLE: ""}
    assert dict(ASSIGNMENT.findall(ENV_EXAMPLE)) == expected
    assert len(ASSIGNMENT.findall(ENV_EXAMPLE)) == len(expected)


def test_env_example_explains_every_setting() -> None:
    explained = False
    for line in ENV_EXAMPLE.splitlines():
        if ASSIGNMENT.match(line):
            assert explained, f"{line} has no comment above it"
        else:
            explained = line.startswith("# ")


def test_env_example_holds_no_key() -> None:
    assert [line for line in ENV_EXAMPLE.splitlines() if not line.startswith("#") and line] == ["AI_API_KEY="]


def test_env_example_as_a_file_gives_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*FIELDS, "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    everything = re.sub(r"^#(AI_)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE)
    Path(".env").write_text(everything.replace("AI_API_KEY=", "AI_API_KEY=sk-test-1"), "utf-8")
    assert AiSettings().model_dump() == AiSettings.explicit(api_key="sk-test-1").model_dump()


def test_the_configuration_table_has_every_setting_with_its_default() -> None:
    rows = {cells[0].strip("`"): cells[1] for cells in table_under("Configuration", README)}
    local = rows.pop(CACHE_VARIABLE)
    assert local == "the user's cache folder"
    assert rows.pop("AI_TRUST_DOTENV") == "`false`"  # of the environment only, so it is no field
    expected = {name: f"`{default_of(name)}`" if default_of(name) else "none" for name in FIELDS}
    assert rows == expected | {"AI_API_KEY": "none, required"}


def test_the_table_of_the_proxys_settings_has_each_with_its_default() -> None:
    guide = (ROOT / "docs/guides/proxy.md").read_text("utf-8")
    rows = {cells[0].strip("`"): cells[1] for cells in table_under("The command", guide)}
    assert rows == {name: f"`{default_of(name)}`" if default_of(name) else "none" for name in PROXY_FIELDS}


@pytest.mark.parametrize(
    ("document", "heading"), [("README.md", "Errors"), ("docs/guides/errors.md", "Which error means what")]
)
def test_the_errors_tables_have_every_error_with_its_status(document: str, heading: str) -> None:
    exported = [getattr(errors, name) for name in errors.__all__]
    kinds = {kind.__name__: kind for kind in exported if issubclass(kind, AiError) and kind is not AiError}
    rows = {cells[0].strip("`"): cells[1:] for cells in table_under(heading, (ROOT / document).read_text("utf-8"))}
    assert {name: int(cells[0]) for name, cells in rows.items()} == {
        name: kind.status_code for name, kind in kinds.items()
    }
    assert {name: cells[1] == "yes" for name, cells in rows.items()} == {
        name: kind.retryable for name, kind in kinds.items()
    }
    assert {cells[1] for cells in rows.values()} == {"yes", "no", "sometimes"}


def test_the_fields_of_an_error_are_the_ones_in_the_guide() -> None:
    guide = (ROOT / "docs/guides/errors.md").read_text("utf-8")
    listed = {cells[0].strip("`") for cells in table_under("What each error carries", guide)}
    assert listed == {"code", *vars(AiError()), "retryable", "status_code"} - {"args"}
