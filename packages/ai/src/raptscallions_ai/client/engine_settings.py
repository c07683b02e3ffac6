"""The settings of an engine: its own key and address, and how calls are made from the `AI_*` environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai.settings import AiSettings

__all__ = ["NO_KEY", "engine_settings", "key_of", "variable"]

NO_KEY = "no-key-is-needed"
"""What stands in the settings of an engine that needs no key; it is never sent."""


def variable(names: Sequence[str]) -> str | None:
    """Return the first of these environment variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)


def key_of(engine: str, given: str | None, names: Sequence[str]) -> str:
    """Return the key of an engine: the given one, or the one in its environment variables.

    Args:
        engine: What the engine is called, for the message.
        given: The key, if it was given as an argument.
        names: The variables that may hold it; the first that is set counts.

    Raises:
        ConfigurationError: There is none; the message names the variables and the argument.
    """
    if key := given or variable(names):
        return key
    wanted = " or ".join(names)
    problem = "is required but not set (argument api_key=)"
    raise ConfigurationError(f"{engine} needs a key: {wanted} {problem}", details={"variables": {wanted: problem}})


def engine_settings(values: dict[str, Any]) -> AiSettings:
    """Return settings with these values, and with those of the environment for the rest.

    The environment's gateway for `OpenRouterClient` (its key, address, models and aliases) is ignored.
    Empties `values`, so that no frame of a failure's traceback shows the key.

    Args:
        values: Fields of `AiSettings`: at least `api_key`, `gateway_url` and `default_model`.

    Raises:
        ConfigurationError: A value is invalid.
    """
    from raptscallions_ai.settings import AiSettings

    given = {name: value for name, value in values.items() if value is not None}
    values.clear()
    try:
        return AiSettings(**{"fallback_models": (), "model_aliases": {}, **given})
    finally:
        given.clear()
