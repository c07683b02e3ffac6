"""Whom a setting is taken from: the person who runs the program, or a file that may be a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FILE", "TRUST_VARIABLE", "Given", "given_values"]

FILE = ".env"
TRUST_VARIABLE = "AI_TRUST_DOTENV"
_NO = frozenset({"false", "0", "no", "off", "f", "n"})
_YES = frozenset({"true", "1", "yes", "on", "t", "y"})


@dataclass(slots=True)
class Given:
    """What was given for the fields of the settings.

    Attributes:
        values: The values, by field.
        sources: By field, where its value is from: `argument`, `NAME in the environment` or `NAME in .env`.
        refused: By variable, why its value is not taken.
    """

    values: dict[str, Any] = field(repr=False)
    sources: dict[str, str]
    refused: dict[str, str]


def given_values(
    arguments: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, str],
    *,
    variables: Mapping[str, tuple[str, ...]],
    defaults: Mapping[str, Any],
    harmless: frozenset[str],
    keyless: bool = False,
) -> Given:
    """Return what is given for each field: by an argument, else by the environment, else by the file.

    A file in the working directory may come with a stranger's project. So what decides where a key goes and what
    becomes of the conversation is taken from it only together with the key: then both are that stranger's, or both are
    the person's own. Otherwise it is refused, and not passed over, or a person would not know what is in force.

    Args:
        arguments: Values by field, or by the name of a variable.
        environment: The environment's variables.
        file: Those of the file.
        variables: The names of the variables of each field; the first that is set counts, wherever it is.
        defaults: What a field is if nothing is given.
        harmless: The fields that a stranger may choose.
        keyless: Whether the conversation goes its way without a key, too.
    """
    given = Given({}, {}, {})
    set_there, set_in_file = _upper(environment), _upper(file)
    for name, names in variables.items():
        if (argument := next((key for key in (name, *names) if key in arguments), None)) is not None:
            given.values[name], given.sources[name] = arguments[argument], "argument"
            continue
        for variable in names:
            if variable in set_there:
                given.values[name], given.sources[name] = set_there[variable], f"{variable} in the environment"
            elif variable in set_in_file:
                given.values[name], given.sources[name] = set_in_file[variable], f"{variable} in {FILE}"
            else:
                continue
            break
    given.values |= {name: value for name, value in arguments.items() if not _is_known(name, variables)}
    if set_there.get(TRUST_VARIABLE, "").strip().lower() not in _YES:
        _refuse_a_strangers(given, defaults, harmless, keyless=keyless)
    return given


def _refuse_a_strangers(given: Given, defaults: Mapping[str, Any], harmless: frozenset[str], *, keyless: bool) -> None:
    key = given.sources.get("api_key")
    if (key is None and not keyless) or (key is not None and key.endswith(f" in {FILE}")):
        return
    owner = "the key that is an argument" if key == "argument" else f"the key {key}"
    if key is None:
        owner = "the conversation"
    for name, source in [*given.sources.items()]:
        if name in harmless or not source.endswith(f" in {FILE}") or _is_same(given.values[name], defaults.get(name)):
            continue
        variable = source.partition(" ")[0]
        del given.values[name], given.sources[name]
        given.refused[variable] = (
            f"is set in {FILE}, which may not decide where {owner} goes: set both in one place, "
            f"or {TRUST_VARIABLE}=true in the environment"
        )


def _upper(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables by their names in capitals; one that is written so itself wins."""
    named = {name.upper(): value for name, value in variables.items()}
    return named | {name: value for name, value in variables.items() if name == name.upper()}


def _is_known(name: str, variables: Mapping[str, tuple[str, ...]]) -> bool:
    return name in variables or any(name in names for names in variables.values())


def _is_same(text: str, default: Any) -> bool:
    if isinstance(default, bool):
        return text.strip().lower() in (_YES if default else _NO)
    return text.strip() == ("" if default is None else str(default))
