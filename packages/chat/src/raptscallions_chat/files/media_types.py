"""What a file is, by its first bytes, and whether it may be attached."""

from __future__ import annotations

import re
import unicodedata

import filetype

from raptscallions_chat.domain.errors import ChatError

__all__ = ["KINDS", "clean_name", "media_type_of"]

KINDS: dict[str, str] = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "application/pdf": "file",
    "audio/mpeg": "audio",
    "audio/wav": "audio",
    "audio/x-wav": "audio",
    "text/plain": "text",
    "text/markdown": "text",
    "text/csv": "text",
    "application/json": "text",
}
"""The types that may be attached, and what a model gets of each: a picture, a document, a sound, or the text itself."""

# Types that a browser would run are kept as what they are to a model: text.
_TEXT_LIKE = re.compile(r"text/|application/(json|xml|x-yaml|yaml|toml|javascript|x-python|x-sh)$")
_LONGEST_NAME = 200


def media_type_of(data: bytes, told: str) -> str:
    """Return a file's type: what its bytes say, or for text what its sender says.

    Raises:
        ChatError: `unsupported_media_type`: it is of no type that may be attached, or not what it was said to be.
    """
    told = told.partition(";")[0].strip().lower()
    seen = _seen(data)
    if seen is not None:
        if seen not in KINDS:
            raise _refused(seen)
        if told not in ("", "application/octet-stream") and _family(told) != _family(seen):
            raise ChatError("unsupported_media_type", f"The file is {seen}, not {told}.", details={"type": seen})
        return seen
    if not _is_text(data):
        raise _refused(told or "of an unknown type")
    if told in KINDS and KINDS[told] == "text":
        return told
    if not told or told == "application/octet-stream" or _TEXT_LIKE.match(told):
        return "text/plain"
    raise ChatError("unsupported_media_type", f"The file is text, not {told}.", details={"type": "text/plain"})


def clean_name(name: str) -> str:
    """Return a file's name without folders and without characters that a header or a screen would misread."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '"<>|:*?')
    return " ".join(kept.split()).strip(" .")[-_LONGEST_NAME:] or "file"


def _seen(data: bytes) -> str | None:
    kind = filetype.guess(data[:4096])
    return None if kind is None else str(kind.mime)


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _family(media_type: str) -> str:
    return KINDS.get(media_type, media_type.partition("/")[0])


def _refused(what: str) -> ChatError:
    allowed = sorted(KINDS)
    message = f"A file that is {what} cannot be attached."
    return ChatError("unsupported_media_type", message, details={"type": what, "allowed": allowed})
