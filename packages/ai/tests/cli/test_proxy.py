"""`raptscallions-ai proxy`: settings of the environment, tokens that are kept as hashes, a server that ends well."""

from __future__ import annotations

import json
import re
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from raptscallions_ai import ConfigurationError
from raptscallions_ai.cli.exit_codes import ExitCode
from raptscallions_ai.proxy import token_hash
from raptscallions_ai.proxy.settings import ProxySettings
from raptscallions_ai.testing import FakeGateway

if TYPE_CHECKING:
    from .conftest import Invoke, Start

pytestmark = pytest.mark.requirement("E04-T028.AC2")
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
FILE = """
[alice]
token_sha256 = "{alice}"
models = ["fast"]
cost_per_day = "2.50"

[bob]
token_sha256 = "{bob}"
requests_per_minute = 1
"""


def set_proxy(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"AI_PROXY_{name.upper()}", value)


def test_a_new_token(invoke: Invoke) -> None:
    done = invoke("proxy", "--new-token", "alice")
    assert done.exit_code == 0
    token = done.stdout.strip()
    assert re.fullmatch(r"rap_[\w-]{43}", token)
    assert f"  alice={token_hash(token)}" in done.stderr


def test_it_serves_until_it_is_told_to_stop(start: Start, fake_gateway: FakeGateway, tmp_path: Path) -> None:
    fake_gateway.stream("Hello")
    audit = tmp_path / "audit.jsonl"
    process = start(
        "proxy",
        "--port",
        "0",
        AI_PROXY_CALLERS=f"alice={token_hash('s3cret')}",
        AI_PROXY_MODELS="fast=fake/model-1",
        AI_PROXY_COST_PER_DAY="1",
        AI_PROXY_AUDIT_FILE=str(audit),
    )
    listens = process.read_until(b"ends it.", stream=2).decode()
    url = re.search(r"http://\S+", listens)
    assert url is not None, listens
    headers = {"Authorization": "Bearer s3cret"}
    answer = httpx2.post(f"{url[0]}/v1/chat/completions", json=ASKED, headers=headers)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"
    assert httpx2.post(f"{url[0]}/v1/chat/completions", json=ASKED).status_code == 401
    process.popen.send_signal(signal.SIGINT)
    code, _, err = process.finish()
    assert code in (0, ExitCode.INTERRUPTED), err
    assert "Traceback" not in err
    assert "ResourceWarning" not in err
    first, second = map(json.loads, audit.read_text().splitlines())
    assert (first["caller"], first["model"], first["outcome"], first["usage"]["cost"]) == (
        "alice",
        None,
        "complete",
        "0.00015",
    )
    assert (second["caller"], second["outcome"], second["error"]) == (None, "refused", "AuthenticationError")
    assert stat.S_IMODE(audit.stat().st_mode) == 0o600
    assert "s3cret" not in audit.read_text() + err


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "AI_PROXY_CALLERS is required but not set: who may ask?"),
        ({"AI_PROXY_CALLERS": "alice=s3cret"}, "AI_PROXY_CALLERS must be the SHA-256 of a token"),
        ({"AI_PROXY_CALLERS": "s3cret"}, "AI_PROXY_CALLERS must be pairs"),
        ({"AI_PROXY_PORT": "http"}, "AI_PROXY_PORT must be a valid integer"),
        ({"AI_PROXY_CALLER": "x"}, "AI_PROXY_CALLER is no setting - did you mean AI_PROXY_CALLERS?"),
        ({"AI_PROXY_REQUESTS_PER_MINUTE": "0"}, "AI_PROXY_REQUESTS_PER_MINUTE must be greater than or equal to 1"),
        ({"AI_PROXY_CALLERS_FILE": "missing.toml"}, "AI_PROXY_CALLERS_FILE cannot be read: No such file"),
        ({"AI_PROXY_CALLERS": f"a={token_hash('x')},b={token_hash('x')}"}, "a token of its own for each caller"),
    ],
)
def test_what_is_wrong_is_said(invoke: Invoke, variables: dict[str, str], why: str) -> None:
    done = invoke("proxy", **variables)
    assert done.exit_code == ExitCode.CONFIGURATION
    assert why in done.stderr
    assert "s3cret" not in done.output


def test_an_address_that_is_taken(invoke: Invoke, fake_gateway: FakeGateway) -> None:
    port = fake_gateway.base_url.rpartition(":")[2].partition("/")[0]
    done = invoke("proxy", "--port", port, AI_PROXY_CALLERS=f"alice={token_hash('x')}")
    assert done.exit_code == ExitCode.CONFIGURATION
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_a_file_of_callers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "callers.toml"
    file.write_text(FILE.format(alice=token_hash("a"), bob=token_hash("b").upper()), "utf-8")
    set_proxy(monkeypatch, callers=f"carol={token_hash('c')}", callers_file=str(file), cost_per_day="1")
    settings = ProxySettings.from_environment(port=None, host="::1")
    callers = {caller.id: caller for caller in settings.all_callers().values()}
    assert settings.host == "::1"
    alice, bob, carol = (callers[name] for name in ("alice", "bob", "carol"))
    assert (alice.models, bob.models, alice.limiter) == (["fast"], None, None)
    assert [str(each.budget.cost) for each in (alice, bob, carol) if each.budget] == ["2.50", "1", "1"]
    assert bob.limiter is not None
    assert alice.budget is not bob.budget


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[alice", "is not valid TOML"),
        ("[alice]\nmodels = ['a']", "alice.token_sha256: is required"),
        ("[alice]\ntoken_sha256 = 's3cret'", "alice.token_sha256: must be the SHA-256"),
        (f"[alice]\ntoken_sha256 = '{'0' * 64}'\ncost = 1", "alice.cost: is not permitted"),
        (f"[a]\ntoken_sha256 = '{'0' * 64}'\n[b]\ntoken_sha256 = '{'0' * 64}'", "b: has the token of another caller"),
    ],
)
def test_a_file_that_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "callers.toml"
    file.write_text(text, "utf-8")
    set_proxy(monkeypatch, callers_file=str(file))
    with pytest.raises(ConfigurationError) as caught:
        ProxySettings.from_environment().all_callers()
    assert why in caught.value.message
    assert "s3cret" not in caught.value.message


def test_no_dotenv_of_a_stranger_lets_anybody_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"AI_PROXY_CALLERS=mallory={token_hash('m')}\n", "utf-8")
    set_proxy(monkeypatch, callers=f"alice={token_hash('a')}")
    with pytest.raises(ConfigurationError, match="stands in .env; it is read from the environment only"):
        ProxySettings.from_environment()


def test_models_with_and_without_names(monkeypatch: pytest.MonkeyPatch) -> None:
    set_proxy(monkeypatch, callers=f"alice={token_hash('a')}", models="openai/gpt-5, fast=openai/gpt-4o-mini")
    settings = ProxySettings.from_environment()
    assert settings.models == {"openai/gpt-5": "openai/gpt-5", "fast": "openai/gpt-4o-mini"}
