"""The types of options that are objects, for editors and type checkers.

Each may also be given as a plain mapping with further fields, which are passed on as they are. Where OpenRouter and the
model have defaults, they apply to what is left out. Source: OpenRouter API reference, "Parameters", "Provider
routing", "Reasoning tokens", "Plugins".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Required, TypeAlias, TypedDict

__all__ = [
    "AudioOptions",
    "CacheControl",
    "CacheTtl",
    "ImageConfig",
    "JsonSchema",
    "MaxPrice",
    "PercentileLimits",
    "Plugin",
    "Prediction",
    "PromptCacheOptions",
    "ProviderPreferences",
    "ProviderSort",
    "ReasoningEffort",
    "ReasoningOptions",
    "ResponseFormat",
    "ServerToolStop",
    "ServiceTier",
    "Trace",
    "Verbosity",
    "WebSearchOptions",
    "XSearchFilter",
]

ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Verbosity: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "priority", "fast", "scale"]
CacheTtl: TypeAlias = Literal["5m", "1h"]
Price: TypeAlias = "float | Decimal | str"


class ReasoningOptions(TypedDict, total=False):
    """How much a model thinks, and whether it shows its reasoning: `effort` or `max_tokens`, not both."""

    effort: ReasoningEffort | None
    """How much of `max_tokens` may go into reasoning."""
    max_tokens: int | None
    """Most tokens of reasoning, at least 1; must be less than the call's `max_tokens`."""
    exclude: bool | None
    """Whether to leave the reasoning out of the answer; no by default."""
    enabled: bool | None
    """Switches reasoning on, at medium effort, or off."""
    summary: Literal["auto", "concise", "detailed"] | None
    """How the reasoning is summed up, where a model shows only that."""
    context: Literal["auto", "all_turns", "current_turn"] | None
    """Which turns' reasoning the model sees; GPT-5.6 and later."""
    mode: Literal["standard", "pro"] | None
    """GPT-5.6 and later."""


class ProviderSort(TypedDict, total=False):
    """An order of providers, and whether it holds for each model or for all."""

    by: Required[Literal["price", "throughput", "latency", "exacto"]]
    """What comes first: the cheapest, the fastest, the first to answer, or the best with tools."""
    partition: Literal["model", "none"] | None
    """`model` sorts the providers of each model (the default), `none` those of all `models` together."""


class PercentileLimits(TypedDict, total=False):
    """Limits for the percentiles of the last five minutes."""

    p50: float | None
    p75: float | None
    p90: float | None
    p99: float | None


class MaxPrice(TypedDict, total=False):
    """The highest price in USD; a request that no provider serves for it fails."""

    prompt: Price | None
    """Per million tokens of the prompt."""
    completion: Price | None
    """Per million tokens of the answer."""
    request: Price | None
    """Per request."""
    image: Price | None
    """Per image."""
    audio: Price | None
    """Per unit of audio."""


class ProviderPreferences(TypedDict, total=False):
    """Which providers may serve a request, and in which order they are asked.

    A provider is named by its slug: `openai`, or `deepinfra/turbo` for one of its endpoints.
    """

    order: Sequence[str] | None
    """Providers to ask first, in this order; switches load balancing and sticky routing off."""
    allow_fallbacks: bool | None
    """Whether others may be asked after those; yes by default."""
    only: Sequence[str] | None
    """The only providers that may serve the request."""
    ignore: Sequence[str] | None
    """Providers that may not."""
    require_parameters: bool | None
    """Whether only providers count that support every parameter that is sent; no by default."""
    data_collection: Literal["allow", "deny"] | None
    """Whether providers that may store the prompt count; `allow` by default."""
    zdr: bool | None
    """Whether only endpoints with zero data retention count."""
    enforce_distillable_text: bool | None
    """Whether only models count whose answers may be used for training."""
    quantizations: Sequence[str] | None
    """The precisions that count: `int4 int8 fp4 mxfp4 nvfp4 fp6 fp8 mxfp8 fp16 bf16 fp32 unknown`."""
    sort: Literal["price", "throughput", "latency", "exacto"] | ProviderSort | Mapping[str, Any] | None
    """Asks the cheapest, the fastest, the first to answer, or the best with tools first."""
    preferred_min_throughput: float | PercentileLimits | Mapping[str, Any] | None
    """Tokens per second below which a provider is asked later, at least 0; a plain number is the median."""
    preferred_max_latency: float | PercentileLimits | Mapping[str, Any] | None
    """Seconds to the first token above which a provider is asked later, at least 0; a plain number is the median."""
    max_price: MaxPrice | Mapping[str, Any] | None
    """The most that may be paid."""
    options: Mapping[str, Mapping[str, Any]] | None
    """Options of single providers, by their slugs."""


class Plugin(TypedDict, total=False):
    """A plugin of OpenRouter; each has further fields of its own, described in its documentation."""

    id: Required[str]
    """`web web-fetch file-parser response-healing context-compression moderation auto-router pareto-router fusion`."""
    enabled: bool | None
    """False switches off what the account has switched on."""
    engine: str | None
    """What does the work, for `web` and `context-compression`."""
    max_results: int | None
    """For `web`; 5 by default."""
    include_domains: Sequence[str] | None
    """For `web`: the only sites to search."""
    exclude_domains: Sequence[str] | None
    """For `web`: sites not to search."""
    pdf: Mapping[str, Any] | None
    """For `file-parser`: `{"engine": "native"}`, `mistral-ocr` or `cloudflare-ai`."""
    allowed_models: Sequence[str] | None
    """For `auto-router`: the only models to choose from, by patterns such as `anthropic/*`."""


class JsonSchema(TypedDict, total=False):
    """What an answer of format `json_schema` must look like."""

    name: Required[str]
    """Up to 64 letters, digits, underscores and hyphens."""
    schema: Mapping[str, Any]
    """The JSON schema."""
    strict: bool | None
    """Whether the answer must match exactly."""
    description: str | None
    """What the answer is for."""


class ResponseFormat(TypedDict, total=False):
    """The form of the answer."""

    type: Required[Literal["text", "json_object", "json_schema", "grammar", "python"]]
    json_schema: JsonSchema | Mapping[str, Any]
    """For `json_schema`."""
    grammar: str
    """For `grammar`."""


class Prediction(TypedDict):
    """The expected text of most of the answer, for a faster one."""

    type: Literal["content"]
    """The only kind there is."""
    content: str | Sequence[Mapping[str, Any]]
    """The text, or its parts."""


class CacheControl(TypedDict, total=False):
    """A mark up to which the prompt is to be cached."""

    type: Required[Literal["ephemeral"]]
    ttl: CacheTtl | None
    """How long it is kept; 5 minutes by default."""


class PromptCacheOptions(TypedDict, total=False):
    """How the prompt is cached; GPT-5.6 and later."""

    mode: Required[Literal["explicit"]]
    """Only what is marked is cached."""
    ttl: str | None
    """How long it is kept, such as `"30m"`."""


class AudioOptions(TypedDict, total=False):
    """The voice and format of an audio answer."""

    voice: Required[str]
    format: Required[str]
    """Such as `wav`, `mp3` or `pcm16`."""


class ImageConfig(TypedDict, total=False):
    """How images in the answer look; what is understood depends on the model."""

    aspect_ratio: str | None
    """Such as `16:9`."""
    size: str | None
    quality: str | None
    background: str | None
    output_format: str | None


class WebSearchOptions(TypedDict, total=False):
    """A model's own web search."""

    search_context_size: Literal["low", "medium", "high"] | None
    """How much of what is found goes into the prompt."""


class XSearchFilter(TypedDict, total=False):
    """What Grok's search of X looks at; `allowed_x_handles` or `excluded_x_handles`, not both."""

    allowed_x_handles: Sequence[str] | None
    """Up to 20."""
    excluded_x_handles: Sequence[str] | None
    """Up to 20."""
    from_date: str | None
    to_date: str | None
    enable_image_understanding: bool | None
    enable_video_understanding: bool | None


class ServerToolStop(TypedDict, total=False):
    """When the gateway's own tools stop; the other field depends on the type."""

    type: Required[Literal["step_count_is", "has_tool_call", "max_tokens_used", "max_cost", "finish_reason_is"]]
    step_count: int
    """For `step_count_is`."""
    tool_name: str
    """For `has_tool_call`."""
    max_tokens: int
    """For `max_tokens_used`."""
    max_cost_in_dollars: float
    """For `max_cost`."""
    reason: str
    """For `finish_reason_is`."""


class Trace(TypedDict, total=False):
    """The call's name in an observability service of the gateway; further fields are passed on."""

    trace_id: str | None
    trace_name: str | None
    span_name: str | None
    generation_name: str | None
    parent_span_id: str | None
