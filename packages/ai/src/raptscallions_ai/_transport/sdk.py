"""The OpenAI SDK as this library uses it: built per event loop, and asked for raw responses only.

Each of our clients has SDK clients of its own, with its key; the connections below are shared (`pool.py`).
Importing the SDK takes half a second; that happens in a thread, on first use.
"""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from raptscallions_ai._dialects.json import json_object, parse_json
from raptscallions_ai._transport.connections import Response
from raptscallions_ai._transport.errors import StatusError
from raptscallions_ai._transport.pooled import PooledConnections
from raptscallions_ai._transport.redirects import (
    GET_REDIRECTS,
    POST_REDIRECTS,
    Redirects,
)
from raptscallions_ai._transport.response import body_reader, read_document

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import httpx2
    from openai import AsyncOpenAI, RequestOptions

    from raptscallions_ai._dialects.dialect import Encoded
    from raptscallions_ai._transport.connections import OnReplaced
    from raptscallions_ai._transport.http.network import Network
    from raptscallions_ai._transport.keys import ApiKey
    from raptscallions_ai._transport.pool import ConnectionPool

__all__ = ["SdkConnections", "address_of", "key_of"]

# What the SDK tells of this machine: a gateway has no use for it, and each header costs something in every request.
_TELLTALE = tuple(
    f"X-Stainless-{name}" for name in ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
)


class SdkConnections(PooledConnections["AsyncOpenAI"]):
    """The SDK clients of one of our clients, one for each event loop that uses it.

    Args:
        base_url: The gateway's base URL.
        api_key: The key, or what returns it for each request.
        headers: Headers to send with every request.
        injected: A client of the user's own, to be used as it is and never closed.
        network: How the network is reached; else as the system and the environment say.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | ApiKey,
        headers: Mapping[str, str],
        injected: AsyncOpenAI | None = None,
        network: Network | None = None,
    ) -> None:
        super().__init__(base_url, network)
        self._changing_key = None if isinstance(api_key, str) else api_key
        self._api_key = api_key if isinstance(api_key, str) else api_key.name
        self._headers = headers
        self._injected = injected

    async def get(self) -> AsyncOpenAI:
        """Return the running loop's SDK client, building it on first use."""
        return self._injected or await super().get()

    async def send(
        self, request: Encoded, *, connect_timeout: float | None, on_replaced: OnReplaced | None = None
    ) -> Response:
        """Send a request and return the response as soon as its status is known to be good, body unread."""
        from raptscallions_ai._transport.httpx_transport import OWN_RESPONSE

        sdk = await self.get()
        if self._changing_key is not None:
            request = replace(request, headers={**await self._authorization(), **request.headers})
        if self._injected is not None:  # what it does with a path is its own affair
            path = _azure_path(sdk, request)
        else:  # a whole URL spares the SDK to put one together
            path = f"{self._base_url.rstrip('/')}/{request.path.lstrip('/')}"
        redirects = Redirects(POST_REDIRECTS, on_replaced)
        with _listening(on_replaced):
            while True:
                try:
                    response = await _post(sdk, path, request, connect_timeout=connect_timeout)
                except StatusError as error:
                    path = redirects.follow(error)
                else:
                    if (own := response.extensions.get(OWN_RESPONSE)) is not None:
                        return Response(own.status, own.headers, own.read, own.aclose)
                    headers = response.headers
                    # The hooks of the user's own client may still want what a response holds.
                    read = body_reader(response, drop_headers=self._injected is None)
                    return Response(response.status_code, headers, read, response.aclose)

    async def get_json(
        self,
        path: str,
        query: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float | None,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Return the body of a GET request."""
        import httpx2
        from openai import OpenAIError

        from raptscallions_ai._transport.sdk_exceptions import without_sdk

        sdk, options = await self.get(), _options(connect_timeout=connect_timeout)
        options["params"], options["headers"] = query, {**await self._authorization(), **(headers or {})}
        redirects = Redirects(GET_REDIRECTS, on_replaced)
        with _listening(on_replaced):
            while True:
                try:
                    try:
                        return (await sdk.get(path, cast_to=httpx2.Response, options=options)).content
                    except OpenAIError as error:
                        raise without_sdk(error) from error.__cause__
                except StatusError as error:
                    path = redirects.follow(error)
                    options["params"] = {}  # the new address has its own

    async def post_json(
        self,
        request: Encoded,
        *,
        connect_timeout: float | None,
        max_bytes: int,
        on_replaced: OnReplaced | None = None,
    ) -> bytes:
        """Send a request whose answer is one JSON document, and return that."""
        response = await self.send(request, connect_timeout=connect_timeout, on_replaced=on_replaced)
        return await read_document(response, max_bytes=max_bytes)

    async def _authorization(self) -> dict[str, str]:
        """Return the header with the key, if that changes; a fixed one is among the SDK client's own headers."""
        key = self._changing_key
        return {} if key is None else {"Authorization": f"Bearer {await key.get()}"}

    def _load(self) -> None:
        """Load what sending a request takes: half a second of imports and certificates."""
        import openai

        from raptscallions_ai._transport import http_client, httpx_transport, sdk_exceptions
        from raptscallions_ai._transport.http import client
        from raptscallions_ai._transport.pool import uses_aiohttp

        if uses_aiohttp():
            with contextlib.suppress(ImportError):  # reported when it is used
                from raptscallions_ai._transport import aiohttp_transport

                del aiohttp_transport
        del openai, http_client, httpx_transport, sdk_exceptions, client  # their import was the point
        if self._base_url.startswith("https:"):
            self._network.context()

    def _build(self, pool: ConnectionPool) -> AsyncOpenAI:
        """Return an SDK client with this client's key and headers, which are added to each request that it sends."""
        from openai import AsyncOpenAI, omit

        # The SDK would send OpenAI's own organization, project and headers from the environment to the gateway.
        ambient = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        foreign = [line.partition(":")[0].strip() for line in ambient if ":" in line]
        unsent = dict.fromkeys(("OpenAI-Organization", "OpenAI-Project", *_TELLTALE, *foreign), omit)
        # Naming the key among the headers keeps an Authorization of the environment's from replacing it.
        headers = {**unsent, **self._headers, "Authorization": f"Bearer {self._api_key}"}
        return AsyncOpenAI(
            api_key=self._api_key,
            admin_api_key="",
            webhook_secret="",
            base_url=self._base_url,
            max_retries=0,
            default_headers=cast("Mapping[str, str]", headers),
            http_client=pool.http_client,
        )


def address_of(openai_client: AsyncOpenAI) -> str:
    """Return the base URL of a client of the user's own, without what could be a secret in it.

    Raises:
        TypeError: It is not an `openai.AsyncOpenAI`.
    """
    from openai import AsyncOpenAI

    if not isinstance(cast("object", openai_client), AsyncOpenAI):
        raise TypeError(f"openai_client must be an openai.AsyncOpenAI, not {type(openai_client).__name__}")
    url = openai_client.base_url
    return f"{url.scheme}://{url.netloc.decode()}{url.path}"


def key_of(openai_client: AsyncOpenAI) -> str:
    """Return the key of a client of the user's own; if it asks for one each time, what no other client has."""
    return openai_client.api_key or f"key-of-client-{uuid.uuid4().hex}"


def _azure_path(sdk: AsyncOpenAI, request: Encoded) -> str:
    """Return the path with the deployment in it, which Azure wants and its SDK adds to what it encodes itself."""
    from openai import AsyncAzureOpenAI

    if not isinstance(sdk, AsyncAzureOpenAI) or "/deployments/" in sdk.base_url.path:
        return request.path
    model = json_object(parse_json(request.body)).get("model")
    if sdk.base_url.path.rstrip("/").endswith("/v1") or not isinstance(model, str):
        return request.path
    return f"/deployments/{quote(model, safe='')}{request.path}"


@contextlib.contextmanager
def _listening(on_replaced: OnReplaced | None) -> Generator[None]:
    """Let a callback be called, for a while, when a request is lost on a kept connection and sent again."""
    from raptscallions_ai._transport.httpx_transport import listeners

    callbacks = [] if on_replaced is None else [on_replaced]
    token = listeners.set(callbacks)
    try:
        yield
    finally:
        callbacks.clear()  # a connection that was opened meanwhile keeps the context, which must not keep the call
        listeners.reset(token)


async def _post(sdk: AsyncOpenAI, path: str, request: Encoded, *, connect_timeout: float | None) -> httpx2.Response:
    import httpx2
    from openai import AsyncStream, OpenAIError

    options = _options(connect_timeout=connect_timeout)
    options["headers"] = request.headers
    options["params"] = request.query
    try:
        response = await sdk.post(
            path,
            cast_to=httpx2.Response,
            content=request.body,
            stream=True,
            # The SDK hands this class on without using it when a raw response is asked for.
            stream_cls=AsyncStream[object],
            options=options,
        )
    except OpenAIError as error:
        from raptscallions_ai._transport.sdk_exceptions import without_sdk

        raise without_sdk(error) from error.__cause__
    return cast("httpx2.Response", response)


@functools.lru_cache(maxsize=16)
def _timeout(connect: float | None) -> httpx2.Timeout:
    """Leave only connecting to the transport: reading has deadlines of our own, which keep-alives do not reset."""
    import httpx2

    return httpx2.Timeout(None, connect=connect)


def _options(*, connect_timeout: float | None) -> RequestOptions:
    return {
        "max_retries": 0,
        "follow_redirects": False,
        "timeout": _timeout(connect_timeout),
        # Without one the SDK would draw a random id for each request, although it sends none.
        "idempotency_key": "none",
        # Lets a key that the injected client gets from a callable be used.
        "security": {"bearer_auth": True},
    }
