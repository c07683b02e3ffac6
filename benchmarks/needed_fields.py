"""The fields of a chunk that the measurements read, and nothing else: what the two raw clients decode."""

from __future__ import annotations

from typing import Any

import msgspec


class Delta(msgspec.Struct, gc=False):
    """The fields that are needed of a delta."""

    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct, gc=False):
    """The fields that are needed of a choice."""

    delta: Delta | None = None
    message: Delta | None = None


class Usage(msgspec.Struct, gc=False):
    """The field that is needed of the usage."""

    cost: float = 0.0


class Chunk(msgspec.Struct, gc=False):
    """The fields that are needed of a chunk."""

    choices: list[Choice]
    usage: Usage | None = None


decode = msgspec.json.Decoder(Chunk).decode
encode = msgspec.json.Encoder().encode
