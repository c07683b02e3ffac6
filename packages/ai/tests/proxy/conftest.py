"""A proxy on loopback in front of a fake gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from proxy_kit import TOKEN, Call, Proxied, RawCaller, RunProxy
from web_server import Serve, browse, serve

from raptscallions_ai import Caller, OpenRouterClient, proxy_app
from raptscallions_ai.client.base import ChatClient
from raptscallions_ai.proxy import bearer_tokens, token_hash
from raptscallions_ai.testing import FakeGateway

__all__ = ["browse", "serve"]


@pytest.fixture
def run_proxy(serve: Serve) -> RunProxy:
    """Runs a proxy in front of a client until the test ends; `caller` replaces who `alice` is."""

    def run(client: ChatClient, *, caller: Caller | None = None, **options: Any) -> Proxied:
        proxied = Proxied("")
        authenticate = bearer_tokens({token_hash(TOKEN): caller or Caller("alice")})
        arguments: dict[str, Any] = {"authenticate": authenticate, "audit": proxied.audit, **options}
        server = serve(proxy_app(client, **arguments))
        proxied.url, proxied.parked = server.url, server.parked
        return proxied

    return run


@pytest.fixture
async def upstream(fake_gateway: FakeGateway) -> AsyncIterator[OpenRouterClient]:
    """A client of the fake gateway that does not retry; the proxy that it is given to closes it."""
    yield OpenRouterClient(fake_gateway.api_key, fake_gateway.base_url, fake_gateway.model, max_retries=0)


@pytest.fixture
def proxied(run_proxy: RunProxy, upstream: OpenRouterClient) -> Proxied:
    """A proxy in front of the fake gateway."""
    return run_proxy(upstream)


@pytest.fixture
def call() -> Iterator[Call]:
    """Sends a request over a bare socket, which is closed after the test at the latest."""
    with ExitStack() as stack:

        def send(proxied: Proxied, path: str, body: object, **headers: str) -> RawCaller:
            caller = RawCaller(proxied, path, body, **headers)
            stack.callback(caller.leave)
            return caller

        yield send
