"""Proxies: which one is used, how it is asked, and how its refusal is told."""

from __future__ import annotations

import asyncio
import base64
import builtins
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import pytest
from http_servers import Serve, Served, request, say_ok, whole

from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import ConnectTimeoutError, ProxyRefusedError, SetupError, UnreachableError
from raptscallions_ai._transport.http.network import Network
from raptscallions_ai._transport.http.origin import address_of_url
from raptscallions_ai._transport.http.proxies import Proxy, environment_proxy

HTTPS, HTTP = "https://api.example.com/v1", "http://api.example.com/v1"


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"https_proxy": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        (HTTPS, {"https_proxy": "http://small:1", "HTTPS_PROXY": "http://capital:1"}, "http://small:1"),
        (HTTPS, {"https_proxy": "", "ALL_PROXY": "http://all:1"}, "http://all:1"),
        (HTTPS, {"all_proxy": "socks5h://p"}, "socks5h://p:1080"),
        (HTTPS, {"https_proxy": "p:3128"}, "http://p:3128"),
        (HTTPS, {"https_proxy": "p"}, "http://p:1080"),
        (HTTPS, {"https_proxy": "https://p"}, "https://p:443"),
        (HTTPS, {"https_proxy": "http://[::1]:8080"}, "http://[::1]:8080"),
        (HTTPS, {"http_proxy": "http://p:3128"}, None),
        (HTTP, {"http_proxy": "http://p:3128"}, "http://p:3128"),
        (HTTP, {"HTTP_PROXY": "http://p:3128"}, None),  # what a CGI program is handed by whoever asks
        (HTTP, {"ALL_PROXY": "http://p:3128"}, "http://p:3128"),
        ("http://127.0.0.1:11434", {"http_proxy": "http://p:3128"}, None),
        ("http://localhost:11434", {"all_proxy": "http://p:3128"}, None),
        ("https://localhost:8443", {"all_proxy": "http://p:3128"}, "http://p:3128"),
        ("http+unix://%2Frun%2Fx", {"all_proxy": "http://p:3128"}, None),
    ],
)
def test_which_proxy_is_used(url: str, variables: Mapping[str, str], proxy: str | None) -> None:
    found = environment_proxy(address_of_url(url).origin, variables)
    assert (None if found is None else str(found)) == proxy


@pytest.mark.parametrize(
    ("host", "exempt", "direct"),
    [
        ("api.example.com", "*", True),
        ("api.example.com", "example.com", True),
        ("api.example.com", ".example.com", True),
        ("example.com", ".example.com", True),
        ("api.example.com", "API.Example.COM", True),
        ("api.example.com.", "example.com", True),
        ("api.example.com", "other.com, example.com", True),
        ("api.example.com", "other.com example.com", True),
        ("badexample.com", "example.com", False),
        ("example.com", "api.example.com", False),
        ("api.example.com", "", False),
        ("api.example.com", ",", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "1.2.3", False),
        ("[2001:db8::1]", "2001:db8::/32", True),
        ("[2001:db8::1]", "[2001:db8::1]", True),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_which_servers_are_exempt(host: str, exempt: str, direct: bool, name: str) -> None:
    origin = address_of_url(f"https://{host}/").origin
    assert (environment_proxy(origin, {"https_proxy": "http://p:1", name: exempt}) is None) is direct


@pytest.mark.parametrize("url", ["ftp://p", "http://", "http://p:port", "quic://p:1"])
def test_what_names_no_proxy_is_reported(url: str) -> None:
    with pytest.raises(SetupError, match="proxy"):
        environment_proxy(address_of_url(HTTPS).origin, {"https_proxy": url})


def test_no_password_is_shown() -> None:
    proxy = Proxy.parse("http://user:p%40ss@p:1")
    assert (proxy.user, proxy.password) == ("user", "p@ss")
    assert "p@ss" not in f"{proxy} {proxy!r}"


async def relay(connection: Served, port: int) -> None:
    """Pass bytes on between a client and a server, until one of them leaves."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    await asyncio.gather(pump(connection.reader, writer), pump(reader, connection.writer), return_exceptions=True)


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_tunnel(
    serve: Serve, server_context: ssl.SSLContext, trust: Network, over_tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await serve(say_ok, server_context)

    async def handler(connection: Served) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 200 Connection established\r\ncontent-length: 0\r\n\r\n")
        await relay(connection, gateway.port)

    proxy = await serve(handler, server_context if over_tls else None)
    monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://us%20er:p%40ss@"))
    client = HttpClient(trust)
    for _ in range(2):
        assert (
            await whole(await client.send(request(f"https://gateway.example:{gateway.port}/v1", b"x" * 300_000)))
            == b"ok"
        )
    await client.aclose()
    credentials = base64.b64encode(b"us er:p@ss").decode()
    where = f"gateway.example:{gateway.port}"
    assert proxy.heads[0].decode() == (
        f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
    )
    assert (proxy.accepted, gateway.accepted) == (1, 1)
    assert b"proxy-authorization" not in gateway.heads[0].lower()


async def test_plain_http_goes_through_without_a_tunnel(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(say_ok)
    monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://u:p@"))
    assert await whole(await client.send(request("http://gateway.example:8080/v1?a=b"))) == b"ok"
    lines = proxy.heads[0].split(b"\r\n")
    assert lines[:2] == [b"POST http://gateway.example:8080/v1?a=b HTTP/1.1", b"Host: gateway.example:8080"]
    assert b"Proxy-Authorization: Basic dTpw" in lines


@pytest.mark.parametrize(
    ("status", "says", "permanent"),
    [
        (407, "407 Proxy Authentication Required", True),
        (403, "403 Forbidden", True),
        (502, "502 Bad Gateway", False),
        (599, "599", False),
    ],
)
async def test_a_refusal_is_reported_with_the_proxy_and_its_status(
    client: HttpClient, serve: Serve, status: int, says: str, permanent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(connection: Served) -> None:
        await connection.head()
        await connection.send(b"HTTP/1.1 %d No\r\ncontent-length: 5\r\n\r\nhello" % status)
        await connection.closed()

    proxy = await serve(handler)
    monkeypatch.setenv("https_proxy", proxy.url.replace("://", "://user:secret@"))
    with pytest.raises(ProxyRefusedError) as caught:
        await client.send(request(HTTPS))
    assert str(caught.value) == f"the proxy http://127.0.0.1:{proxy.port} refused to connect: {says}"
    assert (caught.value.status, caught.value.permanent) == (status, permanent)
    assert proxy.accepted == 1


@pytest.mark.parametrize("answer", [b"SSH-2.0\r\n", b"\x05\xff"])
async def test_what_is_no_proxy_is_reported(
    client: HttpClient, serve: Serve, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(connection: Served) -> None:
        await connection.head()
        await connection.send(answer)
        await connection.closed()

    proxy = await serve(handler)
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(ProxyRefusedError, match="not an HTTP proxy"):
        await client.send(request(HTTPS))


async def test_a_proxy_that_cannot_be_reached_is_named(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(say_ok)
    await proxy.stop()
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(UnreachableError, match=rf"the proxy http://127\.0\.0\.1:{proxy.port}: connection refused"):
        await client.send(request(HTTPS))


async def test_a_proxy_that_leaves_is_named(client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(connection: Served) -> None:
        await connection.head()

    proxy = await serve(handler)
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(UnreachableError, match=rf"the proxy http://127\.0\.0\.1:{proxy.port}: closed"):
        await client.send(request(HTTPS))


class Socks:
    """A SOCKS5 server that connects to one port, whatever it is asked for.

    Attributes:
        asked: The addresses that were asked for: their kind, the address and the port.
        users: User and password of those who gave them.
    """

    def __init__(self, port: int, *, reply: int = 0, with_password: bool = False) -> None:
        self.port = port
        self.reply = reply
        self.with_password = with_password
        self.asked: list[tuple[int, bytes, int]] = []
        self.users: list[tuple[bytes, bytes]] = []

    async def serve(self, connection: Served) -> None:
        reader = connection.reader
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 2 if self.with_password else 0
        await connection.send(bytes([5, method if method in methods else 0xFF]))
        if method not in methods:
            return
        if self.with_password:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            self.users.append((user, await reader.readexactly((await reader.readexactly(1))[0])))
            await connection.send(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        self.asked.append((kind, host, int.from_bytes(await reader.readexactly(2), "big")))
        await connection.send(bytes([5, self.reply, 0, 1]) + socket.inet_aton("127.0.0.1") + b"\0\0")
        if self.reply == 0:
            await relay(connection, self.port)


async def test_socks_with_names_looked_up_there(
    serve: Serve, server_context: ssl.SSLContext, trust: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await serve(say_ok, server_context)
    socks = Socks(gateway.port, with_password=True)
    proxy = await serve(socks.serve)
    monkeypatch.setenv("ALL_PROXY", f"socks5h://us%20er:p%40ss@127.0.0.1:{proxy.port}")
    client = HttpClient(trust)
    for _ in range(2):
        assert await whole(await client.send(request("https://gateway.example/v1"))) == b"ok"
    await client.aclose()
    assert socks.asked == [(3, b"gateway.example", 443)]
    assert socks.users == [(b"us er", b"p@ss")]
    assert (proxy.accepted, gateway.accepted) == (1, 1)


async def test_socks_with_names_looked_up_here(
    serve: Serve, server_context: ssl.SSLContext, trust: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, client = await serve(say_ok, server_context), HttpClient(trust)
    socks = Socks(gateway.port)
    proxy = await serve(socks.serve)
    monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
    assert await whole(await client.send(request(f"{gateway.url}/v1"))) == b"ok"
    await client.aclose()
    assert socks.asked == [(1, socket.inet_aton("127.0.0.1"), gateway.port)]
    assert gateway.heads[0].startswith(b"POST /v1 HTTP/1.1\r\n")


async def test_a_refusal_of_socks_is_reported(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(Socks(0, reply=2).serve)
    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
    with pytest.raises(ProxyRefusedError, match=rf"the proxy socks5h://127\.0\.0\.1:{proxy.port} refused"):
        await client.send(request(HTTPS))
    assert proxy.accepted == 1


async def test_socks_without_its_extra_says_what_to_install(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def absent(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("python_socks"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1")
    with pytest.raises(SetupError, match=r"pip install 'raptscallions-ai\[socks\]'"):
        await client.send(request(HTTPS))


async def test_a_silent_proxy_does_not_outlast_the_limit(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handler(connection: Served) -> None:
        await connection.closed()

    proxy = await serve(handler)
    for scheme in ("http", "https", "socks5h"):
        monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        fresh = HttpClient()
        with pytest.raises(ConnectTimeoutError):
            await fresh.send(request(HTTPS), connect_timeout=0.1)
        await fresh.aclose()
