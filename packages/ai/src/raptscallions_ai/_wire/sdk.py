"""The OpenAI SDK as this library uses it: built per event loop, and asked for raw responses only.

An `AsyncOpenAI` holds connections that belong to the loop they were opened on, so each loop gets its own and
closes it when it shuts down. Importing the SDK takes half a second; that happens in a thread, on first use.
"""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urljoin, urlsplit

from raptscallions_ai.errors import AiError, InvalidResponseError

if TYPE_CHECKING:
    import ssl
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    import httpx2
    from openai import AsyncOpenAI, RequestOptions

    _Entry = tuple[AsyncOpenAI, AsyncGenerator[None]]

__all__ = [
    "Connections",
    "OutgoingRequest",
    "RedirectRefusedError",
    "address_of",
    "get_json",
    "post_chat",
    "post_json",
    "shed_headers",
]

_KEEP_ALIVE_SECONDS = 30.0  # a person's pause between two turns should not cost a new TLS handshake
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
    """The SDK clients of one gateway, one for each event loop that uses them.

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
        self._locks: dict[AbstractEventLoop, asyncio.Lock] = {}
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
            async with self._locks.setdefault(loop, asyncio.Lock()):
                if (entry := self._open.get(loop)) is None:
                    entry = await self._open_on(loop)
        return entry[0]

    async def aclose(self) -> None:
        """Close the connections of every loop that is still running; none can be opened any more."""
        self._closed = True
        self._leave_to_the_parent()
        here = asyncio.get_running_loop()
        for loop, (_, owner) in list(self._open.items()):
            if loop is here:
                await owner.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_aclose(owner), loop)
                # That loop may be ending and cancel this, which is no cancellation of ours: it closes the owner itself.
                await asyncio.gather(asyncio.wrap_future(closing), return_exceptions=True)
        self._open.clear()
        self._locks.clear()

    def _leave_to_the_parent(self) -> None:
        """In a process that was forked, let go of what its parent opened, without closing it: it is in use there."""
        if self._process != os.getpid():
            _inherited.append(self._open)
            self._open, self._locks, self._process = {}, {}, os.getpid()

    async def _open_on(self, loop: AbstractEventLoop) -> _Entry:
        sdk = await asyncio.to_thread(self._build)
        if self._closed:
            await sdk.close()
            raise AiError("This client is closed; build a new one")
        self._forget_closed_loops()
        owner = self._closed_with_its_loop(loop, sdk)
        await anext(owner)
        entry = self._open[loop] = (sdk, owner)
        return entry

    async def _closed_with_its_loop(self, loop: AbstractEventLoop, sdk: AsyncOpenAI) -> AsyncGenerator[None]:
        """Close the SDK client when the loop shuts down its asynchronous generators, as `asyncio.run` always does."""
        try:
            yield
        finally:
            self._open.pop(loop, None)
            self._locks.pop(loop, None)
            await sdk.close()

    def _forget_closed_loops(self) -> None:
        """Let go of loops that were closed without shutting down their generators."""
        for loop in [loop for loop in list(self._open) if loop.is_closed()]:
            self._open.pop(loop)
            self._locks.pop(loop, None)

    def _build(self) -> AsyncOpenAI:
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient, omit

        from raptscallions_ai._wire.error_body import limit_error_body

        # The SDK would send OpenAI's own organization, project and headers from the environment to the gateway.
        ambient = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        foreign = [line.partition(":")[0].strip() for line in ambient if ":" in line]
        unsent = dict.fromkeys(("OpenAI-Organization", "OpenAI-Project", *foreign), omit)
        limits = httpx2.Limits(
            max_connections=1000, max_keepalive_connections=100, keepalive_expiry=_KEEP_ALIVE_SECONDS
        )
        # Naming the key among the headers keeps an Authorization of the environment's from replacing it.
        headers = {**unsent, **self._headers, "Authorization": f"Bearer {self._api_key}"}
        return AsyncOpenAI(
            api_key=self._api_key,
            admin_api_key="",
            webhook_secret="",
            base_url=self._base_url,
            max_retries=0,
            default_headers=cast("Mapping[str, str]", headers),
            http_client=DefaultAioHttpClient(
                follow_redirects=False,
                limits=limits,
                event_hooks={"response": [limit_error_body]},
                verify=_system_certificates(),
                # A proxy of the environment could read what goes to this machine over plain http.
                trust_env=self._base_url.startswith("https:"),
            ),
        )

    def __repr__(self) -> str:
        return f"Connections(base_url={self._base_url!r})"


@functools.cache
def _system_certificates() -> ssl.SSLContext:
    """Return a TLS context that all clients share, because reading the system's certificates takes 30 ms."""
    import httpx2

    return httpx2.create_ssl_context()


async def _aclose(owner: AsyncGenerator[None]) -> None:
    await owner.aclose()


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


def shed_headers(response: httpx2.Response) -> None:
    """Let go of a response's headers and of its request, key included: a quarter of what an open stream takes."""
    response.request, response.headers = _nothing()


@functools.cache
def _nothing() -> tuple[httpx2.Request, httpx2.Headers]:
    import httpx2

    return httpx2.Request("POST", ""), httpx2.Headers()


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
