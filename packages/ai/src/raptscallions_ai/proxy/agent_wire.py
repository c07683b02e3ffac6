"""The wire of agents: `POST /api/stream`, as tinyagent and pi speak it.

Source: `tiny-agent-os` 1.2.29, `proxy.py` and `proxy_event_handlers.py`; pi's `streamProxy`, 0.73. Fields that these do
not know, they pass over; an event of a type that they do not know, they print. So what is ours stands in extra fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.agents.conversation import conversation_of, options_of, tools_of
from raptscallions_ai.answer.chunks import RestartedChunk
from raptscallions_ai.answer.codec import to_object
from raptscallions_ai.answer.event_builder import EventBuilder
from raptscallions_ai.answer.result import Usage
from raptscallions_ai.errors import StreamInterruptedError
from raptscallions_ai.options.call_options import ChatOptions
from raptscallions_ai.proxy.asked import Asked, refused
from raptscallions_ai.web.payloads import SSE_HEADERS, error_payload, sse_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.events import StreamEvent
    from raptscallions_ai.answer.result import ChatResult
    from raptscallions_ai.errors import AiError

__all__ = ["AgentEvents", "read_agent_request", "result_object"]

# Of pi, for the library in which it calls gateways itself; none of them changes an answer of ours.
_PASSED_OVER = frozenset({"cacheRetention", "sessionId", "headers", "transport", "thinkingBudgets", "maxRetryDelayMs"})
_DOCUMENTED = frozenset({"temperature", "maxTokens", "max_tokens", "reasoning"})
_STOP_REASONS = {"tool_calls": ("tool_calls", "toolUse"), "length": ("length", "length")}
# The operator's: which gateways were asked, and how that went.
_NOT_TOLD = ("attempts", "time_to_first_chunk", "duration")


def read_agent_request(body: Mapping[str, Any]) -> Asked:
    """Return what a request asks for.

    Beside the documented options there may be those of `ChatOptions` under their own names.

    Raises:
        BadRequestError: It cannot be read.
    """
    model, context, given = (json_object(body.get(name)) for name in ("model", "context", "options"))
    if "context" not in body:
        raise refused("it has no 'context' with the messages")
    prompt = context.get("system_prompt") or context.get("systemPrompt") or None
    if prompt is not None and not isinstance(prompt, str):
        raise refused("the system prompt must be a text")
    options = {name: value for name, value in given.items() if value is not None and name not in _PASSED_OVER}
    if unknown := sorted(options.keys() - _DOCUMENTED - set(ChatOptions.__annotations__)):
        raise refused(f"there is no option {unknown[0]!r}")
    further = {name: value for name, value in options.items() if name not in _DOCUMENTED}
    try:
        messages = conversation_of(prompt, json_list(context.get("messages")))
        tools = tools_of([json_object(tool) for tool in json_list(context.get("tools"))])
        asked = {**further, **options_of(options, model.get("thinking_level"))}
    except (TypeError, ValueError) as error:
        raise refused(str(error)) from None
    if tools:
        asked["tools"] = tools
    name = model.get("id")
    return Asked(
        messages, name if isinstance(name, str) and name else None, asked, camel_case="systemPrompt" in context
    )


class AgentEvents:
    """The encoder of this wire.

    Args:
        camel_case: Whether words are spelled as pi spells them, and not as tinyagent.
    """

    headers: Mapping[str, str] = SSE_HEADERS
    ping = b": ping\n\n"

    def __init__(self, *, camel_case: bool) -> None:
        self._camel_case = camel_case
        self._events = EventBuilder()

    def chunk(self, chunk: StreamChunk) -> bytes:
        """Return the events for a chunk; those for `done` end the response.

        Raises:
            AiError: The answer restarts, and what was sent cannot be taken back here.
        """
        if isinstance(chunk, RestartedChunk):
            raise chunk.error
        return b"".join(self._event(event) for event in self._events.feed(chunk))

    def error(self, error: AiError) -> bytes:
        """Return the event of a failure."""
        failure = error_payload(error)
        partial = error.partial
        fields: dict[str, Any] = {"type": "error", "reason": "error", "errorMessage": failure["message"]}
        fields["usage"] = _usage(partial.usage if partial is not None else Usage())
        if partial is not None:
            failure["usage"] = to_object(partial.usage)
        return sse_event({**fields, "failure": failure})

    def stopped(self) -> bytes:
        """Return the event of a stream that was closed early."""
        return self.error(StreamInterruptedError("the stream was closed before it was complete"))

    def _event(self, event: StreamEvent) -> bytes:
        match event.type:
            case "start":
                # Whoever sends more than the documented options sees that there is somebody who reads them.
                return sse_event({"type": "start", "raptscallions": 1})
            case "text_start" | "text_end" | "thinking_start" | "thinking_end":
                return sse_event({"type": event.type, "contentIndex": event.index})
            case "text_delta" | "thinking_delta":
                return sse_event({"type": event.type, "contentIndex": event.index, "delta": event.delta})
            case "tool_call_start":
                fields = {"type": "toolcall_start", "contentIndex": event.index}
                return sse_event({**fields, "id": event.id, "toolName": event.name})
            case "tool_call_delta":
                return sse_event({"type": "toolcall_delta", "contentIndex": event.index, "delta": event.delta})
            case "tool_call_end":
                return sse_event({"type": "toolcall_end", "contentIndex": event.index})
            case "done":
                return self._done(event.result)
            case _:  # no word for it there; the result has it
                return b""

    def _done(self, result: ChatResult) -> bytes:
        snake_case, camel_case = _STOP_REASONS.get(result.finish_reason or "", ("stop", "stop"))
        fields = {
            "type": "done",
            "reason": camel_case if self._camel_case else snake_case,
            "usage": _usage(result.usage),
        }
        return sse_event({**fields, "result": result_object(result)})


def result_object(result: ChatResult) -> dict[str, Any]:
    """Return a result without loss, but for what is between the proxy and its gateways."""
    return {name: value for name, value in to_object(result).items() if name not in _NOT_TOLD}


def _usage(usage: Usage) -> dict[str, Any]:
    """Return usage as agents keep it, in the spellings of both."""
    fresh = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    unknown = {"input": 0.0, "output": 0.0, "cacheRead": 0.0, "cacheWrite": 0.0, "cache_read": 0.0, "cache_write": 0.0}
    return {
        "input": fresh,
        "output": usage.completion_tokens,
        "cacheRead": cached,
        "cacheWrite": written,
        "totalTokens": usage.total_tokens,
        "cache_read": cached,
        "cache_write": written,
        "total_tokens": usage.total_tokens,
        "cost": {**unknown, "total": usage.cost or 0.0},
    }
