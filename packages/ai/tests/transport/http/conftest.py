"""Servers and clients that end with the test."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from http_servers import Handler, Serve, Server

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.network import Network


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with a handler; it ends with the test."""
    servers: list[Server] = []

    async def start(
        handler: Handler, context: ssl.SSLContext | None = None, path: Path | None = None, host: str = "127.0.0.1"
    ) -> Server:
        server = await Server(handler).start(context, path, host)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
    assert [failure for server in servers for failure in server.failures] == []


@pytest_asyncio.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpClient]:
    """A client that leaves nothing behind."""
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the servers' certificates."""
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """What a server of this machine, or of `gateway.example`, shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", "gateway.example").configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - its type names pyOpenSSL
    return context


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path) -> Network:
    """Trust in that authority and in nobody else."""
    place = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(place))
    return Network(str(place))
