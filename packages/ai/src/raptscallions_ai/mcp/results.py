"""What an MCP tool returns, as a result for the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from raptscallions_ai.messages.parts import file, image, text

if TYPE_CHECKING:
    from mcp.types import CallToolResult

__all__ = ["result_for_model"]

_SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def result_for_model(result: CallToolResult) -> Any:
    """Return a text, or parts of a message where there is more than text.

    Args:
        result: What the server answered.
    """
    parts = [_part(block) for block in result.content]
    if not parts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(block: Any) -> Any:
    match block.type:
        case "text":
            return text(block.text)
        case "image":
            return image(f"data:{block.mime_type};base64,{block.data}")
        case "audio":
            sound = _SOUNDS.get(block.mime_type)
            if sound is None:
                return text(f"[a sound of the type {block.mime_type}, which models do not take]")
            return {"type": "input_audio", "input_audio": {"data": block.data, "format": sound}}
        case "resource":
            return _resource(block.resource)
        case "resource_link":
            return text(f"[{block.name}]({block.uri})")
        case other:
            return text(f"[content of the type {other}]")


def _resource(resource: Any) -> Any:
    if (content := getattr(resource, "text", None)) is not None:
        return text(content)
    kind = resource.mime_type or "application/octet-stream"
    url = f"data:{kind};base64,{resource.blob}"
    if kind.startswith("image/"):
        return image(url)
    return file(url, filename=str(resource.uri).rstrip("/").rpartition("/")[2] or "file")
