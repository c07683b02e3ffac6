"""Streaming AI-gateway client: text chunks as they arrive, one final usage chunk, typed errors, nothing lost.

::

    async with OpenRouterClient() as client:
        async for chunk in client.stream_chat("Why is the sky blue?"):
            if chunk.type == "content":
                print(chunk.content, end="", flush=True)
            elif chunk.type == "done":
                print(chunk.usage.total_tokens, chunk.usage.cost)

Importing this package reads no environment, opens nothing and does not load the OpenAI SDK.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from raptscallions_ai._version import __version__
from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RestartedChunk,
    StreamChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.answer.result import (
    Attempt,
    ChatResult,
    CostSource,
    FinishReason,
    OutputIssue,
    ParsedResult,
    Usage,
)
from raptscallions_ai.answer.run_events import (
    StepFinished,
    StoppedBy,
    ToolFinished,
    ToolRunDone,
    ToolRunEvent,
    ToolRunResult,
    ToolStarted,
)
from raptscallions_ai.answer.stream import ChatStream, ChunkSource, EventStream
from raptscallions_ai.client.base import BaseChatClient, ChatClient
from raptscallions_ai.client.engine import close_all_clients
from raptscallions_ai.client.environment import openrouter_client
from raptscallions_ai.client.openrouter import OpenRouterClient
from raptscallions_ai.errors import (
    AiError,
    AppError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    CallbackError,
    ConfigurationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidMediaError,
    InvalidOutputError,
    InvalidResponseError,
    ModelNotAvailableError,
    NotSupportedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RefusalError,
    StreamInterruptedError,
    TimeoutError,
    ToolError,
    TruncatedOutputError,
)
from raptscallions_ai.gateway_api.account import Credits, KeyInfo
from raptscallions_ai.gateway_api.costs import estimate_cost
from raptscallions_ai.gateway_api.embeddings import EmbeddingResult, EmbedOptions
from raptscallions_ai.gateway_api.endpoints import ModelEndpoint, Percentiles, ProviderInfo
from raptscallions_ai.gateway_api.generation import GenerationInfo
from raptscallions_ai.gateway_api.models import ModelFilter, ModelInfo, ReasoningSupport, filter_models
from raptscallions_ai.gateway_api.pricing import Pricing, PricingOverride
from raptscallions_ai.gateway_api.tokens import TokenCounter, TokenEstimate, estimate_tokens
from raptscallions_ai.messages.message import (
    ChatMessage,
    Content,
    Messages,
    Role,
    assistant,
    cached,
    system,
    tool_result,
    user,
)
from raptscallions_ai.messages.parts import (
    AudioFormat,
    AudioPart,
    ContentPart,
    FilePart,
    ImageDetail,
    ImagePart,
    TextPart,
    VideoPart,
    audio,
    file,
    image,
    text,
    video,
)
from raptscallions_ai.options.call_options import CallOptions, ChatOptions, OnInterrupt
from raptscallions_ai.options.routing import (
    MODEL_ALIASES,
    ModelId,
    RouteVariant,
    apply_variant,
    parse_model_id,
    resolve_model_alias,
)
from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.options.types import (
    CacheControl,
    CacheTtl,
    ProviderPreferences,
    ReasoningEffort,
    ReasoningOptions,
    ResponseFormat,
)
from raptscallions_ai.sync.client import SyncChatClient, SyncOpenRouterClient
from raptscallions_ai.sync.parsed_stream import SyncParsedStream
from raptscallions_ai.sync.stream import SyncChatStream, SyncIterator
from raptscallions_ai.sync.tool_run import SyncToolRun
from raptscallions_ai.tool_runs.stop_conditions import has_tool_call, max_cost, max_tokens_used
from raptscallions_ai.tools.tool import Tool, tool
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from raptscallions_ai.answer.codec import UnknownValue, from_json, to_json
    from raptscallions_ai.answer.events import (
        AnnotationEvent,
        DoneEvent,
        ErrorEvent,
        ImageEvent,
        RestartedEvent,
        StartEvent,
        StreamEvent,
        TextDeltaEvent,
        TextEndEvent,
        TextStartEvent,
        ThinkingDeltaEvent,
        ThinkingEndEvent,
        ThinkingStartEvent,
        ToolCallDeltaEvent,
        ToolCallEndEvent,
        ToolCallStartEvent,
        WaitingEvent,
    )
    from raptscallions_ai.settings import AiSettings, get_settings, reset_settings
    from raptscallions_ai.structured.parsed_stream import ParsedStream
    from raptscallions_ai.structured.partial_json import StreamingJson, parse_streaming_json
    from raptscallions_ai.tool_runs.execution import Approve
    from raptscallions_ai.tool_runs.run import StopCondition, ToolRun

__all__ = [
    "__version__",
    # client
    "BaseChatClient",
    "ChatClient",
    "OpenRouterClient",
    "SyncChatClient",
    "SyncOpenRouterClient",
    "openrouter_client",
    "close_all_clients",
    "CallOptions",
    "ChatOptions",
    "OnInterrupt",
    "ProviderPreferences",
    "ReasoningEffort",
    "ReasoningOptions",
    "ResponseFormat",
    "Timeouts",
    # models' names
    "MODEL_ALIASES",
    "ModelId",
    "RouteVariant",
    "apply_variant",
    "parse_model_id",
    "resolve_model_alias",
    # settings
    "AiSettings",
    "get_settings",
    "reset_settings",
    # messages
    "ChatMessage",
    "Content",
    "Messages",
    "Role",
    "assistant",
    "cached",
    "system",
    "tool_result",
    "user",
    # parts of messages
    "AudioFormat",
    "AudioPart",
    "CacheControl",
    "CacheTtl",
    "ContentPart",
    "FilePart",
    "ImageDetail",
    "ImagePart",
    "TextPart",
    "VideoPart",
    "audio",
    "file",
    "image",
    "text",
    "video",
    # stream
    "ChatStream",
    "ChunkSource",
    "SyncChatStream",
    "SyncIterator",
    "SyncParsedStream",
    "SyncToolRun",
    "StreamChunk",
    "AnnotationChunk",
    "ContentChunk",
    "DoneChunk",
    "ImageChunk",
    "ReasoningChunk",
    "RestartedChunk",
    "ToolCallChunk",
    "WaitingChunk",
    "StreamCollector",
    # as JSON
    "UnknownValue",
    "from_json",
    "to_json",
    # events
    "EventStream",
    "StreamEvent",
    "AnnotationEvent",
    "DoneEvent",
    "ErrorEvent",
    "ImageEvent",
    "RestartedEvent",
    "StartEvent",
    "TextDeltaEvent",
    "TextEndEvent",
    "TextStartEvent",
    "ThinkingDeltaEvent",
    "ThinkingEndEvent",
    "ThinkingStartEvent",
    "ToolCallDeltaEvent",
    "ToolCallEndEvent",
    "ToolCallStartEvent",
    "WaitingEvent",
    # tools
    "Tool",
    "tool",
    "ToolRun",
    "ToolRunEvent",
    "ToolStarted",
    "ToolFinished",
    "StepFinished",
    "ToolRunDone",
    "ToolRunResult",
    "StoppedBy",
    "StopCondition",
    "has_tool_call",
    "max_cost",
    "max_tokens_used",
    "Approve",
    "StreamingJson",
    "parse_streaming_json",
    # results
    "Attempt",
    "ChatResult",
    "CostSource",
    "FinishReason",
    "GenerationInfo",
    "OutputIssue",
    "ParsedResult",
    "ParsedStream",
    "ToolCall",
    "Usage",
    "estimate_cost",
    # models, account, embeddings, tokens
    "Credits",
    "EmbedOptions",
    "EmbeddingResult",
    "KeyInfo",
    "ModelEndpoint",
    "ModelFilter",
    "ModelInfo",
    "Percentiles",
    "Pricing",
    "PricingOverride",
    "ProviderInfo",
    "ReasoningSupport",
    "TokenCounter",
    "TokenEstimate",
    "estimate_tokens",
    "filter_models",
    # errors
    "AppError",
    "AiError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "CallbackError",
    "ConfigurationError",
    "ConnectionError",
    "ContentPolicyError",
    "ContextLengthError",
    "InsufficientCreditsError",
    "InvalidOutputError",
    "InvalidMediaError",
    "InvalidResponseError",
    "ModelNotAvailableError",
    "NotSupportedError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "RefusalError",
    "StreamInterruptedError",
    "TimeoutError",
    "ToolError",
    "TruncatedOutputError",
]

# Without a handler of its own, a library's warnings land on the user's terminal.
logging.getLogger("raptscallions_ai").addHandler(logging.NullHandler())

# Loaded on first use, because pydantic is the slowest part of this package to import, and few programs need events.
_LAZY = {
    "answer.codec": ("UnknownValue", "from_json", "to_json"),
    "answer.events": (
        "AnnotationEvent",
        "DoneEvent",
        "ErrorEvent",
        "ImageEvent",
        "RestartedEvent",
        "StartEvent",
        "StreamEvent",
        "TextDeltaEvent",
        "TextEndEvent",
        "TextStartEvent",
        "ThinkingDeltaEvent",
        "ThinkingEndEvent",
        "ThinkingStartEvent",
        "ToolCallDeltaEvent",
        "ToolCallEndEvent",
        "ToolCallStartEvent",
        "WaitingEvent",
    ),
    "structured.parsed_stream": ("ParsedStream",),
    "structured.partial_json": ("StreamingJson", "parse_streaming_json"),
    "settings": ("AiSettings", "get_settings", "reset_settings"),
    "tool_runs.execution": ("Approve",),
    "tool_runs.run": ("StopCondition", "ToolRun"),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load on first use what not everybody needs."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
