"""Building blocks of OpenRouter's chat wire: events, chunks, usage, whole answers and error bodies.

Plain functions that return dicts and bytes, for tests that need a variant of their own; `Answer` puts them
together into a whole well-formed answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypedDict

from raptscallions_ai.testing.replies import Pause, Reply, Step, json_reply
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = [
    "COMMENT",
    "DONE",
    "GENERATION_ID",
    "MODEL",
    "PROVIDER",
    "Answer",
    "AnswerOptions",
    "chunk",
    "completion",
    "error_body",
    "sse",
    "usage",
]

MODEL = "fake/model-1"
"""The model that answers name by default."""

PROVIDER = "FakeProvider"
"""The upstream provider that answers name by default."""

GENERATION_ID = "gen-1700000000-fake"
"""The generation id of answers by default."""

COMMENT = b": OPENROUTER PROCESSING\n\n"
"""The comment that keeps a connection alive while the model is not ready."""

DONE = b"data: [DONE]\n\n"
"""The event that ends a stream."""

_CREATED = 1_700_000_000


def sse(data: Mapping[str, Any] | str | bytes, *, event: str | None = None) -> bytes:
    """Return one server-sent event; a mapping is written as JSON, text and bytes as they are, on one data line."""
    payload = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    name = b"" if event is None else b"event: %s\n" % event.encode()
    return b"%sdata: %s\n\n" % (name, payload)


def chunk(
    content: str | None = None,
    *,
    delta: Mapping[str, Any] | None = None,
    finish_reason: str | None = None,
    native_finish_reason: str | EllipsisType | None = ...,
    **overrides: Any,
) -> dict[str, Any]:
    """Return one chunk of a stream in OpenRouter's shape.

    Args:
        content: The text delta; as OpenRouter does it, none is sent as `""`.
        delta: Further fields of the delta, such as `reasoning` or `tool_calls`; they win over `content`.
        finish_reason: Why the answer ends, on the chunk that says so.
        native_finish_reason: The provider's own word for it; `...` means the same word.
        overrides: Top-level fields to set or replace, such as `choices`, `usage`, `error`, `id` or `model`.
    """
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": content or "", **(delta or {})},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason if native_finish_reason is ... else native_finish_reason,
        "logprobs": None,
    }
    return {**_envelope("chat.completion.chunk"), "choices": [choice], **overrides}


def completion(
    content: str | None = None,
    *,
    message: Mapping[str, Any] | None = None,
    finish_reason: str | None = "stop",
    **overrides: Any,
) -> dict[str, Any]:
    """Return the JSON body that answers a request without streaming.

    Args:
        content: The text.
        message: Further fields of the message, such as `reasoning` or `tool_calls`.
        finish_reason: Why the answer ended.
        overrides: Top-level fields to set or replace, such as `usage`, `error`, `id` or `model`.
    """
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, "refusal": None, "reasoning": None, **(message or {})},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason,
        "logprobs": None,
    }
    return {
        **_envelope("chat.completion"),
        "system_fingerprint": None,
        "choices": [choice],
        "usage": usage(),
        **overrides,
    }


def usage(
    prompt_tokens: int = 10,
    completion_tokens: int = 5,
    *,
    reasoning_tokens: int = 0,
    cached_tokens: int = 0,
    cost: float | None = 0.00015,
    **overrides: Any,
) -> dict[str, Any]:
    """Return a usage object in OpenRouter's shape; `cost` is in USD, `overrides` set or replace top-level fields."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "cost": cost,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": cached_tokens, "cache_write_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens, "image_tokens": 0},
        "cost_details": {"upstream_inference_cost": cost},
        **overrides,
    }


def error_body(
    code: int | str,
    message: str,
    *,
    error_type: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Return OpenRouter's error envelope.

    Args:
        code: The error's code, usually the HTTP status.
        message: The error's message.
        error_type: OpenRouter's name of the failure, such as `rate_limit_exceeded`; goes into the metadata.
        metadata: Further metadata, such as `{"provider_name": "X", "raw": "..."}`.
        overrides: Fields of the inner error to set or replace, such as `availability`.
    """
    facts = {**({} if error_type is None else {"error_type": error_type}), **(metadata or {})}
    error = {"code": code, "message": message, **({"metadata": facts} if facts else {}), **overrides}
    return {"error": error, "user_id": "user_fake"}


class AnswerOptions(TypedDict, total=False):
    """What `FakeGateway.stream` takes beside the text; each is described on `Answer`."""

    usage: Mapping[str, Any] | EllipsisType | None
    finish_reason: str | EllipsisType | None
    done: bool
    reasoning: Sequence[str]
    tool_calls: Sequence[ToolCall]
    comments: int
    interval_s: float
    id: str
    model: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A well-formed answer, to be sent as a stream or as one JSON body.

    Attributes:
        text: The text deltas.
        usage: The usage object; `...` means a plausible one, None none at all.
        finish_reason: Why the answer ends; `...` means `tool_calls` or `stop`, None no such chunk.
        done: Whether the stream ends with `[DONE]`.
        reasoning: The reasoning deltas, sent before the text.
        tool_calls: Tool calls, sent after the text: id and name first, then the arguments in two pieces.
        comments: How many keep-alive comments are sent before the first chunk.
        interval_s: Seconds between two deltas.
        id: The generation id.
        model: The model that the answer names.
    """

    text: tuple[str, ...] = ()
    usage: Mapping[str, Any] | EllipsisType | None = ...
    finish_reason: str | EllipsisType | None = ...
    done: bool = True
    reasoning: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()
    comments: int = 0
    interval_s: float = 0.0
    id: str = GENERATION_ID
    model: str = MODEL

    def __post_init__(self) -> None:
        for piece in (*self.text, *self.reasoning):
            if not isinstance(piece, str):  # pyright: ignore[reportUnnecessaryIsInstance] - tests are often untyped
                kind = type(piece).__name__
                raise TypeError(f"An answer is made of text, not of {kind}; queue steps with reply(...).")

    def stream(self) -> Reply:
        """Return the answer as a stream of events."""
        steps: list[Step] = [COMMENT] * self.comments
        for delta in self._deltas():
            if self.interval_s and len(steps) > self.comments:
                steps.append(Pause(self.interval_s))
            steps.append(sse(chunk(delta=delta, id=self.id, model=self.model)))
        if (reason := self._finish_reason) is not None:
            steps.append(sse(chunk(finish_reason=reason, id=self.id, model=self.model)))
        if (counts := self._usage) is not None:
            steps.append(sse(chunk(choices=[], usage=counts, id=self.id, model=self.model)))
        if self.done:
            steps.append(DONE)
        return Reply(tuple(steps), headers={"X-Generation-Id": self.id, "Cache-Control": "no-cache"})

    def json(self) -> Reply:
        """Return the answer as one JSON body."""
        message: dict[str, Any] = {"reasoning": "".join(self.reasoning) or None}
        if self.tool_calls:
            message["tool_calls"] = [{"index": i, **call.to_dict()} for i, call in enumerate(self.tool_calls)]
        text = "".join(self.text) or (None if self.tool_calls else "")
        body = completion(text, message=message, finish_reason=self._finish_reason, id=self.id, model=self.model)
        body["usage"] = self._usage
        if body["usage"] is None:
            del body["usage"]
        return json_reply(body, headers={"X-Generation-Id": self.id})

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield from ({"reasoning": text} for text in self.reasoning)
        yield from ({"content": text} for text in self.text)
        for index, call in enumerate(self.tool_calls):
            half = len(call.raw_arguments) // 2
            start = {"index": index, **call.to_dict(), "function": {"name": call.name, "arguments": ""}}
            yield {"tool_calls": [start]}
            for piece in (call.raw_arguments[:half], call.raw_arguments[half:]):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    @property
    def _finish_reason(self) -> str | None:
        if self.finish_reason is ...:
            return "tool_calls" if self.tool_calls else "stop"
        return self.finish_reason

    @property
    def _usage(self) -> Mapping[str, Any] | None:
        if self.usage is ...:
            pieces = len(self.reasoning) + len(self.text) + len(self.tool_calls)
            return usage(completion_tokens=pieces, reasoning_tokens=len(self.reasoning))
        return self.usage

    def __repr__(self) -> str:
        return f"Answer({len(self.text)} deltas)"


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": GENERATION_ID, "object": kind, "created": _CREATED, "model": MODEL, "provider": PROVIDER}
