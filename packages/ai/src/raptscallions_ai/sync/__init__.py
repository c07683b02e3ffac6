"""The client for code that is not asynchronous: one loop thread runs the one implementation."""

from __future__ import annotations

from raptscallions_ai.sync.parsed_stream import SyncParsedStream
from raptscallions_ai.sync.stream import SyncChatStream, SyncIterator
from raptscallions_ai.sync.tool_run import SyncToolRun

__all__ = ["SyncChatStream", "SyncIterator", "SyncParsedStream", "SyncToolRun"]
