"""`doctor`: what it finds, in the order in which it looks, and where it stops."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raptscallions_ai.testing import Hang, Reply

if TYPE_CHECKING:
    from raptscallions_ai.testing import FakeGateway

    from .conftest import Invoke


def findings(output: str) -> list[tuple[str, str]]:
    """Return verdict and subject of every line that has one."""
    words = [line.split() for line in output.splitlines()]
    return [(line[0], line[1]) for line in words if line and line[0] in ("ok", "warn", "FAIL")]


def test_everything_works(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    result = invoke("doctor")

    assert findings(result.stdout) == [
        ("ok", "settings"),
        ("ok", "connection"),
        ("ok", "models"),
        ("ok", "key"),
        ("ok", "request"),
    ]
    assert result.stdout.endswith("Everything works.\n")
    assert f"gateway {fake_gateway.base_url}, model fake/model-1, key from AI_API_KEY in the env" in result.stdout
    assert fake_gateway.api_key not in result.output
    assert fake_gateway.requests[-1].json["max_tokens"] == 16
    assert result.exit_code == 0


def test_host_name_and_source_of_the_key_are_reported(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    Path(".env").write_text(f"OPENROUTER_API_KEY={fake_gateway.api_key}\n")
    url = fake_gateway.base_url.replace("127.0.0.1", "localhost")

    result = invoke("doctor", AI_API_KEY=None, AI_GATEWAY_URL=url)

    assert ("ok", "name") in findings(result.stdout)
    assert "127.0.0.1" in result.stdout
    assert "key from OPENROUTER_API_KEY in .env" in result.stdout
    assert result.exit_code == 0


def test_where_each_setting_is_from_is_reported(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    Path(".env").write_text("AI_APP_TITLE=mine\nAI_API_KEY=other\n")
    lines = [line.strip() for line in invoke("doctor").stdout.splitlines()]
    assert "AI_API_KEY from the environment" in lines
    assert "AI_GATEWAY_URL from the environment" in lines
    assert "AI_APP_TITLE from .env" in lines
    assert "every other setting is the default" in lines
    assert "other" not in lines


def test_a_url_of_the_file_and_a_key_of_the_environment_end_it(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    Path(".env").write_text(f"AI_GATEWAY_URL={fake_gateway.base_url}\n")
    result = invoke("doctor", AI_GATEWAY_URL=None)
    assert findings(result.stdout) == [("FAIL", "settings")]
    assert "AI_GATEWAY_URL is set in .env" in result.stdout
    assert "AI_API_KEY in the environment" in result.stdout
    assert result.exit_code == 3
    assert not fake_gateway.requests


def test_settings_that_are_wrong_end_it(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    result = invoke("doctor", AI_API_KEY=None, AI_MAX_RETRIES="many", AI_API_KYE="x")

    assert findings(result.stdout) == [("warn", "settings"), ("FAIL", "settings")]
    assert "Did you mean AI_API_KEY?" in result.stdout
    assert "no API key is configured; AI_MAX_RETRIES must be a whole number" in result.stdout
    assert result.exit_code == 3
    assert not fake_gateway.requests


def test_unknown_host(invoke: Invoke) -> None:
    result = invoke("doctor", AI_GATEWAY_URL="https://no-such-host.invalid/api/v1")

    assert findings(result.stdout) == [("ok", "settings"), ("FAIL", "name")]
    assert "the name no-such-host.invalid was not found" in result.stdout
    assert "Check AI_GATEWAY_URL" in result.stdout
    assert result.exit_code == 1


def test_nothing_listens(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"

    result = invoke("doctor", AI_GATEWAY_URL=url)

    assert findings(result.stdout) == [("ok", "settings"), ("FAIL", "connection")]
    assert "connection refused" in result.stdout
    assert result.exit_code == 1


def test_server_without_tls(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    result = invoke("doctor", AI_GATEWAY_URL=fake_gateway.base_url.replace("http:", "https:"))

    assert findings(result.stdout)[-1] == ("FAIL", "connection")
    assert "does not speak TLS" in result.stdout
    assert result.exit_code == 1


def test_server_that_accepts_and_says_nothing(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/v1"
        result = invoke("doctor", AI_GATEWAY_URL=url, AI_CONNECT_TIMEOUT_MS="200")

    assert findings(result.stdout)[-1] == ("FAIL", "connection")
    assert "did not answer within 0.2 s" in result.stdout
    assert result.exit_code == 6


@pytest.fixture
def untrusted_port(tmp_path: Path) -> Iterator[int]:
    """A TLS server whose certificate it has signed itself."""
    if shutil.which("openssl") is None:
        assert os.environ.get("CI") != "true", "the openssl command is needed to make a certificate"
        pytest.skip("the openssl command is needed to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_untrusted_certificate(untrusted_port: int, invoke: Invoke) -> None:
    result = invoke("doctor", AI_GATEWAY_URL=f"https://127.0.0.1:{untrusted_port}/v1")

    assert findings(result.stdout)[-1] == ("FAIL", "connection")
    assert "certificate" in result.stdout
    assert "self-signed" in result.stdout
    assert "SSL_CERT_FILE" in result.stdout
    assert result.exit_code == 1


def test_proxy_is_named_without_its_password(invoke: Invoke) -> None:
    result = invoke(
        "doctor",
        AI_GATEWAY_URL="https://gateway.invalid/v1",
        https_proxy="http://user:hidden@127.0.0.1:9",
        AI_MAX_RETRIES="0",
    )

    assert "through the proxy 127.0.0.1:9" in result.stdout
    assert "hidden" not in result.output
    assert result.exit_code == 1


def test_wrong_key(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.error(401, "User not found.")

    result = invoke("doctor")

    assert findings(result.stdout)[-2:] == [("ok", "models"), ("FAIL", "key")]
    assert "The key is from AI_API_KEY in the environment" in result.stdout
    assert result.exit_code == 4


def test_wrong_key_where_the_list_needs_one(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.route("GET", "/api/v1/models").error(401, "User not found.")

    result = invoke("doctor")

    assert findings(result.stdout)[-1] == ("FAIL", "key")
    assert result.exit_code == 4
    assert [request.path for request in fake_gateway.requests] == ["/api/v1/models"]


def test_mistyped_model_is_only_a_warning(invoke: Invoke) -> None:
    result = invoke("doctor", AI_DEFAULT_MODEL="fake/modle-1")

    assert ("warn", "models") in findings(result.stdout)
    assert "Did you mean fake/model-1?" in result.stdout
    assert result.exit_code == 0


def test_gateway_without_a_list_of_models(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.route("GET", "/api/v1/models").error(404, "Not Found")

    result = invoke("doctor")

    assert findings(result.stdout)[-3:] == [("warn", "models"), ("ok", "key"), ("ok", "request")]
    assert "raptscallions-ai doctor" not in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("status", "message", "says", "code"),
    [(402, "Insufficient credits", "Add credits", 4), (429, "Slow down", "Try again", 5), (503, "Down", "Down", 1)],
)
def test_request_that_fails(
    status: int, message: str, says: str, code: int, fake_gateway: FakeGateway, invoke: Invoke
) -> None:
    fake_gateway.error(status, message)

    result = invoke("doctor", AI_MAX_RETRIES="2")

    assert findings(result.stdout)[-1] == ("FAIL", "request")
    assert says in result.stdout
    assert result.exit_code == code
    assert len(fake_gateway.requests) == 2


def test_request_without_answer(fake_gateway: FakeGateway, invoke: Invoke) -> None:
    fake_gateway.add(Reply((Hang(),)))

    result = invoke("doctor", AI_REQUEST_TIMEOUT_MS="300")

    assert findings(result.stdout)[-1] == ("FAIL", "request")
    assert result.exit_code == 6
