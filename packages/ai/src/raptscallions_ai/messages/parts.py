"""Parts of a message: text, images, documents, audio and video, in the wire format of OpenAI and OpenRouter.

The builders return plain dicts. A part made from a file contains the file's content: it is read, blocking, when the
part is made, and never again; `await asyncio.to_thread(image, path)` does not block the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict, get_args

from raptscallions_ai.errors import InvalidMediaError
from raptscallions_ai.messages.media import MAX_BYTES, Source, name_in_url, read_media, url_of
from raptscallions_ai.options.types import CacheControl

__all__ = [
    "AudioFormat",
    "AudioPart",
    "ContentPart",
    "FilePart",
    "ImageDetail",
    "ImagePart",
    "TextPart",
    "VideoPart",
    "audio",
    "file",
    "image",
    "text",
    "video",
]

ImageDetail = Literal["auto", "low", "high", "original"]
"""How closely a model is to look at an image."""

AudioFormat = Literal["wav", "mp3", "flac", "m4a", "ogg", "aiff", "aac", "pcm16", "pcm24"]
"""The audio formats that OpenRouter takes."""


class TextPart(TypedDict):
    """A part that is text."""

    type: Literal["text"]
    text: str
    cache_control: NotRequired[CacheControl]


class ImageUrl(TypedDict):
    """Where an image is: a URL that the gateway fetches, or a data URL."""

    url: str
    detail: NotRequired[ImageDetail]


class ImagePart(TypedDict):
    """A part that is an image."""

    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: NotRequired[CacheControl]


class FileData(TypedDict):
    """A document: its content as a data URL, a URL that the gateway fetches, or the id of a stored file."""

    filename: NotRequired[str]
    file_data: NotRequired[str]
    file_id: NotRequired[str]


class FilePart(TypedDict):
    """A part that is a document."""

    type: Literal["file"]
    file: FileData
    cache_control: NotRequired[CacheControl]


class InputAudio(TypedDict):
    """Audio: its content in base64, and its format."""

    data: str
    format: str


class AudioPart(TypedDict):
    """A part that is audio."""

    type: Literal["input_audio"]
    input_audio: InputAudio
    cache_control: NotRequired[CacheControl]


class VideoUrl(TypedDict):
    """Where a video is: a URL that the gateway fetches, or a data URL."""

    url: str


class VideoPart(TypedDict):
    """A part that is a video."""

    type: Literal["video_url"]
    video_url: VideoUrl
    cache_control: NotRequired[CacheControl]


ContentPart: TypeAlias = TextPart | ImagePart | FilePart | AudioPart | VideoPart | Mapping[str, object]
"""One part of a message in the wire format; a mapping of another type is sent as it is."""


def text(text: str) -> TextPart:
    """Return a part that is text; within a list of parts a plain `str` is the same."""
    return {"type": "text", "text": text}


def image(source: Source, *, detail: ImageDetail | None = None, max_bytes: int = MAX_BYTES) -> ImagePart:
    """Return a part that is an image.

    Args:
        source: A `Path` is a file, a `str` a URL or data URL, `bytes` are the content. OpenRouter takes PNG, JPEG,
            WebP and GIF.
        detail: How closely to look at it; the model decides by default.
        max_bytes: How large the content may be, in bytes before base64.

    Raises:
        InvalidMediaError: The content cannot be read, is empty or too large, or is not an image.
        TypeError: The source has another type.
        ValueError: The `str` is neither a URL nor a data URL, or `detail` has another value.
    """
    if detail is not None and detail not in get_args(ImageDetail):
        raise ValueError(f"detail must be one of {', '.join(get_args(ImageDetail))}")
    url: ImageUrl = {"url": _url(source, "image", max_bytes)}
    if detail is not None:
        url["detail"] = detail
    return {"type": "image_url", "image_url": url}


def file(source: Source, *, filename: str | None = None, max_bytes: int = MAX_BYTES) -> FilePart:
    """Return a part that is a document, such as a PDF.

    Args:
        source: A `Path` is a file, a `str` a URL or data URL, `bytes` are the content.
        filename: What to call it; by default the name of the file, or the last one in the URL.
        max_bytes: How large the content may be, in bytes before base64.

    Raises:
        InvalidMediaError: The content cannot be read, is empty or too large, or its type is unknown.
        TypeError: The source has another type.
        ValueError: The `str` is neither a URL nor a data URL.
    """
    if (url := url_of(source)) is not None:
        return {"type": "file", "file": {"filename": filename or name_in_url(url) or "file", "file_data": url}}
    media = read_media(source, max_bytes=max_bytes)
    media_type = media.type()
    name = filename or media.name or f"file.{media_type.extension}"
    return {"type": "file", "file": {"filename": name, "file_data": media.data_url(media_type)}}


def audio(source: Source, *, format: AudioFormat | None = None, max_bytes: int = MAX_BYTES) -> AudioPart:
    """Return a part that is audio; its content is sent along, because gateways do not fetch audio.

    Args:
        source: A `Path` is a file, a `str` a data URL, `bytes` are the content.
        format: Its format, by default found from the content; `pcm16`, `pcm24` and audio in an MP4 file (`m4a`)
            must be named.
        max_bytes: How large the content may be, in bytes before base64.

    Raises:
        InvalidMediaError: The content cannot be read, is empty or too large, or is not audio in a known format.
        TypeError: The source has another type.
        ValueError: The `str` is not a data URL, or `format` has another value.
    """
    known = get_args(AudioFormat)
    if format is not None and format not in known:
        raise ValueError(f"format must be one of {', '.join(known)}")
    if url_of(source) is not None:
        raise ValueError("audio cannot be sent by URL: download it and pass its bytes")
    media = read_media(source, max_bytes=max_bytes)
    extension = format or media.type_of_kind("audio").extension
    if extension not in known:
        message = f"{media.label} is in the format {extension}, and not in one of {', '.join(known)}"
        raise InvalidMediaError(message, reason="wrong_type")
    return {"type": "input_audio", "input_audio": {"data": media.base64(), "format": extension}}


def video(source: Source, *, max_bytes: int = MAX_BYTES) -> VideoPart:
    """Return a part that is a video.

    Args:
        source: A `Path` is a file, a `str` a URL or data URL, `bytes` are the content. OpenRouter takes MP4, MPEG, MOV
            and WebM; which of its models take URLs, and of which sites, differs.
        max_bytes: How large the content may be, in bytes before base64.

    Raises:
        InvalidMediaError: The content cannot be read, is empty or too large, or is not a video.
        TypeError: The source has another type.
        ValueError: The `str` is neither a URL nor a data URL.
    """
    return {"type": "video_url", "video_url": {"url": _url(source, "video", max_bytes)}}


def _url(source: Source, kind: Literal["image", "video"], max_bytes: int) -> str:
    if (url := url_of(source)) is not None:
        return url
    media = read_media(source, max_bytes=max_bytes)
    return media.data_url(media.type_of_kind(kind))
