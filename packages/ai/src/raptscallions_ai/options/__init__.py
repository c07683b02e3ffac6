"""How a call is made: its options, deadlines and the names of models."""

from __future__ import annotations

from raptscallions_ai.options.call_options import OnInterrupt
from raptscallions_ai.options.client_options import ClientOptions
from raptscallions_ai.options.network import NetworkOptions
from raptscallions_ai.options.types import CacheControl, CacheTtl, ReasoningEffort

__all__ = ["CacheControl", "CacheTtl", "ClientOptions", "NetworkOptions", "OnInterrupt", "ReasoningEffort"]
