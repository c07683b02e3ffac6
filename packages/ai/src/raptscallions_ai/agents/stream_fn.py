"""`to_stream_fn`: any client of ours as the stream function of a tinyagent agent, and the other way about.

tinyagent checks for classes of its own, so the package is imported when a stream begins. One message grows while an
answer streams: building a new one for each delta would cost the length of the answer each time. Source: `tiny-agent-os`
1.2.29, `agent_types.py` and `agent_loop.py`.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from raptscallions_ai.agents.conversation import EXTRA, conversation_of, options_of, plain, tools_of
from raptscallions_ai.errors import AiError
from raptscallions_ai.structured.partial_json import StreamingJson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.answer.stream import ChatStream
    from raptscallions_ai.client.base import ChatClient

    StreamFn = Callable[[Any, Any, Any], Awaitable["AgentStream"]]

__all__ = ["AgentStream", "agent_stream", "stream_openrouter", "to_stream_fn", "usage_of"]

_STOP_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


def to_stream_fn(client: ChatClient, **options: Any) -> StreamFn:
    """Return a client as the stream function of an agent: `AgentOptions(stream_fn=to_stream_fn(client))`.

    The model is the agent's own, or the client's default where that has no id. A failure is an event of the stream, as
    the agent's loop expects it, and keeps what had arrived.

    Args:
        client: Any client, a wrapper around one or a test double. It is not closed by the agent.
        **options: `CallOptions` of every call; what the agent sets itself wins over them.

    Raises:
        ImportError: `tiny-agent-os` is not installed; raised when the first stream begins.
    """

    async def stream(model: Any, context: Any, given: Any) -> AgentStream:
        return agent_stream(client, model, context, given, options)

    return stream


def agent_stream(
    client: ChatClient, model: Any, context: Any, given: Any, options: Mapping[str, Any], *, owned: bool = False
) -> AgentStream:
    """Return the answer of a client to an agent.

    Args:
        client: The client.
        model: The agent's model.
        context: The conversation, with the tools.
        given: The agent's options.
        options: `CallOptions` for what the agent does not say.
        owned: Whether the client is closed when the stream ends.
    """
    merged = {**options, **options_of(plain(given), getattr(model, "thinking_level", None))}
    if tools := tools_of(context.tools):
        merged["tools"] = tools
    messages = conversation_of(context.system_prompt, context.messages)
    answer = client.stream_chat(messages, model=getattr(model, "id", "") or None, **merged)
    return AgentStream(answer, model, signal=getattr(given, "signal", None), owned=client if owned else None)


async def stream_openrouter(model: Any, context: Any, options: Any) -> AgentStream:
    """Stream an answer of OpenRouter, or of the gateway that the `AI_*` environment names.

    The stream function of `Agent(AgentOptions(stream_fn=stream_openrouter))`; `openrouter_client` sends it. With a key
    of the agent's own, a client that ends with the stream does.

    Args:
        model: The agent's model; its `id` is a model's id at the gateway.
        context: The conversation, with the tools.
        options: The agent's options: key, temperature, limit of tokens, and the signal that stops it.

    Raises:
        ConfigurationError: A setting is missing or invalid.
        ImportError: `tiny-agent-os` is not installed.
    """
    from raptscallions_ai.client.environment import openrouter_client
    from raptscallions_ai.client.openrouter import OpenRouterClient

    key = getattr(options, "api_key", None)
    client = OpenRouterClient(key) if key else openrouter_client
    return agent_stream(client, model, context, options, {}, owned=bool(key))


class AgentStream:
    """An answer as tinyagent's loop reads it: its events, and the message that grows with them.

    Args:
        answer: The stream to read.
        model: The agent's model, which the message names.
        signal: An event or a function that shows that the agent was stopped.
        owned: A client to close when the stream ends.
    """

    def __init__(self, answer: ChatStream, model: Any, *, signal: Any = None, owned: ChatClient | None = None) -> None:
        import tinyagent.agent_types as types

        self._types: Any = types
        self._answer = answer
        self._events: AsyncIterator[Any] = aiter(answer.events())
        self._signal = signal
        self._owned = owned
        self._ready: deque[Any] = deque()
        self._json: dict[int, StreamingJson] = {}
        self._ended = False
        self._handlers: dict[str, Callable[[Any], None]] = {
            "start": lambda event: self._add("start"),
            "text_start": lambda event: self._open(event.index, types.TextContent(text=""), "text_start"),
            "text_delta": self._grow_text,
            "text_end": self._end_block,
            "thinking_start": lambda event: self._open(
                event.index, types.ThinkingContent(thinking=""), "thinking_start"
            ),
            "thinking_delta": self._grow_thinking,
            "thinking_end": self._end_block,
            "tool_call_start": self._open_call,
            "tool_call_delta": self._grow_call,
            "tool_call_end": self._end_call,
            "restarted": self._restart,
            "done": lambda event: self._finish(event.result),
            "error": lambda event: self._take_error(event.error),
        }
        self._message: Any = types.AssistantMessage(
            stop_reason="stop",
            content=[],
            api=getattr(model, "api", ""),
            provider=getattr(model, "provider", ""),
            model=getattr(model, "id", ""),
            timestamp=int(time.time() * 1000),
        )

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._ended:
                raise StopAsyncIteration
            await self._read()
        return self._ready.popleft()

    async def result(self) -> Any:
        """Read the rest and return the whole message; of a failed answer, the part that had arrived."""
        while not self._ended:
            await self._read()
        return self._message

    async def aclose(self) -> None:
        """Stop the answer."""
        self._ended = True
        await self._answer.aclose()
        await self._close_client()

    async def _read(self) -> None:
        try:
            await self._read_event()
        finally:
            if self._ended:
                await self._close_client()

    async def _close_client(self) -> None:
        client, self._owned = self._owned, None
        if client is not None:
            await client.aclose()

    async def _read_event(self) -> None:
        if self._is_stopped():
            await self._answer.aclose()
            self._fail("Request aborted by user", "aborted")
            return
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            self._ended = True
            return
        handle = self._handlers.get(event.type)
        if handle is not None:  # annotations and images stand in the message of ours
            handle(event)

    def _restart(self, event: Any) -> None:
        self._message.content.clear()
        self._json.clear()

    def _open(self, index: int, block: Any, kind: str) -> None:
        content = self._message.content
        while len(content) <= index:
            content.append(None)
        content[index] = block
        self._add(kind, content_index=index)

    def _open_call(self, event: Any) -> None:
        block = self._types.ToolCallContent(id=event.id, name=event.name, arguments={}, partial_json="")
        self._open(event.index, block, "tool_call_start")

    def _grow_text(self, event: Any) -> None:
        self._message.content[event.index].text += event.delta
        self._add("text_delta", content_index=event.index, delta=event.delta)

    def _grow_thinking(self, event: Any) -> None:
        self._message.content[event.index].thinking += event.delta
        self._add("thinking_delta", content_index=event.index, delta=event.delta)

    def _end_block(self, event: Any) -> None:
        self._add(event.type, content_index=event.index, content=event.content)

    def _grow_call(self, event: Any) -> None:
        block = self._message.content[event.index]
        block.partial_json += event.delta
        block.arguments = self._json.setdefault(event.index, StreamingJson()).feed(event.delta) or {}
        self._add("tool_call_delta", content_index=event.index, delta=event.delta)

    def _end_call(self, event: Any) -> None:
        block = self._message.content[event.index]
        block.partial_json = None
        block.arguments = _arguments(event.tool_call)
        self._add("tool_call_end", content_index=event.index, tool_call=block)

    def _finish(self, result: ChatResult) -> None:
        message = self._message
        message.stop_reason = _STOP_REASONS.get(result.finish_reason or "stop", "stop")
        message.usage = usage_of(result.usage)
        setattr(message, EXTRA, result.to_message().to_dict())
        self._ready.append(
            self._types.AssistantMessageEvent(type="done", reason=message.stop_reason, message=message, partial=message)
        )
        self._ended = True

    def _take_error(self, error: AiError) -> None:
        if error.partial is not None:
            self._message.usage = usage_of(error.partial.usage)
        self._fail(error.sentence, "error")

    def _fail(self, why: str, reason: str) -> None:
        self._message.stop_reason = reason
        self._message.error_message = why
        event = self._types.AssistantMessageEvent(
            type="error", reason=reason, error=self._message, partial=self._message
        )
        self._ready.append(event)
        self._ended = True

    def _add(self, kind: str, **fields: Any) -> None:
        # Validated once at the end: checking the growing message for each delta would cost its length.
        event = self._types.AssistantMessageEvent.model_construct(type=kind, partial=self._message, **fields)
        self._ready.append(event)

    def _is_stopped(self) -> bool:
        signal = self._signal
        if signal is None:
            return False
        is_set = getattr(signal, "is_set", signal)
        return bool(is_set())


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return usage in the shape that agents keep; what was read from or written to the cache is not in `input`."""
    fresh = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
    return {
        "input": fresh,
        "output": usage.completion_tokens,
        "cache_read": usage.cached_tokens,
        "cache_write": usage.cache_write_tokens,
        "total_tokens": usage.total_tokens,
        "cost": {"input": 0.0, "output": 0.0, "cache_read": 0.0, "cache_write": 0.0, "total": float(usage.cost or 0)},
    }


def _arguments(call: Any) -> dict[str, Any]:
    try:
        return call.arguments
    except AiError:
        return {}
