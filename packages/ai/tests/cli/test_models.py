"""`models`: which are listed, and in which form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import Invoke, OnTerminal

MODELS = "/api/v1/models"


def test_lines_for_other_programs(invoke: Invoke) -> None:
    result = invoke("models")

    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["fake/large-2", "1000000", "3.00", "15.00", "Fake: Large 2"],
        ["fake/model-1", "128000", "0.15", "0.60", "Fake: Model 1"],
        ["fake/small:free", "8192", "0.00", "0.00", "Fake: Small (free)"],
    ]
    assert (result.stderr, result.exit_code) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["LARGE"], ["fake/large-2"]),
        (["(free)"], ["fake/small:free"]),
        (["--max-price", "0.6"], ["fake/model-1", "fake/small:free"]),
        (["--max-price", "0"], ["fake/small:free"]),
        (["--min-context", "128000"], ["fake/large-2", "fake/model-1"]),
        (["model", "--max-price", "0.5"], []),
    ],
)
def test_filters(arguments: list[str], ids: list[str], invoke: Invoke) -> None:
    assert [model["id"] for model in json.loads(invoke("models", "--json", *arguments).stdout)] == ids


def test_json_has_prices_per_million_as_strings(invoke: Invoke) -> None:
    (model,) = json.loads(invoke("models", "model-1", "--json").stdout)

    assert model["prompt_price_per_million"] == "0.15"
    assert model["completion_price_per_million"] == "0.60"
    assert model["context_length"] == 128_000
    assert "tools" in model["supported_parameters"]


def test_what_a_gateway_does_not_say_is_left_empty(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    router = {"id": "auto", "name": "Evil\x1b[31m\tname", "pricing": {"prompt": "-1", "completion": "-1"}}
    fake_gateway.route("GET", MODELS).json({"data": [router, {"id": "bare"}]}, times=3)

    assert invoke("models").stdout == "auto\t\t\t\tEvil␛[31m name\nbare\t\t\t\tbare\n"
    assert invoke("models", "--max-price", "99").stdout == ""
    assert invoke("models", "--min-context", "1").stderr == "No model matches.\n"


def test_table_keeps_ids_whole_and_brackets_as_they_are(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    long_id = "vendor/" + "x" * 20
    entry = {"id": long_id, "name": "[red]A\x1b[31m name", "context_length": 4096, "pricing": {"prompt": "0"}}
    fake_gateway.route("GET", MODELS).json({"data": [entry]})
    terminal = on_terminal("models", COLUMNS="100", TERM="dumb")

    assert terminal.leave() == 0
    header, row = terminal.shown.splitlines()
    assert header.split() == ["model", "context", "in", "$/M", "out", "$/M", "name"]
    assert row.split() == [long_id, "4,096", "free", "?", "[red]A␛[31m", "name"]


def test_narrow_table_folds_ids_and_drops_names(fake_gateway: FakeGateway, on_terminal: OnTerminal) -> None:
    long_id = "vendor/" + "x" * 30
    fake_gateway.route("GET", MODELS).json({"data": [{"id": long_id, "name": "Name", "context_length": 4096}]})
    terminal = on_terminal("models", COLUMNS="50", NO_COLOR="1")

    assert terminal.leave() == 0
    rows = [line.split() for line in terminal.shown.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()[1:]]
    assert "".join(row[0] for row in rows) == long_id
    assert rows[0][1:] == ["4,096", "?", "?"]
    assert max(len(line) for line in terminal.shown.splitlines()[1:]) <= 50


def test_wrong_url_is_explained(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    url = fake_gateway.base_url.removesuffix("/api/v1")

    result = invoke("models", AI_GATEWAY_URL=url)

    assert result.stderr.startswith("error: Invalid AI API response: there is no list of models")
    assert f"Is {url} the base URL of an API" in result.stderr
    assert result.exit_code == 1


def test_error_as_json(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.route("GET", MODELS).error(401, "No")

    result = invoke("models", "--json")

    assert json.loads(result.stdout)["name"] == "AuthenticationError"
    assert result.exit_code == 4
