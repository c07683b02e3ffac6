"""`proxy_app`: the ASGI application of a proxy."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from raptscallions_ai._dialects.json import MalformedJSONError, parse_object, with_floats
from raptscallions_ai._guards.callbacks import call_hook
from raptscallions_ai.client.base import BaseChatClient
from raptscallions_ai.errors import AiError, AuthenticationError, BadRequestError
from raptscallions_ai.proxy.access import SAFE_OPTIONS, Access
from raptscallions_ai.proxy.agent_wire import AgentEvents, read_agent_request
from raptscallions_ai.proxy.asked import refused
from raptscallions_ai.proxy.audit import AuditedClient, AuditLog, Entry
from raptscallions_ai.proxy.callers import Caller
from raptscallions_ai.proxy.chunk_stream import NumberedChunkEvents, accepts_chunks, id_line
from raptscallions_ai.proxy.completions import CompletionBody, read_completion_request
from raptscallions_ai.proxy.failures import for_callers
from raptscallions_ai.proxy.replays import Replay, Replays, new_run
from raptscallions_ai.web.body import KEEP_ALIVE, SSEBody
from raptscallions_ai.web.openai_chunks import OpenAIChunks
from raptscallions_ai.web.payloads import error_payload
from raptscallions_ai.web.responses import ChatStreamResponse
from raptscallions_ai.wrappers.budgeted import BudgetedClient
from raptscallions_ai.wrappers.limited import RateLimitedClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping

    from starlette.requests import Request

    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.client.base import ChatClient
    from raptscallions_ai.proxy.asked import Asked
    from raptscallions_ai.proxy.audit import AuditHook
    from raptscallions_ai.proxy.callers import Authenticate
    from raptscallions_ai.proxy.replays import Kept
    from raptscallions_ai.web.body import ResponseBody
    from raptscallions_ai.wrappers.budget import Budget
    from raptscallions_ai.wrappers.limited import RateLimiter

__all__ = ["proxy_app"]

_MIB = 1024 * 1024
_STREAM, _COMPLETIONS, _MODELS = "/api/stream", "/v1/chat/completions", "/v1/models"


def proxy_app(
    client: ChatClient,
    *,
    authenticate: Authenticate,
    models: Iterable[str] | Mapping[str, str] | None = None,
    options: Collection[str] = SAFE_OPTIONS,
    budget: Budget | None = None,
    limiter: RateLimiter | None = None,
    audit: AuditHook | None = None,
    replay: Replay | None = None,
    max_body: int = 8 * _MIB,
    keep_alive: float | None = KEEP_ALIVE,
) -> Starlette:
    """Return an application that asks a client for callers who have no key of the gateway.

    It has three endpoints, below wherever it is mounted: `POST /api/stream`, as the proxies of tinyagent and pi have
    it; `POST /v1/chat/completions` and `GET /v1/models`, as OpenAI has them. Everything is checked before anything goes
    upstream. Upstream is stopped when the caller leaves, unless the answer can be resumed: then a moment later.

    Served by itself, it closes the client at its end. Mounted in another application, that one has to.

    Args:
        client: Who is asked: any client, with any wrappers around it.
        authenticate: Returns the `Caller` who sent a request, or None for a stranger, who is answered with 401; a
            function, or a coroutine function. It may raise an `AiError`, which is the answer then.
        models: The names of the models that may be asked, of which the first is that of requests that name none; or a
            mapping of names to the ids that they stand for. None allows any.
        options: The options of `ChatOptions` that a caller may give.
        budget: What the calls of all callers together may cost or use.
        limiter: How many calls and tokens a minute all callers together have.
        audit: Gets an `AuditRecord` of each request; a function, or a coroutine function. It must not block.
        replay: How long answers are kept that may be asked for again; `Replay()` by default.
        max_body: The largest request, in bytes.
        keep_alive: Seconds of silence after which a comment is sent; None for never.

    Raises:
        TypeError: `models` is a text.
        ValueError: A limit is out of range, or an option is none of a request.
        ImportError: Starlette is missing; it is in the extra `proxy`.
    """
    if keep_alive is not None and not keep_alive > 0:
        raise ValueError(f"keep_alive must be more than 0 seconds, or None for no keep-alives, not {keep_alive!r}")
    if max_body < 1:
        raise ValueError("max_body must be at least 1 byte")
    shared = client if limiter is None else RateLimitedClient(client, limiter)
    shared = shared if budget is None else BudgetedClient(shared, budget)
    proxy = _Proxy(
        shared,
        authenticate,
        Access(models, options),
        AuditLog(audit),
        Replays(replay or Replay()),
        max_body,
        keep_alive,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await proxy.aclose()
            await client.aclose()

    return Starlette(
        routes=[
            Route(_STREAM, proxy.stream, methods=["GET", "POST"]),
            Route(_COMPLETIONS, proxy.completions, methods=["POST"]),
            Route(_MODELS, proxy.models, methods=["GET"]),
        ],
        exception_handlers={
            AiError: _error_response,
            HTTPException: _http_error_response,
            Exception: _bug_response,
        },
        lifespan=lifespan,
    )


class _Proxy:
    """The endpoints of one application."""

    def __init__(
        self,
        client: ChatClient,
        authenticate: Authenticate,
        access: Access,
        audit: AuditLog,
        replays: Replays,
        max_body: int,
        keep_alive: float | None,
    ) -> None:
        self._client = client
        self._authenticate = authenticate
        self._access = access
        self._audit = audit
        self._replays = replays
        self._max_body = max_body
        self._keep_alive = keep_alive

    async def stream(self, request: Request) -> Response:
        """Answer as an agent's proxy does, or in the proxy's own events; or go on with an answer."""
        resumed = request.headers.get("last-event-id", "")
        own = bool(resumed) or accepts_chunks(request.headers.get("accept", ""))
        entry = Entry.of(self._audit, "chunks" if own else "stream")
        try:
            caller = await self._caller(request, entry)
            if resumed:
                return self._resumed(caller, resumed, entry)
            if request.method == "GET":
                raise BadRequestError("Ask with POST; GET is only for going on, with Last-Event-ID", status_code=405)
            return await self._answer(request, caller, read_agent_request, entry, own=own)
        except AiError as error:
            entry.close("refused", error=error)
            raise

    async def completions(self, request: Request) -> Response:
        """Answer as OpenAI does."""
        entry = Entry.of(self._audit, "completions")
        try:
            caller = await self._caller(request, entry)
            return await self._answer(request, caller, read_completion_request, entry)
        except AiError as error:
            entry.close("refused", error=error)
            raise

    async def models(self, request: Request) -> Response:
        """List the models that the caller may ask."""
        caller = await self._caller(request, None)
        names = self._access.models(caller)
        if names is None:
            names = await _models_of(self._client)
        entry = {"object": "model", "created": int(time.time()), "owned_by": "proxy"}
        return JSONResponse({"object": "list", "data": [{"id": name, **entry} for name in names]})

    async def aclose(self) -> None:
        """Stop what is running, and hand over the last records."""
        await self._replays.aclose()
        await self._audit.drain()

    async def _caller(self, request: Request, entry: Entry | None) -> Caller:
        caller = await call_hook("authenticate", self._authenticate, request)
        if caller is None:
            raise AuthenticationError("This proxy does not know you: send a token that it has given to you")
        if not isinstance(caller, Caller):
            raise TypeError(f"authenticate must return a Caller or None, not {type(caller).__name__}")
        if entry is not None:
            entry.note(caller=caller.id)
        return caller

    async def _answer(
        self,
        request: Request,
        caller: Caller,
        read: Callable[[Mapping[str, Any]], Asked],
        entry: Entry,
        *,
        own: bool = False,
    ) -> Response:
        body = await _body_of(request, self._max_body)
        key = request.headers.get("idempotency-key")
        digest = hashlib.sha256(b"%b %d\n%b" % (entry.record.wire.encode(), own, body)).digest()
        if key is not None and (kept := self._replays.find_key(caller.id, key, digest)) is not None:
            return self._replayed(kept, entry)
        try:
            asked = read(_object(body))
        finally:
            del body  # a traceback with local variables must not show the conversation
        entry.note(model=asked.model)
        model, allowed = self._access.model_of(caller, asked), self._access.options_of(asked)
        stream = self._ask(caller, entry, asked, model, allowed)
        is_recorded = own or key is not None
        run = new_run()
        response = self._response_body(asked, stream, entry, run if own else None, pings=not is_recorded)
        if not is_recorded:
            return ChatStreamResponse(response)
        kept = self._replays.record(
            response,
            run=run,
            caller=caller.id,
            key=key,
            digest=digest,
            is_complete=lambda: entry.record.outcome == "complete",
        )
        return self._read(kept, entry)

    def _ask(
        self, caller: Caller, entry: Entry, asked: Asked, model: str | None, allowed: Mapping[str, Any]
    ) -> ChatStream:
        client = self._client
        if caller.limiter is not None:
            client = RateLimitedClient(client, caller.limiter)
        if caller.budget is not None:
            client = BudgetedClient(client, caller.budget)
        try:
            return AuditedClient(client, entry).stream_chat(asked.messages, model=model, **allowed)
        except AiError as error:
            raise for_callers(error) from None
        except (TypeError, ValueError) as error:
            raise refused(str(error)) from None

    def _response_body(
        self, asked: Asked, stream: ChatStream, entry: Entry, run: str | None, *, pings: bool
    ) -> ResponseBody:
        keep_alive = self._keep_alive if pings else None
        if run is not None:
            return SSEBody(stream, NumberedChunkEvents(run), keep_alive=keep_alive)
        if entry.record.wire == "stream":
            return SSEBody(stream, AgentEvents(camel_case=asked.camel_case), keep_alive=keep_alive)
        if asked.stream:
            chunks = OpenAIChunks(stream, include_usage=asked.include_usage)
            return SSEBody(stream, chunks, keep_alive=keep_alive)
        return CompletionBody(stream)

    def _replayed(self, kept: Kept, entry: Entry) -> Response:
        entry.close("replayed")
        return self._read(kept, entry, headers={"Idempotent-Replayed": "true"})

    def _resumed(self, caller: Caller, last_event_id: str, entry: Entry) -> Response:
        kept = self._replays.find_run(caller.id, last_event_id.rpartition("-")[0])
        if kept is not None:
            entry.close("replayed")
            return self._read(kept, entry, after=last_event_id)
        raise _gone()

    def _read(self, kept: Kept, entry: Entry, *, after: str = "", headers: Mapping[str, str] | None = None) -> Response:
        is_document = kept.recording.headers["Content-Type"] == "application/json"
        keep_alive = None if is_document else self._keep_alive
        ping = OpenAIChunks.ping if entry.record.wire == "completions" else AgentEvents.ping
        line = id_line(after) if after else b""
        reader = kept.recording.reader(ping=ping, keep_alive=keep_alive, after=line)
        if reader is None:
            raise _gone()
        return ChatStreamResponse(reader, headers=headers)


def _gone() -> BadRequestError:
    return BadRequestError("This answer, or the place to go on from, is not here any more; ask again", status_code=404)


async def _models_of(client: ChatClient) -> list[str]:
    """Return the ids of the models that a client can tell of: all that its gateway lists, or its default."""
    innermost: Any = client
    while hasattr(innermost, "inner"):
        innermost = innermost.inner
    if hasattr(innermost, "models"):
        try:
            return [model.id for model in await innermost.models()]
        except AiError as error:
            raise for_callers(error) from None
    default = client.resolve_model() if isinstance(client, BaseChatClient) else None
    return [default] if default else []


async def _body_of(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        BadRequestError: It is too large, or the caller left before its end.
    """
    declared = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0
    try:
        if size <= most:
            size = 0
            async for part in request.stream():
                parts.append(part)
                if (size := size + len(part)) > most:
                    break
    except ClientDisconnect:
        raise refused("the connection ended before its body did") from None
    if size > most:
        raise BadRequestError(f"The request is larger than {most} bytes", status_code=413)
    return b"".join(parts)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        return with_floats(parse_object(body))  # pyright: ignore[reportReturnType] - an object stays one
    except MalformedJSONError as error:
        raise refused(f"its body is not the JSON of an object: {error}") from None


async def _error_response(request: Request, error: Exception) -> Response:
    """Answer an error with its HTTP status, in the shape that the endpoint's callers read."""
    assert isinstance(error, AiError)
    failure, headers = error_payload(error), dict[str, str]()
    if isinstance(error, AuthenticationError):
        failure["message"] = error.sentence
        headers["WWW-Authenticate"] = "Bearer"
    if (wait := error.retry_after) is not None and math.isfinite(wait):
        headers["Retry-After"] = str(math.ceil(max(wait, 0)))
    if request.url.path.endswith(_STREAM):
        # pi puts `error` into its message as it is.
        return JSONResponse({"error": failure["message"], "failure": failure}, error.status_code, headers)
    return JSONResponse({"error": failure}, error.status_code, headers)


async def _http_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {404: "There is no such endpoint", 405: "The endpoint has no such method"}.get(error.status_code)
    return await _error_response(request, BadRequestError(message or error.detail, status_code=error.status_code))


async def _bug_response(request: Request, error: Exception) -> Response:
    """Answer a request that something unforeseen ended; the server logs that."""
    return await _error_response(request, AiError())
