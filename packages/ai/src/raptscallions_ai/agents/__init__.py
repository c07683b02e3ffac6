"""Agents of other people on clients of ours.

`to_stream_fn` makes any client the stream function of a tinyagent agent (`pip install tiny-agent-os`), whose package is
imported when a stream begins.
"""

from raptscallions_ai.agents.stream_fn import AgentStream, stream_openrouter, to_stream_fn
from raptscallions_ai.structured.partial_json import parse_streaming_json

__all__ = ["AgentStream", "parse_streaming_json", "stream_openrouter", "to_stream_fn"]
