"""Rough counts of tokens, for decisions that come before the real figures.

`gateway_api/tokens.py` estimates better, but looks at every letter: too slow forevery call and chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from raptscallions_ai._dialects.json import json_object
from raptscallions_ai.answer.chunks import AudioChunk, ContentChunk, ReasoningChunk, RefusalChunk, ToolCallChunk
from raptscallions_ai.messages.message import to_wire
from raptscallions_ai.tools.tool import tools_to_wire

if TYPE_CHECKING:
    from raptscallions_ai.answer.chunks import StreamChunk
    from raptscallions_ai.wrappers.call import ChatCall

__all__ = ["answer_tokens", "prompt_tokens"]

_BYTES = 4  # of a token in UTF-8; near enough for English, where that is letters, and for Chinese, at three a letter
_FRAME = 4  # tokens around each message
_MEDIA = 1000  # tokens of an image, a page or the like


def prompt_tokens(call: ChatCall) -> int:
    """Return about how many tokens a call sends: a token for four bytes of text, a thousand for an image or a file."""
    sent = sum(_FRAME + _content(message.get("content")) for message in to_wire(call.messages))
    sent += _text(call.options.get("system") or "")
    return sent + sum(_text(str(tool)) for tool in tools_to_wire(call.options.get("tools") or ()))


def answer_tokens(chunks: Sequence[StreamChunk]) -> int:
    """Return about how many tokens some chunks of an answer have; at least one for each with text."""
    return sum(_text(_text_of(chunk)) for chunk in chunks)


def _text_of(chunk: StreamChunk) -> str:
    if isinstance(chunk, ContentChunk | ReasoningChunk | RefusalChunk):
        return chunk.content
    if isinstance(chunk, AudioChunk):
        return chunk.transcript
    return chunk.arguments or chunk.name or "" if isinstance(chunk, ToolCallChunk) else ""


def _content(content: object) -> int:
    if isinstance(content, str):
        return _text(content)
    if not isinstance(content, Sequence):
        return 0
    texts = [json_object(part).get("text") for part in cast("Sequence[object]", content)]
    return sum(_text(text) if isinstance(text, str) else _MEDIA for text in texts)


def _text(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES)
