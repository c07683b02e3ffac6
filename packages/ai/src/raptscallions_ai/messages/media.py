"""Images, documents and audio for a message: read whole, limited in size, with the type found from the content."""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from raptscallions_ai.errors import InvalidMediaError

__all__ = ["MAX_BYTES", "Media", "MediaType", "Source", "name_in_url", "read_media", "url_of"]

Source: TypeAlias = str | bytes | os.PathLike[str]
"""What a part is made from: a `str` is a URL or a data URL, a `Path` is a file, `bytes` are the content itself."""

MAX_BYTES = 50 * 1024 * 1024
"""How large the content of one part may be, in bytes before base64, unless the call says otherwise."""

_URL = re.compile(r"(?!data:|file:)[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_SIGNATURE = 8192  # bytes at the beginning of a file that tell what it is
_MEBIBYTE = 1024 * 1024
# The standard name, and the one that OpenRouter's guide to videos asks for.
_GATEWAY_NAMES = {"video/quicktime": "video/mov"}
# The types with a signature that may be text throughout.
_TEXTUAL = frozenset({"application/pdf", "application/postscript", "application/rtf"})


@dataclass(frozen=True, slots=True)
class MediaType:
    """What a content is.

    Attributes:
        name: The media type, such as `image/png`.
        extension: The usual file extension, without a dot.
    """

    name: str
    extension: str


@dataclass(frozen=True, slots=True)
class Media:
    """The content of one file.

    Attributes:
        content: Its bytes.
        name: The name of the file; empty if it came without one.
        claimed: The media type that its name or its data URL claims, if one does.
        label: What an error calls it.
    """

    content: bytes = field(repr=False)
    name: str
    claimed: str | None
    label: str

    def by_signature(self) -> MediaType | None:
        """Return what the content is by its signature; None if it has none that is known."""
        return _by_signature(self.content)

    def type_of_kind(self, kind: Literal["image", "audio", "video"]) -> MediaType:
        """Return the type of the content by its signature; the name is ignored.

        Raises:
            InvalidMediaError: It is of another kind, or of an unknown one.
        """
        found = _by_signature(self.content)
        if found is not None and found.name.startswith(kind + "/"):
            return found
        found_kind = f"{found.name}, not {kind}" if found is not None else f"not a known {kind} type"
        hint = "; if it is audio, pass its format" if kind == "audio" else ""
        reason = "wrong_type" if found is not None else "unknown_type"
        raise InvalidMediaError(f"{self.label} is {found_kind}{hint}", reason=reason)

    def type(self) -> MediaType:
        """Return the type of the content: by its signature, or for text, which has none, by its name.

        Raises:
            InvalidMediaError: It is not text and has no known signature, or not the one of its claimed type.
        """
        import mimetypes

        import filetype

        if (found := _by_signature(self.content)) is not None:
            return found
        if not _is_text(self.content):
            raise InvalidMediaError(f"{self.label} has an unknown type", reason="unknown_type")
        claimed = None if self.claimed == "application/octet-stream" else self.claimed
        if claimed and filetype.get_type(mime=claimed) is not None:
            # Such as a page that says "404 not found" and was saved as a picture.
            raise InvalidMediaError(f"{self.label} is text, not {claimed} as it claims to be", reason="wrong_type")
        name = claimed or "text/plain"
        return MediaType(name, (mimetypes.MimeTypes().guess_extension(name) or ".txt")[1:])

    def base64(self) -> str:
        """Return the content in base64."""
        return base64.b64encode(self.content).decode("ascii")

    def data_url(self, media_type: MediaType) -> str:
        """Return the content as a data URL (RFC 2397) of that type."""
        return f"data:{media_type.name};base64,{self.base64()}"


def url_of(source: Source) -> str | None:
    """Return the URL that the gateway is to fetch; None if the source is the content itself.

    Raises:
        TypeError: The source is not a `Source`.
        ValueError: It is a `str` that is neither a URL nor a data URL.
    """
    if isinstance(source, str):
        if _URL.fullmatch(source):
            return source
        if source[:5].lower() != "data:":
            # Not quoted: it may be the content itself.
            raise ValueError(
                "a str must be a URL (https://...) or a data URL (data:...); give a file as pathlib.Path(...), "
                "and content as bytes"
            )
    elif not isinstance(cast("object", source), bytes | os.PathLike):
        raise TypeError(f"a part is made from a str, a Path or bytes, not from {type(source).__name__}")
    return None


def name_in_url(url: str) -> str:
    """Return the file name at the end of a URL's path; empty if the path ends without one."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def read_media(source: Source, *, max_bytes: int) -> Media:
    """Read a file, take bytes, or decode a data URL.

    Args:
        source: The content; not a URL that is to be fetched.
        max_bytes: How large the content may be, in bytes.

    Raises:
        InvalidMediaError: It cannot be read, is empty or too large.
        ValueError: `max_bytes` is less than 1.
    """
    if max_bytes < 1:
        raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
    if isinstance(source, str):
        media = _from_data_url(source)
    elif isinstance(source, bytes):
        media = Media(source, "", None, "the content")
    else:
        media = _from_file(source, max_bytes)
    if not media.content:
        raise InvalidMediaError(f"{media.label} is empty", reason="empty")
    if len(media.content) > max_bytes:
        limit = f"{max_bytes / _MEBIBYTE:.3g} MiB" if max_bytes >= _MEBIBYTE else f"{max_bytes} bytes"
        message = f"{media.label} is larger than max_bytes, which is {limit}"
        raise InvalidMediaError(message, reason="too_large", status_code=413)
    return media


def _from_file(path: os.PathLike[str], max_bytes: int) -> Media:
    import mimetypes

    name = os.path.basename(os.fspath(path)) or str(path)
    try:
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise InvalidMediaError(f"{name} cannot be read: {error.strerror}", reason="unreadable") from error
    # An instance of its own knows the standard's types only, the same ones on every machine.
    return Media(content, name, mimetypes.MimeTypes().guess_type(name)[0], name)


def _from_data_url(url: str) -> Media:
    header, comma, data = url[len("data:") :].partition(",")
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    content = _from_base64(unquote_to_bytes(data)) if "base64" in parameters else unquote_to_bytes(data)
    if not comma or content is None:
        raise InvalidMediaError("the data URL is invalid: its data is missing or is not base64", reason="unreadable")
    return Media(content, "", media_type or None, "the data URL")


def _from_base64(data: bytes) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


def _by_signature(content: bytes) -> MediaType | None:
    # Imported on first use: most conversations are text.
    import filetype

    kind = filetype.guess(content[:_SIGNATURE])
    # Many signatures are letters: "BMW" would be a bitmap, "GIF or PNG?" a picture.
    if kind is None or (kind.mime not in _TEXTUAL and _is_text(content)):
        return None
    return MediaType(_GATEWAY_NAMES.get(kind.mime, kind.mime), kind.extension)


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False
