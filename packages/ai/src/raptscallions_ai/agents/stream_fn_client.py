"""`from_stream_fn`: somebody's stream function as a client.

A stream function speaks in objects what proxies for agents speak in events, so its answers take the same way: it is a
gateway whose connections call a function. Source: `tiny-agent-os` 1.2.29, `agent_types.py`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from raptscallions_ai._call.defaults import CallDefaults
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai._guards.callbacks import in_task
from raptscallions_ai.agents.conversation import plain
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.client.engine_settings import engine_settings
from raptscallions_ai.errors import AiError, NotSupportedError, ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from raptscallions_ai._dialects.dialect import Encoded
    from raptscallions_ai._transport.connections import OnReplaced, Response
    from raptscallions_ai.options.call_options import OnInterrupt
    from raptscallions_ai.options.timeouts import Timeouts

    StreamFn = Callable[[Any, Any, Any], Awaitable[Any]]

__all__ = ["StreamFnClient", "from_stream_fn"]

_UNNAMED = "the-functions-choice"
_ADDRESS = "http://localhost/stream-function"
_NO_KEY = "no-key-is-needed"


def from_stream_fn(
    stream_fn: StreamFn,
    *,
    model: str | None = None,
    provider: str = "",
    api: str = "",
    timeout: float | Timeouts | None = None,
    max_retries: int | None = None,
    on_interrupt: OnInterrupt | None = None,
    fallback_models: Sequence[str] | None = None,
    fallback_clients: Sequence[EngineClient] = (),
) -> StreamFnClient:
    """Return a client that asks a stream function of tinyagent's kind, such as a custom provider.

    Everything else is as with every client: deadlines, retries, tools, fallbacks, typed errors; and an answer that ends
    without a `done` event is an error. A function knows the options `temperature`, `max_tokens` and `reasoning`, texts
    and pictures; more is refused.

    Args:
        stream_fn: `async def stream_fn(model, context, options)`, which returns an asynchronous iterator of
            `AssistantMessageEvent`s; the stop signal is in `options.signal`.
        model: The `id` of the `Model` that calls are for, unless they name one.
        provider: The `provider` of that `Model`.
        api: The `api` of that `Model`.
        timeout: Seconds until the first content and between each next, or `Timeouts`; else as the `AI_*` settings say.
        max_retries: Further attempts before the first content, 0 to 5.
        on_interrupt: What to do when an answer breaks off: `fail`, `restart` or `continue`.
        fallback_models: Models to ask in order when the first one fails or is silent.
        fallback_clients: Clients to ask after those, of whatever engine. They are not closed with this client.

    Raises:
        ImportError: `tiny-agent-os` is not installed; raised by the first call.
        TypeError: `stream_fn` cannot be called.
    """
    if not callable(cast("object", stream_fn)):
        raise TypeError(f"stream_fn must be a function, not {type(stream_fn).__name__}")
    return StreamFnClient(
        stream_fn,
        model=model,
        provider=provider,
        api=api,
        timeout=timeout,
        max_retries=max_retries,
        on_interrupt=on_interrupt,
        fallback_models=fallback_models,
        fallback_clients=fallback_clients,
    )


class StreamFnClient(EngineClient):
    """A client of a stream function; made by `from_stream_fn`."""

    def __init__(
        self,
        stream_fn: StreamFn,
        *,
        model: str | None,
        provider: str,
        api: str,
        timeout: float | Timeouts | None,
        max_retries: int | None,
        on_interrupt: OnInterrupt | None,
        fallback_models: Sequence[str] | None,
        fallback_clients: Sequence[EngineClient],
    ) -> None:
        from raptscallions_ai._dialects.proxy.dialect import ProxyDialect
        from raptscallions_ai._transport.gateway import Gateway

        given = {"api_key": _NO_KEY, "gateway_url": _ADDRESS, "max_retries": max_retries}
        settings = engine_settings("openrouter", {**given, "default_model": model or _UNNAMED})
        connections = StreamFnConnections(stream_fn, provider, api)
        super().__init__(
            Gateway(_ADDRESS, "", connections, ProxyDialect(unnamed=_UNNAMED), "stream_fn", provider),
            CallDefaults.of(settings, timeout=timeout, on_interrupt=on_interrupt, fallback_models=fallback_models),
            aliases={},
            fallback_clients=fallback_clients,
        )


class StreamFnConnections:
    """The way to a stream function: a request becomes its arguments, and its events the body of the response.

    Args:
        stream_fn: The function.
        provider: The provider of the models that it is asked for.
        api: Their API.
    """

    is_open: bool = False  # there is nothing to close
    is_loaded: bool = True

    def __init__(self, stream_fn: StreamFn, provider: str, api: str) -> None:
        self._stream_fn = stream_fn
        self._provider = provider
        self._api = api

    async def load(self) -> None:
        """Import tinyagent, of whose classes the arguments are."""
        from tinyagent import agent_types

        del agent_types  # its import was the point

    async def send(
        self, request: Encoded, *, connect_timeout: float | None, on_replaced: OnReplaced | None = None
    ) -> Response:
        """Call the function, and return its answer as a response."""
        from raptscallions_ai._transport.connections import Response

        signal = asyncio.Event()
        model, context, options = _arguments(json.loads(request.body), self._provider, self._api, signal)
        try:
            answer = await in_task("the stream function", self._stream_fn(model, context, options))
        except AiError:
            raise
        except Exception as error:
            raise ProviderError(f"the stream function failed: {type(error).__name__}", retryable=False) from None
        body = _Body(answer, signal)
        return Response(200, {}, body.read, body.close)

    async def get_json(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a stream function does one thing."""
        raise NotSupportedError("a stream function has nothing but answers")

    async def post_json(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a stream function does one thing."""
        raise NotSupportedError("a stream function has nothing but answers")

    async def warm_up(self, *, within: float) -> None:
        """Load what a call takes."""
        await self.load()

    async def aclose(self) -> None:
        """Do nothing: each answer is closed by its call."""


class _Body:
    """The events of an answer, as those of a proxy."""

    def __init__(self, answer: Any, signal: asyncio.Event) -> None:
        self._answer = answer
        self._events: AsyncIterator[Any] = aiter(answer)
        self._signal = signal
        self._lengths: dict[int, int] = {}  # characters of each block that have been passed on

    async def read(self) -> bytes:
        """Return the next event; nothing at the end."""
        while True:
            try:
                event = await anext(self._events)
            except StopAsyncIteration:
                return b""
            except AiError:
                raise
            except Exception as error:
                raise ProviderError(f"the stream function failed: {type(error).__name__}", retryable=False) from None
            if lines := b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in self._wire(plain(event))):
                return lines

    async def close(self) -> None:
        """Stop the answer."""
        self._signal.set()
        for closing in (self._events, self._answer):
            if (close := getattr(closing, "aclose", None)) is not None:
                await in_task("the end of a stream function", close(), within=2.0)
                return

    def _wire(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Return an event as proxies for agents say it, with whatever it has that no delta has told."""
        index: int = event.get("content_index") or 0
        message = json_object(event.get("message") or event.get("partial"))
        match event.get("type"):
            case "text_delta" | "thinking_delta" as kind:
                return self._delta(kind, index, event.get("delta") or "")
            case "tool_call_start":
                return [self._open_call(index, _block(event, message, index))]
            case "tool_call_delta":
                return self._delta("toolcall_delta", index, event.get("delta") or "")
            case "tool_call_end":
                return self._rest_of_call(index, _block(event, message, index))
            case "done":
                blocks = [json_object(block) for block in json_list(message.get("content"))]
                rest = [each for place, block in enumerate(blocks) for each in self._rest(place, block)]
                reason = event.get("reason") or message.get("stop_reason") or "stop"
                return [*rest, {"type": "done", "reason": reason, "usage": message.get("usage")}]
            case "error":
                failed = event.get("error")
                fields = {"error_message": failed} if isinstance(failed, str) else json_object(failed) or message
                says = fields.get("error_message") or "the stream function told no reason"
                return [{"type": "error", "reason": "error", "errorMessage": says, "usage": fields.get("usage")}]
            case "start":
                return [{"type": "start"}]
            case _:
                return []

    def _delta(self, kind: str, index: int, delta: str) -> list[dict[str, Any]]:
        self._lengths[index] = self._lengths.get(index, 0) + len(delta)
        return [{"type": kind, "contentIndex": index, "delta": delta}] if delta else []

    def _open_call(self, index: int, block: dict[str, Any]) -> dict[str, Any]:
        self._lengths[index] = 0
        return {"type": "toolcall_start", "contentIndex": index, "id": block.get("id"), "toolName": block.get("name")}

    def _rest(self, index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
        match block.get("type"):
            case "text" | "thinking" as kind:
                text = block.get(kind) or ""
                return self._delta(f"{kind}_delta", index, text[self._lengths.get(index, 0) :])
            case "tool_call":
                return self._rest_of_call(index, block)
            case _:
                return []

    def _rest_of_call(self, index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what is missing of a call: all of it, its arguments, or nothing."""
        start = [] if index in self._lengths else [self._open_call(index, block)]
        whole = "" if self._lengths[index] else json.dumps(block.get("arguments") or {})
        return [*start, *self._delta("toolcall_delta", index, whole)]


def _block(event: dict[str, Any], message: dict[str, Any], index: int) -> dict[str, Any]:
    """Return the tool call that an event is about."""
    blocks = json_list(message.get("content"))
    return json_object(event.get("tool_call")) or json_object(blocks[index] if index < len(blocks) else None)


def _arguments(body: dict[str, Any], provider: str, api: str, signal: asyncio.Event) -> tuple[Any, Any, Any]:
    """Return what the function is called with."""
    from tinyagent import agent_types as types

    kinds = {"user": types.UserMessage, "assistant": types.AssistantMessage, "tool_result": types.ToolResultMessage}
    given, options = body["context"], body["options"]
    # A role of no class of its own goes as it is; that it is more than functions know, the dialect finds out.
    messages = [kinds.get(each["role"], types.CustomAgentMessage).model_validate(each) for each in given["messages"]]
    tools = [
        types.AgentTool(tool["name"], tool["description"], tool["parameters"], tool["label"])
        for tool in given.get("tools", ())
        if "label" in tool  # others are a gateway's own, which the dialect refuses
    ]
    level = options.get("reasoning")
    model = types.Model(
        provider=provider,
        id=body["model"]["id"],
        api=api,
        thinking_level=types.ThinkingLevel(level) if isinstance(level, str) else types.ThinkingLevel.OFF,
    )
    context = types.Context(given["system_prompt"], cast("Any", messages), tools or None)
    given_options = types.SimpleStreamOptions(
        temperature=options.get("temperature"), max_tokens=options.get("maxTokens"), signal=signal
    )
    return model, context, given_options
