"""What an engine without an SDK sends with: URL, headers, redirects, statuses, and connections that are shared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._transport.connections import Connections, Response
from raptscallions_ai._transport.errors import RedirectRefusedError, StatusError
from raptscallions_ai._transport.http.errors import Replaced, UnreachableError
from raptscallions_ai._transport.http_connections import HttpConnections
from raptscallions_ai.errors import AiError, InvalidResponseError
from raptscallions_ai.testing import Cut, FakeGateway, Reply, Reset, json_reply
from raptscallions_ai.testing.script import Script

JSON = {"a": 1}


@pytest_asyncio.fixture
async def connections(fake_gateway: FakeGateway) -> AsyncIterator[HttpConnections]:
    made = HttpConnections(base_url=fake_gateway.base_url, headers={"Authorization": "Bearer secret", "X-App": "app"})
    yield made
    await made.aclose()
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 0)


@pytest.fixture
def messages(fake_gateway: FakeGateway) -> Script:
    """What the gateway answers to a request of an engine."""
    return fake_gateway.route("POST", "/api/v1/messages")


def encoded(path: str = "/messages", body: bytes = b'{"q": 1}', **headers: str) -> Encoded:
    return Encoded(path, body, headers, {})


async def whole(response: Response) -> bytes:
    body = b""
    while part := await response.read():
        body += part
    await response.close()
    return body


async def test_a_request(connections: HttpConnections, fake_gateway: FakeGateway, messages: Script) -> None:
    messages.json(JSON)
    request = Encoded(
        "/messages", b'{"q": 1}', {"x-app": "mine", "anthropic-version": "1"}, {"beta": True, "n": [1, 2]}
    )
    response = await connections.send(request, connect_timeout=5)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert await whole(response) == b'{"a": 1}'
    [seen] = fake_gateway.requests
    assert (seen.method, seen.target) == ("POST", "/api/v1/messages?beta=true&n=1&n=2")
    expected = {
        "content-type": "application/json",
        "authorization": "Bearer secret",
        "x-app": "mine",
        "anthropic-version": "1",
        "content-length": "8",
    }
    assert {name: seen.headers[name] for name in expected} == expected


async def test_a_document(connections: HttpConnections, fake_gateway: FakeGateway, messages: Script) -> None:
    fake_gateway.route("GET", "/api/v1/models").add(json_reply(JSON))
    messages.add(json_reply(JSON))
    assert await connections.get_json("/models", {"limit": 5}, connect_timeout=5) == b'{"a": 1}'
    assert await connections.post_json(encoded(), connect_timeout=5, max_bytes=100) == b'{"a": 1}'
    assert [request.target for request in fake_gateway.requests] == ["/api/v1/models?limit=5", "/api/v1/messages"]
    assert {request.connection for request in fake_gateway.requests} == {1}


async def test_a_document_that_is_too_large(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script
) -> None:
    messages.add(json_reply(b"x" * 1000))
    with pytest.raises(InvalidResponseError, match="larger"):
        await connections.post_json(encoded(), connect_timeout=5, max_bytes=999)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_a_status_is_reported_with_headers_and_body(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script, status: int
) -> None:
    messages.add(json_reply({"error": "no"}, status=status, headers={"Retry-After": "3"}))
    with pytest.raises(StatusError) as caught:
        await connections.send(encoded(), connect_timeout=5)
    error = caught.value
    assert (error.status, error.body, error.headers["retry-after"]) == (status, b'{"error": "no"}', "3")
    assert (error.url, error.key) == (f"{fake_gateway.base_url}/messages", "secret")


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "api-key"])
async def test_the_key_that_was_sent_is_known(fake_gateway: FakeGateway, messages: Script, header: str) -> None:
    messages.add(json_reply({}, status=401))
    connections = HttpConnections(base_url=fake_gateway.base_url, headers={header: "secret"})
    with pytest.raises(StatusError) as caught:
        await connections.send(encoded(), connect_timeout=5)
    assert caught.value.key == "secret"
    assert "secret" not in repr(caught.value)
    await connections.aclose()


async def test_an_error_whose_body_breaks_off_keeps_its_status(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script
) -> None:
    messages.add(Reply((b"half", Cut()), 503, {"content-length": "10"}, "length"))
    messages.add(Reply(tuple([b"x" * 65_536] * 64), 500))
    with pytest.raises(StatusError) as caught:
        await connections.send(encoded(), connect_timeout=5)
    assert (caught.value.status, caught.value.body) == (503, b"half")
    with pytest.raises(StatusError) as caught:
        await connections.send(encoded(), connect_timeout=5)
    assert (caught.value.status, len(caught.value.body)) == (500, 1024 * 1024)


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_gateway_is_followed(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script, status: int
) -> None:
    messages.add(Reply((b"",), status, {"location": "/api/v1/messages?x=1"}, "length"))
    messages.json(JSON)
    assert await whole(await connections.send(encoded(), connect_timeout=5)) == b'{"a": 1}'
    assert [request.target for request in fake_gateway.requests] == ["/api/v1/messages", "/api/v1/messages?x=1"]
    assert fake_gateway.requests[1].body == b'{"q": 1}'


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "http://127.0.0.1:1/"])
async def test_a_redirect_to_elsewhere_is_refused(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script, target: str
) -> None:
    messages.add(Reply((b"",), 307, {"location": target}, "length"))
    with pytest.raises(RedirectRefusedError):
        await connections.send(encoded(), connect_timeout=5)
    assert len(fake_gateway.requests) == 1


async def test_a_redirect_that_drops_the_body_is_refused(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script
) -> None:
    messages.add(Reply((b"",), 303, {"location": "/other"}, "length"))
    with pytest.raises(RedirectRefusedError):
        await connections.send(encoded(), connect_timeout=5)
    endless = Reply((b"",), 307, {"location": "/api/v1/models"}, "length")
    fake_gateway.route("GET", "/api/v1/models").add(endless, times=None)
    with pytest.raises(RedirectRefusedError, match="again and again"):
        await connections.get_json("/models", {}, connect_timeout=5)


async def test_a_request_that_is_sent_again_is_reported(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script
) -> None:
    messages.json(JSON).reply(Reset(), before_headers=True).json(JSON)
    lost: list[Replaced] = []
    for _ in range(2):
        response = await connections.send(encoded(), connect_timeout=5, on_replaced=lost.append)
        assert await whole(response) == b'{"a": 1}'
    assert (len(lost), len(fake_gateway.requests)) == (1, 3)


async def test_clients_of_one_gateway_share_connections(fake_gateway: FakeGateway, messages: Script) -> None:
    messages.json(JSON, times=None)
    first, second = (HttpConnections(base_url=fake_gateway.base_url, headers={"x-api-key": key}) for key in "ab")
    for connections in (first, second, first):
        assert not connections.is_open or connections is first
        await connections.post_json(encoded(), connect_timeout=5, max_bytes=100)
    assert {request.connection for request in fake_gateway.requests} == {1}
    assert [request.headers["x-api-key"] for request in fake_gateway.requests] == ["a", "b", "a"]
    await first.aclose()
    await second.post_json(encoded(), connect_timeout=5, max_bytes=100)
    await second.aclose()
    with pytest.raises(AiError, match="closed"):
        await second.send(encoded(), connect_timeout=5)


async def test_warming_up_connects_and_sends_nothing(
    connections: HttpConnections, fake_gateway: FakeGateway, messages: Script
) -> None:
    await connections.warm_up(within=5)
    assert await fake_gateway.until(lambda: fake_gateway.open_connections == 1)
    assert fake_gateway.requests == []
    messages.json(JSON)
    await connections.post_json(encoded(), connect_timeout=5, max_bytes=100)
    assert fake_gateway.requests[0].connection == 1


async def test_nobody_there() -> None:
    connections = HttpConnections(base_url="http://127.0.0.1:1", headers={})
    await connections.warm_up(within=1)  # the first call will tell
    with pytest.raises(UnreachableError):
        await connections.send(encoded(), connect_timeout=5)
    await connections.aclose()


def test_it_is_one_of_the_connections() -> None:
    connections: Connections = HttpConnections(
        base_url="http://127.0.0.1:1", headers={"Authorization": "Bearer secret"}
    )
    assert not connections.is_open
    assert "secret" not in repr(connections)


def test_a_request_and_its_failure_load_no_sdk() -> None:
    program = """
import asyncio, sys
from raptscallions_ai._dialects.dialect import Encoded
from raptscallions_ai._transport.http_connections import HttpConnections
from raptscallions_ai._transport.exceptions import ai_error, lost_connection

async def ask():
    connections = HttpConnections(base_url="http://127.0.0.1:1", headers={})
    try:
        await connections.send(Encoded("/", b"{}", {}, {}), connect_timeout=5)
    except Exception as error:
        print(ai_error(error, gateway=None, model="m", redact=str, connect_timeout=5), lost_connection(error))
    await connections.aclose()

asyncio.run(ask())
print(sorted({"openai", "aiohttp", "httpx2", "pydantic", "anyio", "truststore"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    lines = ["Failed to connect to AI gateway the connection was lost (connection refused)", "[]", ""]
    assert (done.stderr, done.stdout) == ("", "\n".join(lines))
