"""Secrets that only their owner's row and the service's keys can open."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raptscallions_chat.credentials.envelope import KeyRing, UnknownKeyError, WrongKeyError

OLD, NEW = os.urandom(32), os.urandom(32)


@given(secret=st.text(), bound_to=st.text(max_size=100))
@settings(max_examples=50)
def test_what_is_sealed_opens_for_its_owner(secret: str, bound_to: str) -> None:
    ring = KeyRing({"k1": OLD})
    assert ring.open(ring.seal(secret, bound_to=bound_to), bound_to=bound_to) == secret


def test_two_seals_of_a_secret_have_nothing_in_common() -> None:
    ring = KeyRing({"k1": OLD})
    one, other = ring.seal("sk-test", bound_to="t"), ring.seal("sk-test", bound_to="t")
    assert one.wrapped_key != other.wrapped_key
    assert one.ciphertext != other.ciphertext
    assert b"sk-test" not in one.ciphertext


def test_a_secret_of_another_owner_does_not_open() -> None:
    ring = KeyRing({"k1": OLD})
    sealed = ring.seal("sk-test", bound_to="tenant-1|c1|openrouter")
    with pytest.raises(WrongKeyError):
        ring.open(sealed, bound_to="tenant-2|c1|openrouter")


@pytest.mark.parametrize("part", ["wrapped_key", "ciphertext"])
@pytest.mark.parametrize("position", [0, 11, 12, -1])
def test_a_changed_byte_is_noticed(part: str, position: int) -> None:
    ring = KeyRing({"k1": OLD})
    sealed = ring.seal("sk-test", bound_to="t")
    data = bytearray(getattr(sealed, part))
    data[position] ^= 1
    with pytest.raises(WrongKeyError):
        ring.open(replace(sealed, **{part: bytes(data)}), bound_to="t")


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_cut_secret_is_noticed(length: int) -> None:
    ring = KeyRing({"k1": OLD})
    sealed = ring.seal("sk-test", bound_to="t")
    with pytest.raises(WrongKeyError):
        ring.open(replace(sealed, ciphertext=sealed.ciphertext[:length]), bound_to="t")


def test_a_new_first_key_takes_over_without_touching_the_secret() -> None:
    before, both, after = KeyRing({"k1": OLD}), KeyRing({"k2": NEW, "k1": OLD}), KeyRing({"k2": NEW})
    sealed = before.seal("sk-test", bound_to="t")
    assert both.open(sealed, bound_to="t") == "sk-test"
    moved = both.rewrap(sealed, bound_to="t")
    assert (moved.key_name, moved.ciphertext) == ("k2", sealed.ciphertext)
    assert after.open(moved, bound_to="t") == "sk-test"
    with pytest.raises(UnknownKeyError, match="'k1' is not in CHAT_KEYS"):
        after.open(sealed, bound_to="t")


def test_a_key_of_the_same_name_and_another_value_is_told_apart() -> None:
    sealed = KeyRing({"k1": OLD}).seal("sk-test", bound_to="t")
    with pytest.raises(WrongKeyError):
        KeyRing({"k1": NEW}).open(sealed, bound_to="t")


def test_no_ring_without_keys_or_with_short_ones() -> None:
    for keys in ({}, {"k1": b"short"}):
        with pytest.raises(ValueError, match="key"):
            KeyRing(keys)
    assert "k1" in repr(KeyRing({"k1": OLD}))
