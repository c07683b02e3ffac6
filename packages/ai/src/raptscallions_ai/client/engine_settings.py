"""The settings of an engine: its own variables, and how calls are made from the `AI_*` environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from raptscallions_ai._guards.configuration import FILE, given_values
from raptscallions_ai._guards.env_file import read_env_file
from raptscallions_ai.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raptscallions_ai.settings import AiSettings

__all__ = ["NO_KEY", "engine_settings", "missing_key", "own_values"]

NO_KEY = "no-key-is-needed"
"""What stands in the settings of an engine that needs no key; it is never sent."""


def own_values(
    engine: str, given: dict[str, str | None], variables: Mapping[str, tuple[str, ...]], *, keyless: bool = False
) -> dict[str, str]:
    """Return what an engine needs to know: what was given, else what its own variables say.

    They are read from the environment, else from `.env`; from there, nothing decides where a key goes that is from
    elsewhere. Empties `given`, so that no frame of a failure's traceback shows the key.

    Args:
        engine: What the engine is called, for a message.
        given: The arguments by name, `api_key` among them; None for those that were not given.
        variables: The variables that may hold each of them, the first that says something counts.
        keyless: Whether the engine is asked without a key, too.

    Raises:
        ConfigurationError: A variable stands in a `.env` that may not decide it.
    """
    arguments = {name: value for name, value in given.items() if value}
    given.clear()
    known = {variable for names in variables.values() for variable in names}
    found = given_values(
        arguments,
        {name: value.strip() for name, value in os.environ.items() if name not in known or value.strip()},
        {name: value.strip() for name, value in read_env_file(FILE).items() if name in known and value.strip()},
        variables=variables,
        defaults={},
        harmless=frozenset(),
        keyless=keyless,
    )
    if found.refused:
        listing = "\n".join(f"  {variable}: {says}" for variable, says in found.refused.items())
        problem = ConfigurationError(
            f"The configuration of {engine} is invalid:\n{listing}", details={"variables": found.refused}
        )
        arguments.clear()
        found.values.clear()
        raise problem
    return {name: str(value) for name, value in found.values.items()}


def missing_key(engine: str, names: tuple[str, ...]) -> ConfigurationError:
    """Return the error that an engine has no key, which names the variables and the argument."""
    wanted = " or ".join(names)
    problem = "is required but not set (argument api_key=)"
    return ConfigurationError(f"{engine} needs a key: {wanted} {problem}", details={"variables": {wanted: problem}})


def engine_settings(engine: str, values: dict[str, Any], *, names: Mapping[str, str] | None = None) -> AiSettings:
    """Return settings with these values, and with those of the environment for the rest.

    The environment's gateway for `OpenRouterClient` (its key, address, models and aliases) is ignored.
    Empties `values`, so that no frame of a failure's traceback shows the key.

    Args:
        engine: What the engine is called.
        values: Fields of `AiSettings`: at least `api_key`, `gateway_url` and `default_model`.
        names: What the user gave, by the variables that an error would name in its place.

    Raises:
        ConfigurationError: A value is invalid.
    """
    from raptscallions_ai.settings import AiSettings

    given = {name: value for name, value in values.items() if value is not None}
    values.clear()
    problem: ConfigurationError | None = None
    try:
        fields: dict[str, Any] = {"engine": engine, "fallback_models": (), "model_aliases": {}, **given}
        return AiSettings(**fields)
    except ConfigurationError as error:
        problem = error
    finally:
        given.clear()
    message, variables = problem.message, dict[str, Any](problem.details.get("variables", {}))
    for variable, name in (names or {}).items():
        message = message.replace(variable, name)
        if variable in variables:
            variables[name] = variables.pop(variable)
    raise ConfigurationError(message, details={"variables": variables})
