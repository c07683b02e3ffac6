"""The text and the parts of a message that a user sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.text import clean

if TYPE_CHECKING:
    from raptscallions_chat.http.schemas import SendRequest

__all__ = ["message_text"]

_KINDS = {"text", "image_url", "file", "input_audio", "video_url", "attachment"}


def message_text(body: SendRequest, most_bytes: int) -> tuple[str, list[dict[str, Any]] | None]:
    """Return a message's text, and its parts if it has others.

    Args:
        body: The request.
        most_bytes: The largest message; 0 for no limit.

    Raises:
        ChatError: `invalid_request`: it has neither or both, is empty, or a part is none; `message_too_large`.
    """
    if (body.message is None) == (body.parts is None):
        raise ChatError("invalid_request", "Give either `message` or `parts`.")
    if body.message is not None:
        _check_size(len(body.message.encode("utf-8", "replace")), most_bytes)
        text = clean(body.message)
        if not text.strip():
            raise ChatError("invalid_request", "`message` is empty.")
        return text, None
    parts = [_part(position, part) for position, part in enumerate(body.parts or ())]
    if not parts:
        raise ChatError("invalid_request", "`parts` is empty.")
    try:
        _check_size(len(msgspec.json.encode(parts)), most_bytes)
    except (RecursionError, UnicodeEncodeError, OverflowError):
        raise ChatError("invalid_request", "`parts` cannot be stored as JSON.") from None
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    if all(part["type"] == "text" for part in parts):
        if not text.strip():
            raise ChatError("invalid_request", "`parts` say nothing.")
        return text, None
    return text, parts


def _part(position: int, part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise ChatError("invalid_request", f"`parts[{position}].type` must be one of {known}.")
    if kind == "text" and not isinstance(part.get("text"), str):
        raise ChatError("invalid_request", f"`parts[{position}].text` must be a text.")
    if kind == "attachment" and not isinstance(part.get("id"), str):
        raise ChatError("invalid_request", f"`parts[{position}].id` must be the id of an attachment.")
    return cast("dict[str, Any]", _cleaned(part, 0))


def _cleaned(value: object, depth: int) -> object:
    if depth > 20:
        raise ChatError("invalid_request", "`parts` are nested too deeply.")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return {clean(key): _cleaned(entry, depth + 1) for key, entry in entries.items()}
    if isinstance(value, list):
        return [_cleaned(entry, depth + 1) for entry in cast("list[object]", value)]
    if isinstance(value, float) and value not in (value + 0,):
        raise ChatError("invalid_request", "`parts` must not contain NaN.")
    return value


def _check_size(size: int, most_bytes: int) -> None:
    if most_bytes and size > most_bytes:
        message = f"The message has {size} bytes; at most {most_bytes} are allowed."
        raise ChatError("message_too_large", message, details={"max_bytes": most_bytes})
