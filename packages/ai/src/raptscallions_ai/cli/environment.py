"""The environment's settings, as a person set them: in variables or in `.env`, typing errors included."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["find_misspelt_variables", "key_source"]

_KEYS = ("AI_API_KEY", "OPENROUTER_API_KEY")


def find_misspelt_variables() -> dict[str, str]:
    """Return names in the environment and in `.env` that look like a setting mistyped, each with the likely setting."""
    from raptscallions_ai.settings import misspelt_variables

    return misspelt_variables([*os.environ, *_dotenv_names()])


def key_source() -> str:
    """Return where the key is from, in the order in which the settings look for it."""
    for place, names in (("the environment", set(os.environ)), (".env", set(_dotenv_names()))):
        for name in _KEYS:
            if name in names:
                return f"{name} in {place}"
    return "the environment"


def _dotenv_names() -> list[str]:
    from dotenv import dotenv_values

    try:
        return list(dotenv_values(Path(".env"), interpolate=False)) if Path(".env").is_file() else []
    except (OSError, ValueError):
        return []  # the settings themselves tell what is wrong with the file
