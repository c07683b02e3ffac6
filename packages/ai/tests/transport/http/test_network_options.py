"""`verify`, `cert` and `proxy`, as every client takes them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trustme
from http_servers import Serve, Served
from openai import AsyncOpenAI

from raptscallions_ai import (
    AiError,
    AnthropicClient,
    AsyncAnthropicClient,
    AsyncOllamaClient,
    AsyncOpenAICompatClient,
    OllamaClient,
    OpenAICompatClient,
    OpenRouterClient,
    SyncOpenRouterClient,
)
from raptscallions_ai._transport.http.network import Network
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.testing import FakeGateway, chunk, sse, usage
from raptscallions_ai.testing.wire import DONE

Build: TypeAlias = Callable[..., Any]


def building(kind: Any, **keywords: str) -> Build:
    """Return what makes such a client; the keywords are those that differ: how the URL and the model are called."""

    def build(url: str, **network: Any) -> Any:
        named = {name: url if value == "url" else value for name, value in keywords.items()}
        return kind(api_key="a-key", max_retries=2, **named, **network)

    return build


CLIENTS: dict[str, Build] = {
    "openrouter": building(OpenRouterClient, base_url="url", default_model="m"),
    "anthropic": building(AsyncAnthropicClient, base_url="url", model="m"),
    "compat": building(AsyncOpenAICompatClient, base_url="url", model="m"),
    "ollama": building(AsyncOllamaClient, host="url", model="m"),
    "sync openrouter": building(SyncOpenRouterClient, base_url="url", default_model="m"),
    "sync anthropic": building(AnthropicClient, base_url="url", model="m"),
    "sync compat": building(OpenAICompatClient, base_url="url", model="m"),
    "sync ollama": building(OllamaClient, host="url", model="m"),
}
NOWHERE = "https://gateway.example/v1"


@pytest.fixture(params=CLIENTS)
def build(request: pytest.FixtureRequest) -> Build:
    return CLIENTS[request.param]


async def failure(client: Any) -> AiError:
    with pytest.raises(AiError) as caught:
        if isinstance(client, EngineClient):
            async with client:
                await client.chat("Hi")
        else:
            with client:
                client.chat("Hi")
    return caught.value


@pytest.mark.requirement("E04-T012.AC4")
async def test_a_file_of_certificates_that_is_missing_is_named(build: Build) -> None:
    error = await failure(build(NOWHERE, verify="/nowhere/ca.pem"))
    assert "verify= names /nowhere/ca.pem, which does not exist" in error.message
    assert len(error.attempts) == 1


@pytest.mark.requirement("E04-T012.AC5")
async def test_a_proxy_is_used_and_its_refusal_named(build: Build, fake_gateway: FakeGateway) -> None:
    place = fake_gateway.base_url.removeprefix("http://").partition("/")[0]  # it opens no tunnels
    error = await failure(build(NOWHERE, proxy=f"http://me:secret-word@{place}"))
    assert f"the proxy http://{place}" in str(error.details)
    assert "secret-word" not in f"{error!r} {error.details} {error.to_dict()}"
    assert len(error.attempts) == 1


@pytest.mark.parametrize(
    ("network", "error", "says"),
    [
        ({"verify": False}, TypeError, "an ssl.SSLContext"),
        ({"verify": True}, TypeError, "an ssl.SSLContext"),
        ({"verify": 3}, TypeError, "verify must be a path or an ssl.SSLContext, not int"),
        ({"cert": ("only-one.pem",)}, TypeError, "a pair of it and the path of its key"),
        ({"cert": "me.pem", "verify": ssl.create_default_context()}, ValueError, "load the certificate into that"),
        ({"proxy": "ftp://proxy.example"}, ValueError, "proxy must be a URL such as"),
        ({"proxy": 3128}, TypeError, "proxy must be a URL, not int"),
        ({"proxies": "http://proxy.example"}, TypeError, "unexpected keyword argument 'proxies'"),
    ],
)
def test_what_is_wrong_is_said_at_once(
    build: Build, network: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        build(NOWHERE, **network)


def test_a_client_of_ones_own_has_its_own_connections() -> None:
    theirs = AsyncOpenAI(api_key="k", base_url=NOWHERE)
    with pytest.raises(ValueError, match="proxy: the given openai_client"):
        OpenRouterClient(default_model="m", openai_client=theirs, proxy="http://proxy.example")


@pytest.mark.requirement("E04-T012.AC4")
async def test_a_company_with_its_own_authority_and_client_certificates(
    serve: Serve, server_context: ssl.SSLContext, authority: trustme.CA, trust: Network, tmp_path: Path
) -> None:
    async def answer(connection: Served) -> None:
        while await connection.request():
            body = b"".join((sse(chunk("Hello")), sse(chunk(finish_reason="stop")), sse(chunk(usage=usage())), DONE))
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ")
            await connection.send(b"%d\r\n\r\n" % len(body) + body)

    authority.configure_trust(server_context)  # pyright: ignore[reportUnknownMemberType] - its type names pyOpenSSL
    server_context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("me@corp.example").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    server = await serve(answer, server_context)
    known: dict[str, Any] = {"verify": Path(str(trust.verify)), "cert": tmp_path / "me.pem"}
    async with OpenRouterClient("a-key", f"{server.url}/v1", "m", **known) as client:
        assert (await client.chat("Hi")).content == "Hello"


@pytest.mark.requirement("E04-T012.AC4")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate_says_so(
    server_context: ssl.SSLContext, authority: trustme.CA, trust: Network, version: ssl.TLSVersion
) -> None:
    authority.configure_trust(server_context)  # pyright: ignore[reportUnknownMemberType] - its type names pyOpenSSL
    server_context.verify_mode, server_context.maximum_version = ssl.CERT_REQUIRED, version

    def refuse() -> None:  # asyncio's own server leaves without the alert that other servers send
        connection, _ = listener.accept()
        with connection, pytest.raises(ssl.SSLError):
            server_context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(refuse))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        error = await failure(OpenRouterClient("a-key", url, "m", verify=str(trust.verify), max_retries=2))
        await serving
    assert "certificate" in str(error.details) or "handshake failure" in str(error.details)
    assert len(error.attempts) == 1
