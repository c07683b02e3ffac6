"""The library's own protocol: one event for each chunk, with the same `type` as the chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.codec import to_object
from raptscallions_ai.errors import StreamInterruptedError
from raptscallions_ai.web.body import KEEP_ALIVE, SSEBody
from raptscallions_ai.web.payloads import SSE_HEADERS, error_payload, sse_event, told_of_a_tool, usage_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.run_events import ToolRunEvent
    from raptscallions_ai.errors import AiError
    from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["sse_response_body"]

# The rest of a result is what the chunks have brought already, or the operator's business.
_OF_A_RESULT = ("id", "model", "provider", "finish_reason", "refusal")


def sse_response_body(
    stream: AsyncIterable[StreamChunk] | AsyncIterable[ToolRunEvent], *, keep_alive: float | None = KEEP_ALIVE
) -> SSEBody:
    """Return a stream as the body of a server-sent-events response, one event of JSON for each chunk.

    The events have no name, so that `EventSource.onmessage` gets them all; their `type` is the chunk's::

        {"type": "content", "content": "Hel"}                       "reasoning" has the same form
        {"type": "tool_call", "index": 0, "id": "call_1", "name": "weather", "arguments": "{\\"ci"}
        {"type": "annotation", "annotation": {...}}                  as the gateway sent it
        {"type": "image", "image": {...}}                            as the gateway sent it
        {"type": "audio", "data": "UklGR...", "transcript": "Hel"}   a piece of sound in base64, and of its text
        {"type": "refusal", "content": "I can"}
        {"type": "waiting"}                                          only with `include_waiting=True`
        {"type": "restarted", "error": {...}}                        everything so far is void; with `on_interrupt`
        {"type": "tool_started", "id": "call_1", "name": "weather", "arguments": "{\\"city\\": \\"Rome\\"}"}
        {"type": "tool_finished", "id": "call_1", "name": "weather", "content": "sunny", "failed": false}
        {"type": "step_finished", "step": 1, "finish_reason": "tool_calls", "usage": {...}}
        {"type": "done", "id": ..., "model": ..., "provider": ..., "finish_reason": "stop", "refusal": null,
         "usage": {"prompt_tokens": 10, ..., "cost": "0.00015", "cost_source": "reported"}}
        {"type": "error", "error": {"type": "RateLimitError", "message": ..., "code": "AI_ERROR",
         "error_type": null, "status_code": 429, "details": {...}, "retryable": true, "retry_after": 30,
         "reference": "5f0c2a9d417e"}}

    The three tool events come from a `ToolRun`; a tool's failure has the message of its
    `ToolError`, and otherwise says only that it failed.

    An error is reported in our own words; the gateway's message is in the log, with the same `reference`.

    The last event is always `done` or `error`. A body that ends without either was cut off.

    Args:
        stream: A `ChatStream`, a `ToolRun`, or any chunks, such as those of your own generator around one.
        keep_alive: Seconds of silence after which a comment is sent; None for never.

    Raises:
        ValueError: `keep_alive` is not more than 0.
    """
    return SSEBody(stream, ChunkEvents(), keep_alive=keep_alive)


class ChunkEvents:
    """The encoder of this protocol."""

    headers: Mapping[str, str] = SSE_HEADERS
    ping = b": ping\n\n"

    def chunk(self, chunk: StreamChunk | ToolRunEvent) -> bytes:
        """Return the event for a chunk."""
        return self.event(chunk)

    def event(self, chunk: StreamChunk | ToolRunEvent, **further: Any) -> bytes:
        """Return the event for a chunk, with further fields."""
        return sse_event({"type": chunk.type, **_fields(chunk), **further})

    def error(self, error: AiError) -> bytes:
        """Return the event of a failure."""
        return sse_event({"type": "error", "error": error_payload(error)})

    def stopped(self) -> bytes:
        """Return the event of a stream that was closed early, for instance by a stop button."""
        return self.error(StreamInterruptedError("the stream was closed before it was complete"))


def _fields(chunk: StreamChunk | ToolRunEvent) -> dict[str, Any]:
    match chunk.type:
        case "restarted":
            return {"error": error_payload(chunk.error)}
        case "done":
            fields = {name: getattr(chunk.result, name) for name in _OF_A_RESULT}
            return {**fields, "usage": usage_payload(chunk.usage)}
        case "tool_started":
            return {**_call(chunk.call), "arguments": chunk.call.raw_arguments}
        case "tool_finished":
            return {**_call(chunk.call), "content": told_of_a_tool(chunk), "failed": chunk.error is not None}
        case "step_finished":
            finish_reason, usage = chunk.result.finish_reason, usage_payload(chunk.usage)
            return {"step": chunk.step, "finish_reason": finish_reason, "usage": usage}
        case _:
            return to_object(chunk)


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "name": call.name}
