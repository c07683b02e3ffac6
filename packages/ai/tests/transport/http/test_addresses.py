"""URLs, names, addresses and unix sockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from http_servers import Serve, Served, request, say_ok, whole

from raptscallions_ai._transport.http import names
from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import ConnectTimeoutError, SetupError, UnreachableError
from raptscallions_ai._transport.http.origin import address_of_url


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "header", "target"),
    [
        ("http://localhost", "http", "localhost", 80, "localhost", "/"),
        ("https://api.example.com/v1/chat?a=1", "https", "api.example.com", 443, "api.example.com", "/v1/chat?a=1"),
        ("https://API.Example.com:443/v1", "https", "api.example.com", 443, "api.example.com", "/v1"),
        ("http://host:8080?x", "http", "host", 8080, "host:8080", "/?x"),
        ("http://[::1]:8080/a", "http", "::1", 8080, "[::1]:8080", "/a"),
        ("http://[fe80::1%eth0]/a", "http", "fe80::1%eth0", 80, "[fe80::1]", "/a"),
        ("http://bücher.example/", "http", "bücher.example", 80, "xn--bcher-kva.example", "/"),
        ("http+unix://%2FRun%2Fllm.sock/v1", "http+unix", "/Run/llm.sock", 0, "localhost", "/v1"),
        ("http://user:secret@host/", "http", "host", 80, "host", "/"),
        ("http://host/a%20b", "http", "host", 80, "host", "/a%20b"),
    ],
)
def test_what_a_url_points_to(url: str, scheme: str, host: str, port: int, header: str, target: str) -> None:
    origin, path = address_of_url(url)
    assert (origin.scheme, origin.host, origin.port, origin.host_header) == (scheme, host, port, header.encode())
    assert path == target.encode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "ftp://host/",
        "http://",
        "http:///path",
        "http://host:port/",
        "http://host:99999/",
        "http://[::1/",
        "http://host/a b",
        "http://host/a\r\nb: c",
        "http://host/ä",
        "http+unix:///run/x.sock",
        "http://a..b/\x7f",
    ],
)
def test_what_is_no_url_of_a_gateway(url: str) -> None:
    with pytest.raises(SetupError):
        address_of_url(url)


async def test_a_unix_socket(client: HttpClient, serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "Gateway.sock"
    server = await serve(say_ok, path=place)
    for _ in range(2):
        response = await client.send(request("http+unix://" + str(place).replace("/", "%2F") + "/v1"))
        assert await whole(response) == b"ok"
    assert server.accepted == 1
    assert server.heads[0].startswith(b"POST /v1 HTTP/1.1\r\nHost: localhost\r\n")


async def test_a_unix_socket_that_is_not_there(client: HttpClient, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no such file"):
        await client.send(request("http+unix://" + str(tmp_path / "none").replace("/", "%2F")))


async def test_a_name(client: HttpClient, serve: Serve) -> None:
    server = await serve(say_ok)
    assert await whole(await client.send(request(f"http://localhost:{server.port}"))) == b"ok"


async def test_an_address_of_the_other_kind(client: HttpClient, serve: Serve) -> None:
    try:
        server = await serve(say_ok, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert await whole(await client.send(request(f"http://[::1]:{server.port}"))) == b"ok"


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 70 + ".invalid"])
async def test_an_unknown_name_is_reported(client: HttpClient, name: str) -> None:
    with pytest.raises(UnreachableError, match="host name not found"):
        await client.send(request(f"http://{name}:1"))


async def test_the_next_address_is_tried_when_one_is_silent(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(say_ok)
    silent = ("192.0.2.1", server.port)  # for documents only: nobody answers, or the system refuses at once

    def look_up(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        if options.get("flags"):
            raise socket.gaierror
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, silent), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    response = await client.send(request(f"http://gateway.example:{server.port}"), connect_timeout=20)
    assert await whole(response) == b"ok"


async def test_a_name_is_asked_for_once_by_all_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        if options.get("flags"):
            raise socket.gaierror
        asked.append(host)
        time.sleep(0.01)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    known = names.Names()
    given_up = asyncio.create_task(known.addresses("a.example", 1))
    await asyncio.sleep(0)
    given_up.cancel()  # the others still get their answer
    answers = await asyncio.gather(*(known.addresses("a.example", 1) for _ in range(50)))
    assert len({answer[0][4] for answer in answers}) == 1
    await known.addresses("a.example", 1)
    assert asked == ["a.example"]


async def test_a_slow_name_does_not_outlast_the_limit(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def look_up(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        if options.get("flags"):
            raise socket.gaierror
        answered.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(ConnectTimeoutError):
        await client.send(request("http://slow.example:1"), connect_timeout=0.05)
    answered.set()


async def test_a_server_that_accepts_nothing_does_not_outlast_the_limit(client: HttpClient) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        with pytest.raises(ConnectTimeoutError):
            await client.send(request(url), connect_timeout=0.05)
        for filler in fillers:
            filler.close()


async def test_the_limit_for_connecting_is_none_for_answering(client: HttpClient, serve: Serve) -> None:
    async def handler(connection: Served) -> None:
        await connection.request()
        await asyncio.sleep(0.1)
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    server = await serve(handler)
    assert await whole(await client.send(request(server.url), connect_timeout=0.05)) == b"ok"


LATE = """
import asyncio, concurrent.futures.thread, threading, time
from concurrent.futures import ThreadPoolExecutor
from raptscallions_ai._transport.http.client import HttpClient
from raptscallions_ai._transport.http.errors import HttpError
from raptscallions_ai._transport.http.origin import address_of_url
from raptscallions_ai._transport.http.request import HttpRequest

async def ask():
    client = HttpClient()
    try:
        await client.send(HttpRequest("GET", address_of_url("http://no-such-host.invalid/"), []))
    except HttpError as error:
        print(error, flush=True)
    await client.aclose()

def late():
    while threading.main_thread().is_alive() and not concurrent.futures.thread._shutdown:
        time.sleep(0.01)
    asyncio.run(ask())
"""


@pytest.mark.requirement("E04-T012.AC3")
@pytest.mark.parametrize("start", ["threading.Thread(target=late).start()", "ThreadPoolExecutor().submit(late)"])
def test_names_are_looked_up_after_the_main_thread_has_ended(start: str) -> None:
    done = subprocess.run([sys.executable, "-c", LATE + start], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("host name not found\n", "")
