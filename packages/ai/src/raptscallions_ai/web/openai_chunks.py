"""OpenAI's protocol, so that any OpenAI client can read your endpoint."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.errors import StreamInterruptedError
from raptscallions_ai.tool_runs.run import ToolRun
from raptscallions_ai.web.body import KEEP_ALIVE, SSEBody
from raptscallions_ai.web.payloads import SSE_HEADERS, error_payload, sse_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.answer.result import ChatResult, Usage
    from raptscallions_ai.errors import AiError

__all__ = ["OpenAIChunks", "completion_usage", "openai_sse_body"]

_DONE = b"data: [DONE]\n\n"
_SIGNED = ("thinking_blocks", "extra_content")  # what the next request must have again


def openai_sse_body(
    stream: AsyncIterable[StreamChunk], *, include_usage: bool = True, keep_alive: float | None = KEEP_ALIVE
) -> SSEBody:
    """Return a stream as the body that `POST /chat/completions` with `"stream": true` is answered with.

    Reasoning, annotations, images and the cost travel in OpenRouter's extensions, which other clients pass over. A
    failure is a chunk with a top-level `error` and the finish reason `error`, as OpenRouter sends it. An answer that
    restarts (`on_interrupt="restart"`) ends with the error that interrupted it, because text cannot be taken back.

    Args:
        stream: A `ChatStream`, or any chunks.
        include_usage: Whether a last chunk without choices has the usage: the request's
            `stream_options.include_usage`. Only what the gateway reported is passed on.
        keep_alive: Seconds of silence after which a comment is sent; None for never.

    Raises:
        TypeError: It is a run with tools, of which this protocol has no words; the others have.
        ValueError: `keep_alive` is not more than 0.
    """
    if isinstance(stream, ToolRun):
        raise TypeError(
            "openai_sse_body takes one answer; for a run with tools use ui_message_stream or sse_response_body"
        )
    return SSEBody(stream, OpenAIChunks(stream, include_usage=include_usage), keep_alive=keep_alive)


class OpenAIChunks:
    """The encoder of this protocol.

    Args:
        stream: The source of the id and the model, if it is a `ChatStream`.
        include_usage: Whether to report the usage.
    """

    headers: Mapping[str, str] = SSE_HEADERS
    # No blank line: OpenAI's Python client takes one for an event once any event had an id, which proxies may add.
    ping = b": ping\n"

    def __init__(self, stream: AsyncIterable[StreamChunk], *, include_usage: bool) -> None:
        self._stream = stream
        self._include_usage = include_usage
        self._envelope: dict[str, Any] = {}

    def chunk(self, chunk: StreamChunk) -> bytes:
        """Return the event for a chunk; the last three of the answer for `done`.

        Raises:
            AiError: The answer restarts.
        """
        match chunk:
            case ContentChunk():
                return self._delta({"content": chunk.content})
            case ReasoningChunk():
                return self._delta({"reasoning": chunk.content})
            case ToolCallChunk():
                return self._delta({"tool_calls": [_call(chunk)]})
            case AnnotationChunk():
                return self._delta({"annotations": [chunk.annotation]})
            case ImageChunk():
                return self._delta({"images": [chunk.image]})
            case AudioChunk():
                fields = {"data": chunk.data, "transcript": chunk.transcript}
                return self._delta({"audio": {name: text for name, text in fields.items() if text}})
            case RefusalChunk():
                return self._delta({"refusal": chunk.content})
            case WaitingChunk():
                return self.ping
            case RestartedChunk():
                raise chunk.error
            case DoneChunk():
                return self._end(chunk.result)

    def error(self, error: AiError) -> bytes:
        """Return the chunk of a failure; its code is the HTTP status that it would have had earlier."""
        details = error_payload(error) | {"code": error.status_code}
        return self._event(self._choice({"content": ""}, "error"), error=details) + _DONE

    def stopped(self) -> bytes:
        """Return the chunk of a stream that was closed early."""
        return self.error(StreamInterruptedError("the stream was closed before it was complete"))

    def _end(self, result: ChatResult) -> bytes:
        last: dict[str, Any] = {}
        if signed := {name: result.extra[name] for name in _SIGNED if name in result.extra}:
            last |= signed
        if result.reasoning_details:
            last["reasoning_details"] = result.reasoning_details
        data = self._delta(last) if last else b""
        data += self._event(self._choice({}, result.finish_reason or "stop", result.native_finish_reason))
        if self._include_usage and result.usage.reported:
            data += self._event([], usage=completion_usage(result.usage))
        return data + _DONE

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event(self._choice(delta))

    def _choice(
        self, delta: dict[str, Any], finish_reason: str | None = None, native_finish_reason: str | None = None
    ) -> list[dict[str, Any]]:
        if not self._envelope:
            delta = {"role": "assistant", **delta}
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        if native_finish_reason is not None:
            choice["native_finish_reason"] = native_finish_reason
        return [choice]

    def _event(self, choices: list[dict[str, Any]], **rest: Any) -> bytes:
        if not self._envelope:
            known = self._stream.partial if isinstance(self._stream, ChatStream) else None
            self._envelope = {
                "id": (known and known.id) or f"chatcmpl-{uuid.uuid4().hex}",
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": known.model if known else "",
            }
        return sse_event({**self._envelope, "choices": choices, **rest})


def _call(chunk: ToolCallChunk) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": chunk.arguments}
    call: dict[str, Any] = {"index": chunk.index, "function": function}
    if chunk.id is not None:
        call |= {"id": chunk.id, "type": "function"}
    if chunk.name is not None:
        function["name"] = chunk.name
    return call


def completion_usage(usage: Usage) -> dict[str, Any]:
    """Return usage in OpenAI's shape, with OpenRouter's cost."""
    fields: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if usage.cost is not None:
        fields["cost"] = usage.cost
    return fields
