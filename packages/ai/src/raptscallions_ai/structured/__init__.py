"""Structured output: the schema, the validation, and the object while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names

if TYPE_CHECKING:
    from raptscallions_ai.structured.partial_json import StreamingJson, parse_streaming_json

__all__ = ["StreamingJson", "parse_streaming_json"]

__getattr__ = lazy_names(
    __name__,
    {
        "partial_json": (
            "StreamingJson",
            "parse_streaming_json",
        )
    },
)
