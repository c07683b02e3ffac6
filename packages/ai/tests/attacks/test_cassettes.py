"""What a cassette promises to hide is hidden in whatever form it stands."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import Cassette, FakeGateway, chunk, sse
from raptscallions_ai.testing._secrets import HIDDEN, SecretFilter
from raptscallions_ai.testing.cassette import CassetteError

pytestmark = pytest.mark.requirement("E04-T016.AC2")

SECRET = "tr0ub4dor-and-3-horses"
KEYS = [
    "sk-or-v1-" + "0a" * 32, "sk-ant-api03-" + "aB3" * 20, "sk-proj-" + "aB3_" * 12, "gsk_" + "a1B2" * 13,
    "xai-" + "a1B2" * 20, "pplx-" + "a1B2" * 12, "csk-" + "a1b2" * 12, "nvapi-" + "a1B2" * 16, "tgp_v1_" + "a1B2" * 10,
    "r8_" + "a1B2" * 9, "hf_" + "a1B2" * 9, "vck_" + "a1B2" * 12, "dapi" + "0a" * 16, "tvly-dev-" + "a1B2" * 8,
    "pcsk_" + "a1B2" * 12, "lsv2_pt_" + "0a" * 16, "ASIA" + "A1B2" * 4, "AIza" + "a1B2C" * 7, "ya29." + "a1B2" * 10,
    "github_pat_" + "a1B2" * 20, "glpat-" + "a1B2" * 5, "npm_" + "a1B2" * 9, "xapp-1-" + "A1B2" * 8,
    "SG." + "a1B2" * 5 + "." + "a1B2" * 10, "sk_live_" + "a1B2" * 6, "AGE-SECRET-KEY-1" + "QP" * 29,
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----",
]  # fmt: skip
VALUES: list[Any] = [SECRET, 4711_0815, 47.11, [SECRET, 1], {"a": {"b": SECRET}}]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:12])
def test_the_well_known_shapes_of_keys_are_known(key: str) -> None:
    hide = SecretFilter({})
    assert key not in hide.text(f"it is {key}, he said")
    assert key not in json.dumps(hide.json({"a": [f"it is {key}"]}))
    assert key not in hide.text(json.dumps({"text": f"it is {key}"}))


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("name", ["api_key", "OPENAI_API_KEY", "openaiApiKey", "aws_secret_access_key", "db-password"])
def test_a_promised_field_is_hidden_whatever_its_value(name: str, value: Any) -> None:
    hide = SecretFilter({})
    shown = {"a": {name: value}, "b": 1}
    expected = {"a": {name: HIDDEN}, "b": 1}
    assert hide.json(shown) == expected
    assert json.loads(hide.text(json.dumps(shown))) == expected
    arguments = {"function": {"arguments": json.dumps(shown)}}
    assert json.loads(hide.text(json.dumps(arguments))) == {"function": {"arguments": json.dumps(expected)}}
    assert hide.json(arguments) == {"function": {"arguments": json.dumps(expected)}}
    deeper = json.dumps({"text": json.dumps(arguments)})
    assert json.loads(json.loads(hide.text(deeper))["text"])["function"]["arguments"] == json.dumps(expected)


def test_none_at_all_is_no_secret() -> None:
    text = '{"api_key": null, "password": "", "secret": true}'
    assert SecretFilter({}).text(text) == text


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("field", ["content", "arguments", "reasoning"])
@pytest.mark.parametrize("form", ["a known text", "a key", "a field"])
def test_a_secret_in_many_deltas_is_hidden(size: int, field: str, form: str) -> None:
    secret = KEYS[0] if form == "a key" else SECRET
    text = f'{{"note": "é {secret}"}}' if form != "a field" else f'{{"a": 1, "api_key": "{secret}", "b": 2}}'
    cuts = [*range(0, len(text), size), len(text)]
    body = b"".join(sse({"choices": [{"delta": {field: text[start:end]}}]}) for start, end in pairwise(cuts))
    hide = SecretFilter({"authorization": f"Bearer {SECRET}"} if form == "a known text" else {})
    for pieces in ([body], [body[start : start + 50] for start in range(0, len(body), 50)]):
        hidden = hide.pieces(pieces)
        assert len(hidden) == len(pieces)
        events = [json.loads(line[6:]) for line in b"".join(hidden).decode().splitlines() if line.startswith("data: ")]
        said = "".join(event["choices"][0]["delta"][field] for event in events)
        assert said == text.replace(secret, HIDDEN)


@pytest.mark.parametrize(
    "form",
    [
        json.dumps({"a": SECRET}).replace("-", "\\u002d"),
        f"GET /x?q={SECRET}&b=1",
        f"OPENAI_API_KEY={SECRET}\nHOME=x",
        f"postgresql://me:{SECRET}@host/db",
    ],
)
def test_other_forms_of_a_known_text(form: str) -> None:
    hidden = SecretFilter({"x-api-key": SECRET}).text(form)
    assert SECRET not in hidden
    assert HIDDEN in hidden


def test_a_stream_that_is_no_secret_stays_byte_for_byte() -> None:
    body = b"".join(sse(chunk(word)) for word in ("The ", "task-", "force", " of Bearer", " tokens"))
    assert SecretFilter({}).pieces([body[:30], body[30:]]) == [body[:30], body[30:]]


def test_each_test_has_a_file_of_its_own() -> None:
    from pytest_raptscallions_ai import _file_of  # pyright: ignore[reportPrivateUsage] - what is held

    assert _file_of("test_it") == "test_it.jsonl"
    assert _file_of("test_it[a-b]") == "test_it-a-b.jsonl"
    tests = ["test_it[a/b]", "test_it[a b]", "test_it[a-b]", "test_it[a]", "test_it[a-]", "test_it[-a]", "test_it[A]"]
    tests += [
        "test_it[" + "x" * 300 + "1]",
        "test_it[" + "x" * 300 + "2]",
        "test_it[\ud800]",
        "test_it[..]",
        "A::test[a]",
    ]
    files = [_file_of(test).lower() for test in tests]
    assert len(set(files)) == len(tests)
    assert all(len(file) < 200 and "/" not in file for file in files)


@pytest.mark.requirement("E04-T016.AC1")
@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
async def test_a_cassette_is_private_and_not_one_that_anybody_can_write(
    fake_gateway: FakeGateway, tmp_path: Path
) -> None:
    path = tmp_path / "hello.jsonl"
    url, key = fake_gateway.base_url, fake_gateway.api_key
    elsewhere = tmp_path / "elsewhere"
    path.with_name("hello.jsonl.part").symlink_to(elsewhere)
    with pytest.raises(OSError), Cassette(path, mode="record", gateway_url=url, api_key=key) as cassette:
        async with OpenRouterClient(cassette.api_key, cassette.base_url, "m") as client:
            await client.chat("Hi")
    assert not elsewhere.exists()
    path.with_name("hello.jsonl.part").unlink()
    path.touch(0o644)
    with Cassette(path, mode="record", gateway_url=url, api_key=key) as cassette:
        async with OpenRouterClient(cassette.api_key, cassette.base_url, "m") as client:
            await client.chat("Hi")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o666)
    with pytest.raises(CassetteError, match="can be written by every user"), Cassette(path, mode="replay"):
        pass
    path.chmod(0o644)  # as a version control leaves it
    with Cassette(path, mode="replay") as cassette:
        async with OpenRouterClient(cassette.api_key, cassette.base_url, "m") as client:
            assert (await client.chat("Hi")).content == "Hello from the fake gateway."
