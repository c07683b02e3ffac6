"""Agents of other people on clients of ours, and stream functions of theirs as clients.

`to_stream_fn` makes any client the stream function of a tinyagent agent (`pip install tiny-agent-os`), and
`from_stream_fn` makes a client of a stream function. tinyagent is imported when a stream begins.
"""

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names
from raptscallions_ai.agents.stream_fn import AgentStream, stream_openrouter, to_stream_fn
from raptscallions_ai.agents.stream_fn_client import StreamFnClient, from_stream_fn
from raptscallions_ai.structured.partial_json import parse_streaming_json

if TYPE_CHECKING:
    from raptscallions_ai.agents.providers import OpenRouterModel, ProxyStreamOptions, create_proxy_stream, stream_proxy

__all__ = [
    "AgentStream",
    "OpenRouterModel",
    "ProxyStreamOptions",
    "StreamFnClient",
    "create_proxy_stream",
    "from_stream_fn",
    "parse_streaming_json",
    "stream_openrouter",
    "stream_proxy",
    "to_stream_fn",
]

__getattr__ = lazy_names(
    __name__, {"providers": ["OpenRouterModel", "ProxyStreamOptions", "create_proxy_stream", "stream_proxy"]}
)
