"""Anthropic's usage in the canonical form.

The figures are cumulative and come on several events; the last value of each that is not null holds. Tokens that were
read from or written to the prompt cache are not in `input_tokens`, but they are part of the prompt. Source: Anthropic
API reference, "Messages: usage", "Prompt caching", "Context editing".
"""

from __future__ import annotations

from typing import Any

import msgspec

from raptscallions_ai._dialects.fields import count
from raptscallions_ai._dialects.json import json_list, json_object

__all__ = ["CumulativeUsage"]

_MOST_DIGITS = 12
_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class CumulativeUsage:
    """Merge the usage objects of one answer."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def feed(self, usage: object) -> msgspec.Raw | None:
        """Take in a usage object; return all that is known, in the canonical form, or None if nothing is."""
        fields = {name: value for name, value in json_object(usage).items() if value is not None}
        if not fields:
            return None
        self._fields |= fields
        return msgspec.Raw(msgspec.json.encode({**self._fields, **self._canonical()}))

    def _canonical(self) -> dict[str, Any]:
        counts = self._counts()
        read, written = counts["cache_read_input_tokens"], counts["cache_creation_input_tokens"]
        prompt, completion = counts["input_tokens"] + read + written, counts["output_tokens"]
        thinking = count(json_object(self._fields.get("output_tokens_details")), "thinking_tokens") or 0
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": thinking},
        }

    def _counts(self) -> dict[str, int]:
        """Return the sums over all that was sampled: a compaction is billed, but stands only in `iterations`."""
        rows = [json_object(row) for row in json_list(self._fields.get("iterations"))]
        kinds = {row.get("type") for row in rows}
        if "compaction" not in kinds or "fallback_message" in kinds:
            rows = [self._fields]
        return {name: sum(_figure(row.get(name)) for row in rows) for name in _COUNTS}


def _figure(value: object) -> int:
    """Return a count, which some facades write as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:_MOST_DIGITS])
    return count({"": value}, "") or 0
