"""The options of a call: those of the request, under OpenRouter's and OpenAI's own names, and those of the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.options.types import (
    AudioOptions,
    CacheControl,
    ImageConfig,
    Plugin,
    Prediction,
    PromptCacheOptions,
    ProviderPreferences,
    ReasoningEffort,
    ReasoningOptions,
    ResponseFormat,
    ServerToolStop,
    ServiceTier,
    Trace,
    Verbosity,
    WebSearchOptions,
    XSearchFilter,
)
from raptscallions_ai.tools.tool import Tool

__all__ = ["CallOptions", "ChatOptions", "OnInterrupt"]

OnInterrupt: TypeAlias = Literal["fail", "restart", "continue"]
"""What to do when an answer breaks off: raise the error, ask again, or let the model continue from where it was."""


class ChatOptions(TypedDict, total=False):
    """The options that travel in the request's body.

    None is the same as leaving an option out: the gateway's or the model's default applies. Models silently ignore
    what they do not support, unless `provider={"require_parameters": True}` is given.
    """

    stream: bool | None
    """Whether the gateway is asked to stream, so that leaving the call stops the model; yes by default.

    False asks for one JSON body, for gateways that cannot stream: the chunks then come all at once.
    """
    max_tokens: int | None
    """Most tokens of the answer, reasoning included; at least 1."""
    max_completion_tokens: int | None
    """The newer name of `max_tokens` for OpenAI's models; at least 1."""
    temperature: float | None
    """Randomness, 0 to 2; mostly 1 by default."""
    top_p: float | None
    """Nucleus sampling, more than 0 up to 1; 1 by default."""
    top_k: int | None
    """Sample from the k most likely tokens; 0, the default, for all."""
    min_p: float | None
    """Least probability relative to the likeliest token, 0 to 1; 0 by default."""
    top_a: float | None
    """Least probability relative to the square of the likeliest token's, 0 to 1; 0 by default."""
    frequency_penalty: float | None
    """Against tokens by how often they came, -2 to 2; 0 by default."""
    presence_penalty: float | None
    """Against tokens that came at all, -2 to 2; 0 by default."""
    repetition_penalty: float | None
    """Against repetition, more than 0 up to 2; 1, which is none, by default."""
    seed: int | None
    """Asks for repeatable sampling, where the model can."""
    stop: str | Sequence[str] | None
    """Up to four texts that end the answer."""
    logit_bias: Mapping[str, float] | Mapping[int, float] | None
    """Makes tokens, by their ids, more or less likely: -100 to 100."""
    logprobs: bool | None
    """Whether to return log probabilities; no by default."""
    top_logprobs: int | None
    """How many alternatives per token, 0 to 20; needs `logprobs`."""
    response_format: ResponseFormat | Mapping[str, Any] | None
    """For example `{"type": "json_object"}` or `{"type": "json_schema", "json_schema": {...}}`."""
    structured_outputs: bool | None
    """OpenRouter: whether the model must be one that holds to a JSON schema."""
    tools: Sequence[Tool[..., Any] | Mapping[str, Any] | Callable[..., Any]] | None
    """Tools that the model may call: functions, `Tool`s, or the OpenAI wire format; to be sent every turn."""
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any] | None
    """Whether the model may or must call a tool, or the one function that it must call; `auto` by default."""
    parallel_tool_calls: bool | None
    """Whether the model may ask for several calls at once; yes by default."""
    max_tool_calls: int | None
    """OpenRouter: most calls of the gateway's own tools, 1 to 30; 30 by default."""
    stop_server_tools_when: Sequence[ServerToolStop | Mapping[str, Any]] | None
    """OpenRouter: conditions, any of which ends the work of the gateway's own tools; overrides `max_tool_calls`."""
    reasoning: ReasoningOptions | Mapping[str, Any] | None
    """OpenRouter: how much the model thinks, such as `{"effort": "high"}` or `{"max_tokens": 2000}`."""
    reasoning_effort: ReasoningEffort | None
    """The short form of `reasoning={"effort": ...}`."""
    verbosity: Verbosity | None
    """How wordy the answer is to be; `medium` by default."""
    prediction: Prediction | Mapping[str, Any] | None
    """The expected text of most of the answer, for a faster one."""
    models: Sequence[str] | None
    """OpenRouter: models that the gateway itself tries in order when the first fails; see also `fallback_models`."""
    provider: ProviderPreferences | Mapping[str, Any] | None
    """OpenRouter: provider routing, such as `{"order": [...], "require_parameters": True}`."""
    plugins: Sequence[Plugin | Mapping[str, Any]] | None
    """OpenRouter: plugins, such as `[{"id": "web"}]`."""
    preset: str | None
    """OpenRouter: the slug of a preset, whose fields apply where the request has none."""
    web_search_options: WebSearchOptions | Mapping[str, Any] | None
    """How a model's own web search works."""
    x_search_filter: XSearchFilter | Mapping[str, Any] | None
    """OpenRouter: what Grok's search of X looks at."""
    modalities: Sequence[Literal["text", "image", "audio"]] | None
    """What to answer with; `audio` needs the option `audio` too."""
    audio: AudioOptions | Mapping[str, Any] | None
    """The voice and format of an audio answer: `{"voice": "alloy", "format": "wav"}`."""
    image_config: ImageConfig | Mapping[str, Any] | None
    """OpenRouter: how images in the answer look, such as `{"aspect_ratio": "16:9"}`."""
    cache_control: CacheControl | Mapping[str, Any] | None
    """OpenRouter: caches the prompt up to its end, for Claude: `{"type": "ephemeral"}`."""
    prompt_cache_key: str | None
    """Groups calls whose prompts begin alike, for the cache."""
    prompt_cache_options: PromptCacheOptions | Mapping[str, Any] | None
    """How the prompt is cached; GPT-5.6 and later."""
    service_tier: ServiceTier | None
    """How fast and how dear; `flex` never falls back to the default, `priority` does."""
    user: str | None
    """A stable id of the end user, without personal data."""
    session_id: str | None
    """OpenRouter: groups calls and keeps them on one provider; up to 256 characters."""
    metadata: Mapping[str, str] | None
    """Up to 16 pairs of your own, keys up to 64 characters, values up to 512."""
    trace: Trace | Mapping[str, Any] | None
    """OpenRouter: how the call is named in an observability service."""


class CallOptions(ChatOptions, total=False):
    """Keyword arguments of `stream_chat` and `chat`: `ChatOptions`, and how the call is made."""

    system: str | None
    """Instructions in front of the conversation: the same as `system(...)` as its first message."""
    timeout: float | Timeouts | None
    """Seconds until the first content and between each next, or `Timeouts`; else the client's."""
    max_retries: int | None
    """Further attempts before the first content, 0 to 5; else the client's."""
    resend: bool | None
    """Whether a request is sent once more that was lost on a kept connection before a byte of its answer came; yes by
    default. With False nothing is billed twice, and servers that hang up on kept connections make calls fail."""
    require_usage: bool | None
    """Whether an answer without usage is an error; else what the settings say, which is yes."""
    include_waiting: bool | None
    """Whether the gateway's keep-alives are yielded as `waiting` chunks; no by default."""
    on_interrupt: OnInterrupt | None
    """What to do when the answer breaks off: `fail`, `restart` or `continue`; else the client's, which is `fail`."""
    prefill: bool | None
    """Whether the model goes on from an assistant message at the end, for `continue`; else what is known of it."""
    fallback_models: Sequence[str] | None
    """Models to ask in order when the first one fails or is silent; else the client's. An empty list for none."""
    fallback_on_content_policy: bool | None
    """Whether a content-policy rejection, too, is a reason to ask the next model; no by default."""
    extra_headers: Mapping[str, str] | None
    """Further headers of the request."""
    extra_query: Mapping[str, object] | None
    """Further query parameters of the request."""
    extra_body: Mapping[str, object] | None
    """Further fields of the request's body; they win over the other options, and are sent unchecked."""
