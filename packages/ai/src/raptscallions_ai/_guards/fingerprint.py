"""What stands for a key where it must not stand itself."""

from __future__ import annotations

import hashlib

__all__ = ["fingerprint_of"]


def fingerprint_of(key: str) -> str:
    """Return what is the same for the same key, and tells nothing of a key that cannot be guessed."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, person=b"raptscallions-ai").hexdigest()
