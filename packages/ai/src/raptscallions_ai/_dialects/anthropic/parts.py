"""The parts of a message, as Anthropic's content blocks."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["content_blocks", "text_block", "tool_result_content"]

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<parameters>(?:;[^,;]+)*),(?P<data>.*)", re.DOTALL)
_NO_COUNTERPART = {"input_audio": "sounds", "video_url": "films"}
_Block = dict[str, Any]


def text_block(text: str) -> _Block:
    """Return a block that is text."""
    return {"type": "text", "text": text}


def content_blocks(content: object) -> list[_Block]:
    """Return the content of a message as blocks; empty texts, which Anthropic refuses, are left out.

    Raises:
        NotSupportedError: A part has no counterpart, such as a sound.
    """
    if isinstance(content, str):
        return [text_block(content)] if content else []
    return [block for part in json_list(content) if (block := _block(part)) is not None]


def tool_result_content(content: object) -> str | list[_Block]:
    """Return what a tool gave: its text as it is, or blocks."""
    return content if isinstance(content, str) else content_blocks(content)


def _block(part: object) -> _Block | None:
    if isinstance(part, str):
        return text_block(part) if part else None
    fields = json_object(part)
    kind = str(fields.get("type"))
    if kind == "text":
        return dict(fields) if fields.get("text") else None
    if kind in _NO_COUNTERPART:
        raise NotSupportedError(f"Anthropic's API does not accept {_NO_COUNTERPART[kind]} in a message")
    if kind == "image_url":
        source = _source(str(json_object(fields.get("image_url")).get("url", "")))
        return _marked({"type": "image", "source": source}, fields)
    if kind == "file":
        return _document(fields)
    return dict(fields)  # a block of Anthropic's own, such as a search result


def _document(part: Mapping[str, Any]) -> _Block:
    file = json_object(part.get("file"))
    if file_id := file.get("file_id"):
        source: _Block = {"type": "file", "file_id": file_id}
    else:
        source = _source(str(file.get("file_data", "")))
        if str(source.get("media_type", "")).startswith("text/"):
            source = {"type": "text", "media_type": "text/plain", "data": _text_of(source["data"])}
    block: _Block = {"type": "document", "source": source}
    if title := part.get("title") or file.get("filename"):
        block["title"] = title
    for name in ("citations", "context"):
        if part.get(name) is not None:
            block[name] = part[name]
    return _marked(block, part)


def _marked(block: _Block, part: Mapping[str, Any]) -> _Block:
    if mark := part.get("cache_control"):
        block["cache_control"] = mark
    return block


def _source(url: str) -> _Block:
    """Return where the bytes of a picture or document are: behind a URL, or in a data URL."""
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return {"type": "url", "url": url}
    data = found["data"]
    if ";base64" not in found["parameters"].lower():
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return {"type": "base64", "media_type": found["type"] or "text/plain", "data": data}


def _text_of(data: str) -> str:
    try:
        return base64.b64decode(data, validate=False).decode("utf-8", "replace")
    except binascii.Error:
        raise NotSupportedError("the content of a document is not valid base64") from None
