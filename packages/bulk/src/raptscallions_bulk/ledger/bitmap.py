"""A set of row numbers, at a bit for each row."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Bitmap"]


class Bitmap:
    """A set of whole numbers from 0, dense and growing.

    Args:
        data: What `to_bytes` returned.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._bits = bytearray(data)
        self._count = int.from_bytes(self._bits, "little").bit_count()

    def add(self, number: int) -> bool:
        """Put a number in; return whether it is new."""
        place, mask = number >> 3, 1 << (number & 7)
        bits = self._bits
        if place >= len(bits):
            bits.extend(bytes(max(1024, place + 1 - len(bits), len(bits) // 8)))
        if bits[place] & mask:
            return False
        bits[place] |= mask
        self._count += 1
        return True

    def discard(self, number: int) -> bool:
        """Take a number out; return whether it was there."""
        if number not in self:
            return False
        self._bits[number >> 3] &= ~(1 << (number & 7)) & 0xFF
        self._count -= 1
        return True

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & (1 << (number & 7)))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for place, byte in enumerate(self._bits):
            if byte:
                for bit in range(8):
                    if byte & (1 << bit):
                        yield (place << 3) | bit

    def to_bytes(self) -> bytes:
        """Return the set as bytes, without what is empty at its end."""
        return bytes(self._bits.rstrip(b"\0"))
