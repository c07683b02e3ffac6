"""Streaming AI-gateway client: text chunks as they arrive, one final usage chunk, typed errors, nothing lost.

::

    async with OpenRouterClient() as client:
        async for chunk in client.stream_chat("Why is the sky blue?"):
            if chunk.type == "content":
                print(chunk.content, end="", flush=True)
            elif chunk.type == "done":
                print(chunk.usage.total_tokens, chunk.usage.cost)

What few programs name stands in modules of its own: `events`, `models`, `prices`, `account`; further types beside what
they belong to, such as `raptscallions_ai.messages.ImagePart`.

Importing this package reads no environment, opens nothing and does not load the OpenAI SDK.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names
from raptscallions_ai._version import __version__
from raptscallions_ai.answer.chunks import (
    AnnotationChunk,
    AudioChunk,
    ContentChunk,
    DoneChunk,
    ImageChunk,
    ReasoningChunk,
    RefusalChunk,
    RestartedChunk,
    StreamChunk,
    ToolCallChunk,
    WaitingChunk,
)
from raptscallions_ai.answer.collector import StreamCollector
from raptscallions_ai.answer.result import (
    Attempt,
    ChatResult,
    ParsedResult,
    RateLimits,
    Usage,
)
from raptscallions_ai.answer.run_events import (
    ToolRunResult,
)
from raptscallions_ai.answer.stream import ChatStream
from raptscallions_ai.client.base import ChatClient
from raptscallions_ai.client.engine import close_all_clients, close_all_cloud_clients
from raptscallions_ai.client.environment import openrouter_client
from raptscallions_ai.client.openrouter import AsyncOpenRouterClient, OpenRouterClient
from raptscallions_ai.errors import (
    AiError,
    AppError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ConfigurationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidOutputError,
    InvalidResponseError,
    ModelNotAvailableError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
    ToolError,
)

# The names that another library's programs catch: they can be imported, and are no part of what is offered.
from raptscallions_ai.errors import LLMAuthError as LLMAuthError
from raptscallions_ai.errors import LLMConnectionError as LLMConnectionError
from raptscallions_ai.errors import LLMContextLengthError as LLMContextLengthError
from raptscallions_ai.errors import LLMError as LLMError
from raptscallions_ai.errors import LLMRateLimitError as LLMRateLimitError
from raptscallions_ai.errors import LLMTimeoutError as LLMTimeoutError
from raptscallions_ai.messages.message import (
    ChatMessage,
    Messages,
    assistant,
    cached,
    system,
    tool_result,
    user,
)
from raptscallions_ai.messages.parts import (
    audio,
    file,
    image,
    text,
    video,
)
from raptscallions_ai.options.call_options import CallOptions, ChatOptions
from raptscallions_ai.options.timeouts import Timeouts
from raptscallions_ai.options.types import (
    ProviderPreferences,
    ReasoningOptions,
    ResponseFormat,
)
from raptscallions_ai.sync.client import SyncChatClient, SyncOpenRouterClient
from raptscallions_ai.tool_runs.stop_conditions import has_tool_call, max_cost, max_tokens_used
from raptscallions_ai.tools.tool import Tool, tool
from raptscallions_ai.tools.tool_call import ToolCall

if TYPE_CHECKING:
    from raptscallions_ai.answer.codec import from_json, to_json
    from raptscallions_ai.client.anthropic import AsyncAnthropicClient
    from raptscallions_ai.client.ollama import AsyncOllamaClient
    from raptscallions_ai.client.openai_compat import AsyncOpenAICompatClient
    from raptscallions_ai.client.presets import PRESETS, Preset, register_preset
    from raptscallions_ai.client.provider import get_provider
    from raptscallions_ai.client.proxy import AsyncProxyClient
    from raptscallions_ai.proxy.app import proxy_app
    from raptscallions_ai.proxy.callers import Caller
    from raptscallions_ai.settings import AiSettings, get_settings, reset_settings
    from raptscallions_ai.structured.parsed_stream import ParsedStream
    from raptscallions_ai.sync.engines import AnthropicClient, OpenAICompatClient, ProxyClient
    from raptscallions_ai.sync.ollama import OllamaClient
    from raptscallions_ai.tool_runs.run import ToolRun

__all__ = [
    "__version__",
    # client
    "ChatClient",
    "OpenRouterClient",
    "AsyncOpenRouterClient",
    "AsyncAnthropicClient",
    "AsyncOpenAICompatClient",
    "SyncChatClient",
    "SyncOpenRouterClient",
    "AsyncOllamaClient",
    "OllamaClient",
    "AnthropicClient",
    "OpenAICompatClient",
    "get_provider",
    "PRESETS",
    "Preset",
    "register_preset",
    "openrouter_client",
    "AsyncProxyClient",
    "ProxyClient",
    "proxy_app",
    "Caller",
    "close_all_clients",
    "close_all_cloud_clients",
    "CallOptions",
    "ChatOptions",
    "ProviderPreferences",
    "ReasoningOptions",
    "ResponseFormat",
    "Timeouts",
    # settings
    "AiSettings",
    "get_settings",
    "reset_settings",
    # messages
    "ChatMessage",
    "Messages",
    "assistant",
    "cached",
    "system",
    "tool_result",
    "user",
    # parts of messages
    "audio",
    "file",
    "image",
    "text",
    "video",
    # stream
    "ChatStream",
    "StreamChunk",
    "AnnotationChunk",
    "AudioChunk",
    "ContentChunk",
    "DoneChunk",
    "ImageChunk",
    "ReasoningChunk",
    "RefusalChunk",
    "RestartedChunk",
    "ToolCallChunk",
    "WaitingChunk",
    "StreamCollector",
    # as JSON
    "from_json",
    "to_json",
    # tools
    "Tool",
    "tool",
    "ToolRun",
    "ToolRunResult",
    "has_tool_call",
    "max_cost",
    "max_tokens_used",
    # results
    "Attempt",
    "ChatResult",
    "ParsedResult",
    "ParsedStream",
    "RateLimits",
    "ToolCall",
    "Usage",
    # errors
    "AppError",
    "AiError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ConfigurationError",
    "ConnectionError",
    "ContentPolicyError",
    "ContextLengthError",
    "InsufficientCreditsError",
    "InvalidOutputError",
    "InvalidResponseError",
    "ModelNotAvailableError",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "StreamInterruptedError",
    "TimeoutError",
    "ToolError",
]

# Without a handler of its own, a library's warnings land on the user's terminal.
logging.getLogger("raptscallions_ai").addHandler(logging.NullHandler())

# Loaded on first use, because pydantic is the slowest part of this package to import, and few programs need these.
__getattr__ = lazy_names(
    __name__,
    {
        "answer.codec": ("from_json", "to_json"),
        "client.ollama": ("AsyncOllamaClient",),
        # What other libraries' programs catch; `errors` is where it stands.
        "errors": (
            "LLMError",
            "LLMAuthError",
            "LLMConnectionError",
            "LLMContextLengthError",
            "LLMRateLimitError",
            "LLMTimeoutError",
        ),
        "client.anthropic": ("AsyncAnthropicClient",),
        "client.openai_compat": ("AsyncOpenAICompatClient",),
        "client.proxy": ("AsyncProxyClient",),
        "client.presets": ("PRESETS", "Preset", "register_preset"),
        "client.provider": ("get_provider",),
        "proxy": ("proxy_app",),
        "proxy.callers": ("Caller",),
        "sync.engines": ("AnthropicClient", "OpenAICompatClient", "ProxyClient"),
        "settings": ("AiSettings", "get_settings", "reset_settings"),
        "structured.parsed_stream": ("ParsedStream",),
        "sync.ollama": ("OllamaClient",),
        "tool_runs.run": ("ToolRun",),
    },
)
