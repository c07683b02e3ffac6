"""Where the key is from, so that a person knows which one to correct."""

from __future__ import annotations

__all__ = ["key_source"]


def key_source() -> str:
    """Return where the key is from: the variable, and whether it stands in the environment or in `.env`."""
    from raptscallions_ai.settings import setting_sources

    return setting_sources().get("api_key", "the environment")
