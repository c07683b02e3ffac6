"""The audit fails on a known vulnerability, and says so when it cannot be made; the database here is a fake one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
VULNERABLE = "idna"
RANGES = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]
ADVISORY = {
    "id": "GHSA-0000-0000-0000",
    "summary": "An advisory for this test.",
    "aliases": ["CVE-2000-0001"],
    "affected": [{"package": {"name": VULNERABLE, "ecosystem": "PyPI"}, "ranges": RANGES}],
}


@pytest.fixture
def advisories() -> Iterator[dict[str, Any]]:
    """A database on loopback: its `url`, the `status` it answers with, and the advisories `known` for `VULNERABLE`."""
    state: dict[str, Any] = {"status": 200, "known": [], "asked": []}

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # head and body in one write, or each answer waits for an acknowledgement

        def do_POST(self) -> None:
            package = json.loads(self.rfile.read(int(self.headers["content-length"])))["package"]["name"]
            state["asked"].append(package)
            body = json.dumps({"vulns": state["known"] if package == VULNERABLE else []}).encode()
            self.send_response(state["status"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state["url"] = f"http://127.0.0.1:{server.server_port}/v1/query"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def audit(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests/audit.py"), "--url", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_every_pinned_dependency_is_looked_up(advisories: dict[str, Any]) -> None:
    done = audit(advisories["url"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 known vulnerabilities" in done.stdout
    assert {"openai", "aiohttp", "msgspec", "pip-audit", VULNERABLE} <= set(advisories["asked"])


@pytest.mark.requirement("E04-T003.AC8")
def test_a_known_vulnerability_fails(advisories: dict[str, Any]) -> None:
    advisories["known"] = [ADVISORY]
    done = audit(advisories["url"])
    assert done.returncode == 1
    assert f"{VULNERABLE} " in done.stdout
    assert "CVE-2000-0001, fixed in 99.0" in done.stdout
    assert "1 known vulnerabilities" in done.stdout


def test_a_database_that_fails_is_reported(advisories: dict[str, Any]) -> None:
    advisories["status"] = 503
    done = audit(advisories["url"])
    assert done.returncode == 0
    assert done.stdout.startswith("NOT AUDITED: ")


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
def test_a_database_that_cannot_be_reached_is_reported(answers: bool) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answers:  # accepts connections and never says a word
            listener.listen()
        done = audit(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/query", "--seconds", "3")
    assert done.returncode == 0
    assert done.stdout.startswith("NOT AUDITED: ")
    assert "audited, " not in done.stdout
