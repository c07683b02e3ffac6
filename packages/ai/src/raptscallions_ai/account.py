"""What a gateway tells of an account: its keys, its credit, and its books."""

from __future__ import annotations

from raptscallions_ai.gateway_api.account import Credits, KeyInfo
from raptscallions_ai.gateway_api.generation import GenerationInfo

__all__ = [
    "Credits",
    "KeyInfo",
    "GenerationInfo",
]
