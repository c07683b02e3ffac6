"""Bodies that are compressed, read piece by piece: no read becomes more than a few of its own size at once."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from raptscallions_ai._transport.http.errors import BodyCodingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["DecodedBody", "codings_of"]

_PIECE = 256 * 1024  # bytes that come out of one step
_MOST_CODINGS = 4


class _Decoder(Protocol):
    has_more: bool  # whether there is more to come of what was given already

    def decode(self, data: bytes) -> bytes:
        """Return a piece of what these bytes, and those before them, stand for."""
        ...


def codings_of(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """Return how a body is encoded, the outermost coding last."""
    values = [value.decode("latin-1").lower().split(",") for name, value in headers if name == b"content-encoding"]
    names = [name.strip() for value in values for name in value]
    return [name for name in names if name not in ("", "identity")]


class DecodedBody:
    """A body without its content codings.

    Args:
        read: Returns what has come of the body, and nothing at its end.
        codings: How it is encoded, the outermost coding last.

    Raises:
        BodyCodingError: A coding is unknown here.
    """

    def __init__(self, read: Callable[[], Awaitable[bytes]], codings: list[str]) -> None:
        if len(codings) > _MOST_CODINGS:
            raise BodyCodingError("the body is encoded too many times")
        self._read = read
        self._decoders = [_decoder(coding) for coding in reversed(codings)]

    async def read(self) -> bytes:
        """Return what has come of the body, decompressed; nothing at its end.

        Raises:
            BodyCodingError: It is not what its headers say.
            HttpError: It broke off.
        """
        while True:
            if data := self._pending():
                return data
            if not (data := await self._read()):
                return b""
            if data := self._decode(data, self._decoders):
                return data

    def _pending(self) -> bytes:
        for position in reversed(range(len(self._decoders))):
            while self._decoders[position].has_more:
                if data := self._decode(b"", self._decoders[position:]):
                    return data
        return b""

    def _decode(self, data: bytes, decoders: list[_Decoder]) -> bytes:
        try:
            for number, decoder in enumerate(decoders):
                data = decoder.decode(data)
                if not data and number + 1 < len(decoders):
                    return b""
        except BodyCodingError:
            raise
        except Exception as error:  # each library has its own
            raise BodyCodingError("the body could not be decompressed") from error
        return data


class _Gzip:
    """gzip, of any number of members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._rest = b""
        self.has_more = False

    def decode(self, data: bytes) -> bytes:
        data = self._rest + data
        if self._member.eof:
            data = data.lstrip(b"\0")  # padding, which gzip allows
            if not data:
                self._rest, self.has_more = b"", False
                return b""
            self._member = zlib.decompressobj(31)
        out = self._member.decompress(data, _PIECE)
        self._rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self.has_more = bool(self._rest) or len(out) == _PIECE
        return out


class _Deflate:
    """deflate, with zlib's header, as it must be, or without it, as some servers send it."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: Any = None
        self.has_more = False

    def decode(self, data: bytes) -> bytes:
        if self._decoder is None:
            self._head += data
            if len(self._head) < 2:
                return b""
            data, self._head = self._head, b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._decoder = zlib.decompressobj(15 if wrapped else -15)
        out: bytes = self._decoder.decompress(self._decoder.unconsumed_tail + data, _PIECE)
        self.has_more = bool(self._decoder.unconsumed_tail) or len(out) == _PIECE
        return out


class _Brotli:
    def __init__(self, library: Any) -> None:
        self._decoder = library.Decompressor()
        self.has_more = False

    def decode(self, data: bytes) -> bytes:
        out: bytes = self._decoder.process(data, output_buffer_limit=_PIECE)
        self.has_more = len(out) >= _PIECE or not self._decoder.can_accept_more_data()
        return out


class _Zstandard:
    """zstd, of any number of frames."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._frame = library.ZstdDecompressor()
        self._rest = b""
        self.has_more = False

    def decode(self, data: bytes) -> bytes:
        data = self._rest + data
        if self._frame.eof:
            if not data:
                return b""
            self._frame = self._library.ZstdDecompressor()
        out: bytes = self._frame.decompress(data, _PIECE)
        self._rest = self._frame.unused_data if self._frame.eof else b""
        self.has_more = bool(self._rest) if self._frame.eof else not self._frame.needs_input
        return out


def _decoder(coding: str) -> _Decoder:
    if coding in ("gzip", "x-gzip"):
        return _Gzip()
    if coding == "deflate":
        return _Deflate()
    if coding == "br" and (library := _installed("brotli", "brotlicffi")) is not None:
        return _Brotli(library)
    if coding == "zstd" and (library := _installed("compression.zstd", "backports.zstd")) is not None:
        return _Zstandard(library)
    raise BodyCodingError("the body is encoded in a way that was not asked for")


def _installed(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
