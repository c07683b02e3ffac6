"""Which models are known to go on from a trailing assistant message."""

from __future__ import annotations

import pytest

from raptscallions_ai._dialects.prefill import accepts_prefill


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-sonnet-4-20250514",
        "anthropic/claude-sonnet-4",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-haiku-4.5:nitro",
        "anthropic/claude-opus-4.1",
        "anthropic/claude-3.5-sonnet",
        "anthropic/claude-3-opus-20240229",
        "claude-opus-4-5-20251101",
    ],
)
def test_known_to_accept(model: str) -> None:
    assert accepts_prefill(model)


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-opus-4.6",
        "anthropic/claude-sonnet-4.6",
        "anthropic/claude-opus-4-7",
        "anthropic/claude-sonnet-5",
        "~anthropic/claude-sonnet-latest",
        "anthropic/claude-3.7-sonnet:thinking",
        "openai/gpt-4o",
        "google/gemini-2.5-pro",
        "openrouter/auto",
        "my-claude-like",
        "",
    ],
)
def test_not_known_to_accept(model: str) -> None:
    assert not accepts_prefill(model)
