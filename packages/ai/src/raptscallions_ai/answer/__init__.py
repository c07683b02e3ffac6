"""The output of a call: the chunks, the stream that yields them, and the result at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raptscallions_ai._guards.imports import lazy_names

if TYPE_CHECKING:
    from raptscallions_ai.answer.codec import UnknownValue
    from raptscallions_ai.answer.result import FinishReason, OutputIssue
    from raptscallions_ai.answer.stream import ChunkSource, TextStream

__all__ = ["ChunkSource", "FinishReason", "OutputIssue", "TextStream", "UnknownValue"]

__getattr__ = lazy_names(
    __name__,
    {
        "stream": ("ChunkSource", "TextStream"),
        "result": (
            "FinishReason",
            "OutputIssue",
        ),
        "codec": ("UnknownValue",),
    },
)
