"""TLS: what is trusted, what is refused and how that is told, and that it changes nothing else."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from http_servers import OK, Serve, Served, request, say_ok, whole

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import HttpError, LostConnectionError, SetupError, UnreachableError
from raptscallions_ai._transport.http.network import Network

LARGE = bytes(range(256)) * 40_000


@pytest.fixture
def trusted(trust: Network) -> str:
    """A file with the authority's certificate."""
    return str(trust.verify)


async def ask(url: str, trust: Network, body: bytes = b"{}") -> bytes:
    client = HttpClient(trust)
    try:
        return await whole(await client.send(request(url, body)))
    finally:
        await client.aclose()


async def test_a_file_of_certificates_is_trusted(serve: Serve, server_context: ssl.SSLContext, trusted: str) -> None:
    server = await serve(say_ok, server_context)
    client = HttpClient(Network(trusted))
    for _ in range(3):
        assert await whole(await client.send(request(server.url, LARGE))) == b"ok"
    assert (server.accepted, server.bodies) == (1, [LARGE] * 3)
    await client.aclose()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_large_answers_in_both_versions(
    serve: Serve, server_context: ssl.SSLContext, trusted: str, version: ssl.TLSVersion
) -> None:
    async def handler(connection: Served) -> None:
        while await connection.request():
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LARGE) + LARGE)

    server_context.maximum_version = version
    server = await serve(handler, server_context)
    assert await ask(server.url, Network(trusted)) == LARGE


async def test_a_context_of_the_users_own(serve: Serve, server_context: ssl.SSLContext, trusted: str) -> None:
    server = await serve(say_ok, server_context)
    context = ssl.create_default_context(cafile=trusted)
    assert await ask(server.url, Network(context)) == b"ok"


async def test_the_variable_that_openssl_reads(
    serve: Serve, server_context: ssl.SSLContext, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    server = await serve(say_ok, server_context)
    assert await ask(server.url, Network()) == b"ok"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_missing_certificates_are_named_with_their_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/no/such/place.pem")
    with pytest.raises(SetupError, match=f"{name} names /no/such/place.pem, which does not exist"):
        await ask("https://127.0.0.1:1", Network())


async def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    place = tmp_path / "text.pem"
    place.write_text("no certificate")
    with pytest.raises(SetupError, match="text.pem"):
        await ask("https://127.0.0.1:1", Network(str(place)))


async def test_an_unknown_authority_is_refused(serve: Serve, server_context: ssl.SSLContext) -> None:
    server = await serve(say_ok, server_context)
    with pytest.raises(UnreachableError, match=r"certificate of 127\.0\.0\.1 refused: .*issuer"):
        await ask(server.url, Network())
    assert server.heads == []


async def test_another_name_is_refused(serve: Serve, authority: trustme.CA, trusted: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - its type names pyOpenSSL
    server = await serve(say_ok, context)
    with pytest.raises(UnreachableError, match=r"certificate of 127\.0\.0\.1 refused: .*not valid for '127\.0\.0\.1'"):
        await ask(server.url, Network(trusted))


async def test_a_server_that_speaks_no_tls_is_reported(serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.reader.read(100)
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    server = await serve(handler)
    with pytest.raises(UnreachableError, match=r"TLS handshake with 127\.0\.0\.1 failed"):
        await ask(server.url.replace("http", "https"), Network())


@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_leaves_during_the_handshake_is_reported(serve: Serve, reset: bool) -> None:
    async def handler(connection: Served) -> None:
        await connection.reader.read(100)
        if reset:
            connection.reset()

    server = await serve(handler)
    with pytest.raises(UnreachableError, match="during the TLS handshake"):
        await ask(server.url.replace("http", "https"), Network())


@pytest.mark.parametrize("together", [False, True])
async def test_a_client_certificate(
    serve: Serve, server_context: ssl.SSLContext, authority: trustme.CA, trusted: str, tmp_path: Path, together: bool
) -> None:
    authority.configure_trust(server_context)  # pyright: ignore[reportUnknownMemberType] - its type names pyOpenSSL
    server_context.verify_mode = ssl.CERT_REQUIRED
    server = await serve(say_ok, server_context)
    own = authority.issue_cert("client.example")
    both, certificate, key = tmp_path / "both.pem", tmp_path / "certificate.pem", tmp_path / "key.pem"
    own.private_key_and_cert_chain_pem.write_to_path(both)
    own.cert_chain_pems[0].write_to_path(certificate)
    own.private_key_pem.write_to_path(key)
    files = str(both) if together else (str(certificate), str(key))
    assert await ask(server.url, Network(trusted, files)) == b"ok"
    with pytest.raises(HttpError):
        await ask(server.url, Network(trusted))
    with pytest.raises(SetupError, match=r"missing\.pem"):
        await ask(server.url, Network(trusted, str(tmp_path / "missing.pem")))


async def test_what_came_before_a_cut_is_delivered(serve: Serve, server_context: ssl.SSLContext, trusted: str) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        transport = connection.writer.transport
        while transport.get_write_buffer_size():  # noqa: ASYNC110 - TLS has no other sign
            await asyncio.sleep(0)
        transport.abort()

    server, client = await serve(handler, server_context), HttpClient(Network(trusted))
    response = await client.send(request(server.url))
    assert await response.read() == b"half"
    with pytest.raises(LostConnectionError):
        await response.read()
    await client.aclose()


async def test_closing_tells_the_server(serve: Serve, server_context: ssl.SSLContext, trusted: str) -> None:
    ended = asyncio.Event()

    async def handler(connection: Served) -> None:
        await connection.request()
        await connection.send(OK)
        assert await connection.reader.read() == b""  # an orderly end, which raises nothing
        ended.set()

    server = await serve(handler, server_context)
    assert await ask(server.url, Network(trusted)) == b"ok"
    await ended.wait()


async def test_cancelling_during_the_handshake_leaves_nothing(serve: Serve) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(connection: Served) -> None:
        arrived.set()
        await connection.closed()
        gone.set()

    server = await serve(handler)
    task = asyncio.create_task(ask(server.url.replace("http", "https"), Network()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone.wait()
