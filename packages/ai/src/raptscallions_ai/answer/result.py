"""The result of a call: `ChatResult` and its parts."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.messages.message import ChatMessage

__all__ = ["Attempt", "ChatResult", "CostSource", "FinishReason", "OutputIssue", "ParsedResult", "Usage"]

T = TypeVar("T")

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]
"""The finish reasons that OpenRouter documents; a gateway may send others."""

CostSource = Literal["reported", "priced", "unknown"]
"""Where a cost is from: `reported` by the gateway, `priced` from a catalogue, or `unknown`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call, as the gateway counted them.

    Attributes:
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the answer, reasoning included.
        total_tokens: The sum, as the gateway reported it.
        reasoning_tokens: The part of the answer's tokens that was reasoning.
        cached_tokens: The part of the request's tokens that was read from a prompt cache.
        cache_write_tokens: The part of the request's tokens that was written to a prompt cache.
        cost: What the call cost in USD; None if the gateway did not say. With a `cost_source` of `unknown` a figure
            is only the part that is known, because an attempt that was cut off left its own cost open.
        cost_source: Where `cost` is from.
        upstream_cost: What the provider behind the gateway charges, in USD; with your own provider key
            (`is_byok`) this is the real spend and `cost` only the gateway's fee.
        is_byok: Whether the provider was paid with the account's own provider key.
        byok_cost: What your own provider keys were charged in addition to `cost`, in USD, if that differs from
            `upstream_cost`: in a sum where only some calls used such a key.
        raw: The gateway's usage object as it was received; empty if it reported none.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost: Decimal | None = None
    cost_source: CostSource = "unknown"
    upstream_cost: Decimal | None = None
    is_byok: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    byok_cost: Decimal | None = None

    @property
    def spend(self) -> Decimal | None:
        """What the call really cost in USD: `cost`, plus what your own provider key was charged."""
        return _sum(self.cost, self._own_key_cost)

    @property
    def _own_key_cost(self) -> Decimal | None:
        return self.upstream_cost if self.byok_cost is None and self.is_byok else self.byok_cost

    @property
    def reported(self) -> bool:
        """Whether the gateway reported usage at all; if not, all counts are 0 because they are unknown."""
        return bool(self.raw)

    def __add__(self, other: Usage) -> Usage:
        """Return the sum of two usages; it is as uncertain as the more uncertain of the two.

        `raw` is that of the last one that reported any.
        """
        sources = {self.cost_source, other.cost_source}
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
            cost=_sum(self.cost, other.cost),
            cost_source="unknown" if "unknown" in sources else "priced" if "priced" in sources else "reported",
            upstream_cost=_sum(self.upstream_cost, other.upstream_cost),
            is_byok=self.is_byok or other.is_byok,
            raw=other.raw or self.raw,
            byok_cost=_sum(self._own_key_cost, other._own_key_cost),
        )


OTHER_REASONING = ("reasoning_content", "reasoning_text", "thinking", "thinking_blocks", "content")
"""Fields of an assistant message that hold its reasoning where `reasoning` does not."""

_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cache_write_tokens",
)


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return one if other is None else other if one is None else one + other


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate limits that a gateway reported with an answer; None for what it did not report.

    Attributes:
        requests: How many requests it allows per window.
        requests_left: How many of them were left.
        requests_reset: Seconds until all of them are available again.
        tokens: How many tokens it allows per window.
        tokens_left: How many of these were left.
        tokens_reset: Seconds until all of them are available again.
        input_tokens: How many tokens of requests it allows, where these are counted apart: at Anthropic.
        input_tokens_left: How many of these were left.
        input_tokens_reset: Seconds until all of them are available again.
        output_tokens: How many tokens of answers it allows, likewise.
        output_tokens_left: How many of these were left.
        output_tokens_reset: Seconds until all of them are available again.
    """

    requests: int | None = None
    requests_left: int | None = None
    requests_reset: float | None = None
    tokens: int | None = None
    tokens_left: int | None = None
    tokens_reset: float | None = None
    input_tokens: int | None = None
    input_tokens_left: int | None = None
    input_tokens_reset: float | None = None
    output_tokens: int | None = None
    output_tokens_left: int | None = None
    output_tokens_reset: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made for a call.

    Attributes:
        model: The model that was asked.
        error: The class name of the error it ended with; None if it answered.
        message: That error's message.
        status_code: That error's status.
        duration: Seconds from sending the request to its end, or to its first content if it answered.
        delay: Seconds that were waited before the next attempt; None if there was none.
        gateway: The base URL that was asked.
        generation_id: The gateway's id of the generation, if it gave one; pass it to `client.generation`.
        usage: What the attempt used, as far as the gateway reported it; None if it failed before anything was billed.
        limits: The rate limits that the gateway reported with the answer; None if it reported none.
        response_cache: `hit` or `miss`, from OpenRouter's cache of answers; None if it was not used.
    """

    model: str
    error: str | None = None
    message: str | None = None
    status_code: int | None = None
    duration: float = 0.0
    delay: float | None = None
    gateway: str = ""
    generation_id: str | None = None
    usage: Usage | None = None
    limits: RateLimits | None = None
    response_cache: str | None = None


@dataclass(frozen=True, slots=True)
class OutputIssue:
    """One thing that is wrong with an answer that should fit a response model.

    Attributes:
        path: Where: the keys and positions that lead there; empty for the answer as a whole.
        reason: What is wrong there, without the value; for your own validators, their message.
    """

    path: tuple[str | int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """A whole answer; or, as an error's `partial`, the part that had arrived.

    Attributes:
        content: The answer's text; empty for an answer of tool calls only.
        usage: Tokens and cost of all attempts; `usage.reported` is whether the gateway reported any.
        model: The model that answered, in the gateway's words; it may differ from the one asked for.
        finish_reason: Why the answer ended; a `FinishReason`, another word from the gateway, or None. An answer that
            ends with `pause` is unfinished; a call continues it by itself up to eight times.
        tool_calls: The tool calls that the model asks for, in order.
        reasoning: The visible reasoning.
        reasoning_details: The reasoning blocks as the gateway sent them, to be sent back unchanged.
        annotations: The annotations (citations, files) as the gateway sent them.
        images: The images as the gateway sent them.
        refusal: The model's own words of refusal, if it refused.
        refusal_category: What it refused for, where the engine names it, such as `cyber`.
        audio: The model's spoken answer: `data` is the whole audio in base64, `transcript` its text, and `id`
            refers to it in the next request; None if there is none.
        provider: The provider that served the call, where the gateway names it.
        id: The gateway's id of the generation.
        native_finish_reason: The upstream provider's own word for `finish_reason`.
        logprobs: Log probabilities per token as the gateway sent them, if they were asked for.
        native: The answer as the engine sent it, if its dialect is not OpenAI's: `dialect`, `model`,
            `origin` and `content`. It goes back unchanged to where it came from.
        attempts: Every request that was made for this call.
        time_to_first_chunk: Seconds from the start of the call to its first content.
        duration: Seconds from the start of the call to its end.
        tokens_per_second: How fast the answer was written, as the engine measured it: Ollama and llama.cpp do.
        extra: Other fields of the message that are sent back unchanged, such as
            `reasoning_content`, `thinking_blocks` and `extra_content`; `to_message` has them.
    """

    content: str = ""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    finish_reason: FinishReason | str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    reasoning_details: tuple[dict[str, Any], ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()
    images: tuple[dict[str, Any], ...] = ()
    refusal: str | None = None
    provider: str | None = None
    id: str | None = None
    native_finish_reason: str | None = None
    logprobs: tuple[dict[str, Any], ...] = ()
    native: Mapping[str, Any] | None = None
    attempts: tuple[Attempt, ...] = ()
    time_to_first_chunk: float | None = None
    duration: float | None = None
    audio: dict[str, Any] | None = None
    refusal_category: str | None = None
    tokens_per_second: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def has_tool_calls(self) -> bool:
        """Whether the model asks for at least one tool call."""
        return bool(self.tool_calls)

    @property
    def input_tokens(self) -> int:
        """Tokens of the request: `usage.prompt_tokens`."""
        return self.usage.prompt_tokens

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer: `usage.completion_tokens`."""
        return self.usage.completion_tokens

    @property
    def total_tokens(self) -> int:
        """Tokens of both: `usage.total_tokens`."""
        return self.usage.total_tokens

    @property
    def limits(self) -> RateLimits | None:
        """The rate limits that the gateway reported with the answer; None if it reported none."""
        return next((attempt.limits for attempt in reversed(self.attempts) if attempt.limits is not None), None)

    @property
    def raw(self) -> dict[str, Any]:
        """The answer as one chat completion body, rebuilt from its parts, because a stream has no body of its own."""
        choice = {
            "index": 0,
            "message": self.to_message().to_dict(),
            "finish_reason": self.finish_reason,
            "native_finish_reason": self.native_finish_reason,
        }
        body = {"id": self.id, "object": "chat.completion", "model": self.model, "provider": self.provider}
        return {**body, "choices": [choice], "usage": dict(self.usage.raw)}

    def to_message(self) -> ChatMessage:
        """Return the assistant message to append to the conversation.

        Everything that a gateway wants back is in it unchanged: `reasoning_details` in order, reasoning under the
        name it came under, signatures with what they sign.
        """
        from raptscallions_ai.messages.message import ChatMessage

        return ChatMessage(
            role="assistant",
            content=self.content or (None if self.tool_calls else ""),
            tool_calls=self.tool_calls,
            # Plain reasoning text is for models that have no details; with both, the gateway would see it twice. What
            # came under another name is in `extra`.
            reasoning=None if self.reasoning_details or not self._reasons_plainly else self.reasoning or None,
            reasoning_details=self.reasoning_details,
            annotations=tuple(a for a in self.annotations if a.get("type") == "file"),
            images=self.images,
            refusal=self.refusal,
            native=self.native,
            extra=self.extra,
        )

    @property
    def _reasons_plainly(self) -> bool:
        return not any(name in self.extra for name in OTHER_REASONING)

    def __str__(self) -> str:
        return self.content

    def _repr_markdown_(self) -> str:
        """Return the text for a notebook, which shows it as Markdown."""
        return self.content

    def __repr__(self) -> str:
        return (
            f"ChatResult(model={self.model!r}, finish_reason={self.finish_reason!r}, "
            f"content={len(self.content)} characters, tool_calls={len(self.tool_calls)}, usage={self.usage!r})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedResult(ChatResult, Generic[T]):
    """A whole answer of `parse` or `stream_parse`: a `ChatResult`, and the object in its text.

    Attributes:
        parsed: The validated object.
    """

    parsed: T

    @classmethod
    def of(cls, result: ChatResult, parsed: T) -> Self:
        """Return the result together with the object."""
        return cls(**{part.name: getattr(result, part.name) for part in fields(ChatResult)}, parsed=parsed)

    def __repr__(self) -> str:
        return f"ParsedResult(parsed={type(self.parsed).__name__}, {ChatResult.__repr__(self).partition('(')[2]}"
