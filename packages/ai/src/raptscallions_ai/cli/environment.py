"""Where the key is from, so that a person knows which one to correct."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["key_source"]

_KEYS = ("AI_API_KEY", "OPENROUTER_API_KEY")


def key_source() -> str:
    """Return where the key is from, in the order in which the settings look for it."""
    for place, names in (("the environment", set(os.environ)), (".env", _dotenv_names())):
        for name in _KEYS:
            if name in names:
                return f"{name} in {place}"
    return "the environment"


def _dotenv_names() -> set[str]:
    from dotenv import dotenv_values

    return set(dotenv_values(Path(".env"), interpolate=False))
