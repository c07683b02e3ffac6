"""The OpenAI SDK as this library uses it: built per event loop, and asked for raw responses only.

Each of our clients has SDK clients of its own, with its key; the connections below are shared (`pool.py`).
Importing the SDK takes half a second; that happens in a thread, on first use.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urljoin, urlsplit

from raptscallions_ai.errors import AiError, InvalidResponseError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterator, Mapping

    import httpx2
    from openai import AsyncOpenAI, RequestOptions

    from raptscallions_ai._transport.pool import ConnectionPool

    _Entry = tuple[AsyncOpenAI, ConnectionPool]

__all__ = [
    "Connections",
    "OutgoingRequest",
    "RedirectRefusedError",
    "address_of",
    "get_json",
    "post_chat",
    "post_json",
]

_log = logging.getLogger("raptscallions_ai")
_MOST_REDIRECTS = 3
_POST_REDIRECTS = frozenset({307, 308})  # the others would drop the body
_GET_REDIRECTS = _POST_REDIRECTS | {301, 302, 303}
_LARGE_BODY = 1024 * 1024
_SLICE = 64 * 1024
_inherited: list[object] = []  # kept, because what is collected is closed


class OutgoingRequest(Protocol):
    """What is sent with POST."""

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        ...

    @property
    def body(self) -> bytes:
        """The JSON body."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Further headers."""
        ...

    @property
    def query(self) -> Mapping[str, object]:
        """Further query parameters."""
        ...


class RedirectRefusedError(Exception):
    """The gateway redirects to where the key and the prompt must not follow; the message is the target's origin."""


class Connections:
    """The SDK clients of one of our clients, one for each event loop that uses it.

    Args:
        base_url: The gateway's base URL.
        api_key: The key.
        headers: Headers to send with every request.
        injected: A client of the user's own, to be used as it is and never closed.
    """

    def __init__(
        self, *, base_url: str, api_key: str, headers: Mapping[str, str], injected: AsyncOpenAI | None = None
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._headers = headers
        self._injected = injected
        self._open: dict[AbstractEventLoop, _Entry] = {}
        self._closed = False
        self._process = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether there is anything to close."""
        self._leave_to_the_parent()
        return bool(self._open)

    @property
    def injected(self) -> bool:
        """Whether the SDK client is the user's own, whose hooks may still want what a response holds."""
        return self._injected is not None

    async def get(self) -> AsyncOpenAI:
        """Return the running loop's SDK client, building it on first use."""
        if self._injected is not None:
            return self._injected
        self._leave_to_the_parent()
        loop = asyncio.get_running_loop()
        if (entry := self._open.get(loop)) is None:
            entry = await self._open_on(loop)
        return entry[0]

    async def warm_up(self, *, within: float) -> None:
        """Load what a request needs, and connect; that the gateway cannot be reached is left to the first call.

        The connections of an injected client are its owner's affair.

        Args:
            within: Seconds until it is given up.
        """
        await self.get()
        if (entry := self._open.get(asyncio.get_running_loop())) is None:
            return
        try:
            async with asyncio.timeout(within):
                await entry[1].connect()
        except Exception as error:
            _log.debug("could not connect in advance: %s", type(error).__name__)

    async def aclose(self) -> None:
        """Leave the shared connections, which are closed with their last user; none can be opened any more."""
        self._closed = True
        self._leave_to_the_parent()
        entries = list(self._open.values())
        self._open.clear()
        for _, pool in entries:
            await pool.leave(self)

    def left(self, loop: AbstractEventLoop) -> None:
        """Note that the connections of a loop are closed."""
        self._open.pop(loop, None)

    def _leave_to_the_parent(self) -> None:
        """In a process that was forked, let go of what its parent opened, without closing it: it is in use there."""
        if self._process != os.getpid():
            _inherited.append(self._open)
            self._open, self._process = {}, os.getpid()

    async def _open_on(self, loop: AbstractEventLoop) -> _Entry:
        from raptscallions_ai._transport.pool import shared_pool

        await asyncio.to_thread(_load)
        if self._closed:
            raise AiError("This client is closed; build a new one")
        pool = await shared_pool(self._base_url)
        if (entry := self._open.get(loop)) is None:  # another task may have been faster
            pool.join(self)
            entry = self._open[loop] = (self._build(pool), pool)
        return entry

    def _build(self, pool: ConnectionPool) -> AsyncOpenAI:
        """Return an SDK client with this client's key and headers, which are added to each request that it sends."""
        from openai import AsyncOpenAI, omit

        # The SDK would send OpenAI's own organization, project and headers from the environment to the gateway.
        ambient = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        foreign = [line.partition(":")[0].strip() for line in ambient if ":" in line]
        unsent = dict.fromkeys(("OpenAI-Organization", "OpenAI-Project", *foreign), omit)
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

    def __repr__(self) -> str:
        return f"Connections(base_url={self._base_url!r})"


def _load() -> None:
    """Load what sending a request takes: half a second of imports and certificates, not to be spent in a loop."""
    import openai

    from raptscallions_ai._transport import aiohttp_transport, http_client
    from raptscallions_ai._transport.pool import system_certificates

    system_certificates()
    del openai, aiohttp_transport, http_client  # their import was the point


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


async def post_chat(
    sdk: AsyncOpenAI, request: OutgoingRequest, *, connect_timeout: float | None, path: str = "/chat/completions"
) -> httpx2.Response:
    """Send a request and return the response as soon as its status is known to be good, body unread.

    Raises:
        RedirectRefusedError: The gateway redirects to another origin, or in a way that would drop the body.
        Exception: Whatever the SDK and its transport raise; `ai_error` knows them all.
    """
    from openai import APIStatusError

    for _ in range(_MOST_REDIRECTS):
        try:
            return await _post(sdk, path, request, connect_timeout=connect_timeout)
        except APIStatusError as error:
            if not 300 <= error.status_code < 400:
                raise
            path = _redirect_target(error.response, _POST_REDIRECTS)
    raise RedirectRefusedError("itself, again and again")


async def get_json(sdk: AsyncOpenAI, path: str, query: Mapping[str, object], *, connect_timeout: float | None) -> bytes:
    """Return the body of a GET request.

    Raises:
        RedirectRefusedError: The gateway redirects to another origin, or again and again.
        Exception: Whatever the SDK and its transport raise; `ai_error` knows them all.
    """
    import httpx2
    from openai import APIStatusError

    options = _options(connect_timeout=connect_timeout)
    options["params"] = query
    for _ in range(_MOST_REDIRECTS):
        try:
            return (await sdk.get(path, cast_to=httpx2.Response, options=options)).content
        except APIStatusError as error:
            if error.status_code not in _GET_REDIRECTS:
                raise
            path = _redirect_target(error.response, _GET_REDIRECTS)
            options["params"] = {}  # the new address has its own
    raise RedirectRefusedError("itself, again and again")


async def post_json(
    sdk: AsyncOpenAI, path: str, request: OutgoingRequest, *, connect_timeout: float | None, max_bytes: int
) -> bytes:
    """Send a request whose answer is one JSON document, and return that.

    Raises:
        InvalidResponseError: The document is larger than `max_bytes`.
        Exception: What `post_chat` raises, and whatever the transport raises while the document arrives.
    """
    response = await post_chat(sdk, request, connect_timeout=connect_timeout, path=path)
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > max_bytes:
                raise InvalidResponseError("the body is larger than AI_MAX_EVENT_BYTES allows")
    finally:
        await response.aclose()
    return bytes(body)


async def _post(
    sdk: AsyncOpenAI, path: str, request: OutgoingRequest, *, connect_timeout: float | None
) -> httpx2.Response:
    import httpx2
    from openai import AsyncStream

    options = _options(connect_timeout=connect_timeout)
    headers = {"Accept": "text/event-stream" if request.stream else "application/json", **request.headers}
    content: bytes | AsyncIterator[bytes] = request.body
    if len(request.body) > _LARGE_BODY:
        # aiohttp warns of large bytes, because writing them in one go would hold up the loop.
        content, headers["Content-Length"] = _slices(request), str(len(request.body))
    options["headers"] = headers
    options["params"] = request.query
    response = await sdk.post(
        path,
        cast_to=httpx2.Response,
        content=content,
        stream=True,
        # The SDK hands this class on without using it when a raw response is asked for.
        stream_cls=AsyncStream[object],
        options=options,
    )
    return cast("httpx2.Response", response)


async def _slices(request: OutgoingRequest) -> AsyncIterator[bytes]:
    for start in range(0, len(request.body), _SLICE):
        yield request.body[start : start + _SLICE]


def _options(*, connect_timeout: float | None) -> RequestOptions:
    import httpx2

    # Only connecting is left to the transport: reading has deadlines of our own, which keep-alives do not reset.
    timeout = httpx2.Timeout(None, connect=connect_timeout)
    return {
        "max_retries": 0,
        "follow_redirects": False,
        "timeout": timeout,
        # Lets a key that the injected client gets from a callable be used.
        "security": {"bearer_auth": True},
    }


def _redirect_target(response: httpx2.Response, followed: frozenset[int]) -> str:
    source = str(response.url)
    target = urljoin(source, response.headers.get("location", ""))
    before, after = urlsplit(source), urlsplit(target)
    same_origin = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    if not same_origin or response.status_code not in followed:
        raise RedirectRefusedError(f"{after.scheme}://{after.netloc.rpartition('@')[2]}{after.path}")
    return target
