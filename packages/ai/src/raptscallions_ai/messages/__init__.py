"""The input of a call: messages and their parts."""

from __future__ import annotations

from raptscallions_ai.messages.message import Content, Role
from raptscallions_ai.messages.parts import (
    AudioFormat,
    AudioPart,
    ContentPart,
    FilePart,
    ImageDetail,
    ImagePart,
    TextPart,
    VideoPart,
)

__all__ = [
    "AudioFormat",
    "AudioPart",
    "Content",
    "ContentPart",
    "FilePart",
    "ImageDetail",
    "ImagePart",
    "Role",
    "TextPart",
    "VideoPart",
]
