"""Envelope encryption: a data key for each secret, wrapped by key-encryption keys that can be exchanged.

A sealed secret holds the secret under a data key of its own, and that data key under one of the service's keys. To
rotate a key, only the data keys are wrapped anew; the secrets themselves stay as they are. Both steps are AES-256-GCM
(NIST SP 800-38D) with a random 96-bit nonce, and both are bound to what the secret belongs to: a row that is copied to
another tenant cannot be opened there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from raptscallions_chat.settings_checks import keys as parse_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeyRing", "SealedSecret", "UnknownKeyError", "WrongKeyError"]

_NONCE_BYTES = 12


class UnknownKeyError(ValueError):
    """A secret is under a key that the service does not have."""


class WrongKeyError(ValueError):
    """A secret cannot be opened: it was changed, belongs to something else, or its key has another value now."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """What is stored of a secret.

    Attributes:
        key_name: The name of the key that wraps the data key.
        wrapped_key: Nonce and ciphertext of the data key.
        ciphertext: Nonce and ciphertext of the secret.
    """

    key_name: str
    wrapped_key: bytes
    ciphertext: bytes


class KeyRing:
    """The service's key-encryption keys: the first one encrypts, all of them decrypt.

    Args:
        keys: 32 bytes for each name, in order.

    Raises:
        ValueError: There is none, or one has another length.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self._keys = {name: AESGCM(key) for name, key in keys.items() if len(key) == 32}
        if len(self._keys) != len(keys):
            raise ValueError("a key must have 32 bytes")
        self._first = next(iter(self._keys))

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Return the ring that `CHAT_KEYS` describes: `k2:<base64>,k1:<base64>`.

        Raises:
            ValueError: The text has another form.
        """
        return cls(parse_keys(text))

    @property
    def first(self) -> str:
        """The name of the key that encrypts."""
        return self._first

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all keys, in order."""
        return tuple(self._keys)

    def seal(self, secret: str, *, bound_to: str) -> SealedSecret:
        """Return the secret encrypted; it opens only with the same `bound_to`."""
        data_key = os.urandom(32)
        wrapped = _encrypt(self._keys[self._first], data_key, f"{self._first}|{bound_to}")
        return SealedSecret(self._first, wrapped, _encrypt(AESGCM(data_key), secret.encode(), bound_to))

    def open(self, sealed: SealedSecret, *, bound_to: str) -> str:
        """Return the secret.

        Raises:
            UnknownKeyError: Its key is not in the ring.
            WrongKeyError: It was changed, is bound to something else, or the key has another value.
        """
        return _decrypt(AESGCM(self._data_key(sealed, bound_to)), sealed.ciphertext, bound_to).decode()

    def rewrap(self, sealed: SealedSecret, *, bound_to: str) -> SealedSecret:
        """Return the same secret with its data key under the first key; the secret itself is not decrypted.

        Raises:
            UnknownKeyError: Its key is not in the ring.
            WrongKeyError: It was changed, is bound to something else, or the key has another value.
        """
        data_key = self._data_key(sealed, bound_to)
        wrapped = _encrypt(self._keys[self._first], data_key, f"{self._first}|{bound_to}")
        return SealedSecret(self._first, wrapped, sealed.ciphertext)

    def _data_key(self, sealed: SealedSecret, bound_to: str) -> bytes:
        key = self._keys.get(sealed.key_name)
        if key is None:
            raise UnknownKeyError(f"the key {sealed.key_name!r} is not in CHAT_KEYS")
        return _decrypt(key, sealed.wrapped_key, f"{sealed.key_name}|{bound_to}")

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"


def _encrypt(key: AESGCM, plain: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, bound_to.encode())


def _decrypt(key: AESGCM, data: bytes, bound_to: str) -> bytes:
    try:
        return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise WrongKeyError("a stored secret cannot be opened with the key of its name in CHAT_KEYS") from None
