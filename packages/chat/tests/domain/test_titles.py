"""Titles made of first words, and what models give as titles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raptscallions_chat.domain.titles import clean_title, first_words


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why is the sky blue?", "Why is the sky blue?"),
        ("\n\n  # **Plan** for\tMay\nmore", "Plan** for May"),
        ("", ""),
        ("---\n\nHello", "Hello"),
        ("a" * 100, "a" * 59 + "\u2026"),
        ("word " * 30, " ".join(["word"] * 12) + "\u2026"),
        ("longer " * 30, " ".join(["longer"] * 8) + "\u2026"),
        ("\u4f60\u597d", "\u4f60\u597d"),
    ],
)
def test_first_words(text: str, title: str) -> None:
    assert first_words(text) == title


@given(st.text())
def test_any_text_gives_one_short_line(text: str) -> None:
    title = first_words(text)
    assert len(title) <= 60
    assert len(title.splitlines()) <= 1


@pytest.mark.parametrize(
    ("given", "title"),
    [('"Blue skies"', "Blue skies"), ("Title: Blue skies\n", "Blue skies"), ("a\nb", "a b"), ("x" * 500, "x" * 200)],
)
def test_what_a_model_gives_becomes_one_line(given: str, title: str) -> None:
    assert clean_title(given) == title
