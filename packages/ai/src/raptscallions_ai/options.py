"""The options of a call: those of the request, under OpenRouter's and OpenAI's own names, and those of the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from raptscallions_ai.timeouts import Timeouts
from raptscallions_ai.tools import Tool

__all__ = ["CallOptions", "ChatOptions", "OnInterrupt"]

OnInterrupt: TypeAlias = Literal["fail", "restart", "continue"]
"""What to do when an answer breaks off: raise the error, ask anew, or let the model go on from where it was."""


class ChatOptions(TypedDict, total=False):
    """The options that travel in the request's body.

    None is the same as leaving an option out: the gateway's, or the model's, default applies. Models ignore
    silently what they do not support, unless `provider={"require_parameters": True}` is given.
    """

    max_tokens: int | None
    """Most tokens of the answer, reasoning included; at least 1."""
    max_completion_tokens: int | None
    """The newer name of `max_tokens` for OpenAI's models; at least 1."""
    temperature: float | None
    """Randomness, 0 to 2."""
    top_p: float | None
    """Nucleus sampling, more than 0 up to 1."""
    top_k: int | None
    """Sample from the k most likely tokens; 0 for all."""
    min_p: float | None
    """Least probability relative to the likeliest token, 0 to 1."""
    frequency_penalty: float | None
    """-2 to 2."""
    presence_penalty: float | None
    """-2 to 2."""
    repetition_penalty: float | None
    """More than 0 up to 2."""
    seed: int | None
    """Asks for repeatable sampling, where the model can."""
    stop: str | Sequence[str] | None
    """Up to four texts that end the answer."""
    logprobs: bool | None
    """Whether to return log probabilities."""
    top_logprobs: int | None
    """How many alternatives per token, 0 to 20; needs `logprobs`."""
    response_format: Mapping[str, Any] | None
    """For example `{"type": "json_object"}` or `{"type": "json_schema", "json_schema": {...}}`."""
    tools: Sequence[Tool[..., Any] | Mapping[str, Any]] | None
    """Tools that the model may call: functions made to `Tool`s, or the OpenAI wire format; to be sent every turn."""
    tool_choice: str | Mapping[str, Any] | None
    """`none`, `auto`, `required`, or one function."""
    parallel_tool_calls: bool | None
    """Whether the model may ask for several calls at once."""
    reasoning: Mapping[str, Any] | None
    """OpenRouter's reasoning options, such as `{"effort": "high"}` or `{"max_tokens": 2000}`."""
    reasoning_effort: str | None
    """The short form of `reasoning={"effort": ...}`."""
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None
    """How wordy the answer is to be."""
    models: Sequence[str] | None
    """OpenRouter: models that the gateway itself tries in order when the first fails; see also `fallback_models`."""
    provider: Mapping[str, Any] | None
    """OpenRouter: provider routing, such as `{"order": [...], "require_parameters": True}`."""
    plugins: Sequence[Mapping[str, Any]] | None
    """OpenRouter: plugins."""
    modalities: Sequence[str] | None
    """What to answer with: `text`, `image`, `audio`."""
    user: str | None
    """A stable id of the end user, without personal data."""
    metadata: Mapping[str, str] | None
    """Up to 16 pairs of your own."""
    session_id: str | None
    """OpenRouter: groups calls and keeps them on one provider; up to 256 characters."""


class CallOptions(ChatOptions, total=False):
    """Keyword arguments of `stream_chat` and `chat`: `ChatOptions`, and how the call is made."""

    timeout: float | Timeouts | None
    """Seconds until the first content and between each next, or `Timeouts`; else the client's."""
    max_retries: int | None
    """Further attempts before the first content, 0 to 5; else the client's."""
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
    """Further fields of the request's body; they win over the other options."""
