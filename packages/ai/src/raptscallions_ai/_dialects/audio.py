"""What a model says aloud, put together from deltas."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from raptscallions_ai.answer.chunks import AudioChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Audio"]


class Audio:
    """Collects the pieces of a sound and of its transcript.

    Attributes:
        id: What refers to the audio in the next request; empty if there is no id.
    """

    def __init__(self) -> None:
        self.id = ""
        self._data: list[str] = []
        self._transcript: list[str] = []
        self._extra: dict[str, Any] = {}

    def feed(self, audio: Mapping[str, Any]) -> list[AudioChunk]:
        """Take in a piece and return what it adds."""
        data, transcript = (audio.get(name) for name in ("data", "transcript"))
        if isinstance(id_ := audio.get("id"), str) and id_:
            self.id = id_
        self._extra |= {name: value for name, value in audio.items() if name not in ("data", "transcript", "type")}
        piece = AudioChunk(data if isinstance(data, str) else "", transcript if isinstance(transcript, str) else "")
        if not piece.data and not piece.transcript:
            return []
        self._data.append(piece.data)
        self._transcript.append(piece.transcript)
        return [piece]

    def result(self) -> dict[str, Any] | None:
        """Return the whole, in the shape of a message that was not streamed; None if there is nothing."""
        if not self._data:
            return None
        return {**self._extra, "data": _joined(self._data), "transcript": "".join(self._transcript)}


def _joined(pieces: list[str]) -> str:
    """Return the base64 of all pieces: some gateways pad each of them."""
    if not any(piece.endswith("=") for piece in pieces[:-1]):
        return "".join(pieces)
    try:
        return base64.b64encode(b"".join(map(base64.b64decode, pieces))).decode()
    except binascii.Error:
        return "".join(pieces)
