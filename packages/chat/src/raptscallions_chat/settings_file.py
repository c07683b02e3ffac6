"""`.env`: what of it counts. It is read from the working directory, and may have come with somebody else's project.

The rule is that of `raptscallions-ai`: whoever owns the secrets decides what becomes of them. If a secret is from the
environment or an argument, the file may set only what a stranger may choose. Everything else in it is refused, and not
passed over, or a person would not know what is in force.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from dotenv import dotenv_values

__all__ = ["FILE", "TRUST_VARIABLE", "read_file", "refused_in_file"]

FILE = ".env"
TRUST_VARIABLE = "AI_TRUST_DOTENV"
_MOST_BYTES = 256 * 1024
_HARMLESS = frozenset(
    {"port", "pool_size", "queue_s", "flush_ms", "log_ttl_s", "lease_s", "drain_s", "on_busy", "on_crash"}
)
_SECRETS = {
    "AI_API_KEY": "api_key",
    "OPENROUTER_API_KEY": "api_key",
    "CHAT_DATABASE_URL": "database_url",
    "DATABASE_URL": "database_url",
    "CHAT_REDIS_URL": "redis_url",
    "REDIS_URL": "redis_url",
    "CHAT_KEYS": "keys",
    "CHAT_SESSION_SECRET": "session_secret",
}


def read_file() -> dict[str, str]:
    """Return the variables of the file, by their names in capitals; none if there is no file.

    Raises:
        ValueError: It is not a small file of UTF-8 text.
    """
    path = Path(FILE)
    try:
        found = path.stat()
    except OSError:
        return {}
    if stat.S_ISDIR(found.st_mode):
        return {}
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
        raise ValueError(f"The file {FILE} must be a file of at most {_MOST_BYTES // 1024} KiB")
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"The file {FILE} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"The file {FILE} cannot be read: {error.strerror}") from None
    return {name.upper(): value for name, value in values.items() if value is not None}


def refused_in_file(
    arguments: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, str],
    variables: Mapping[str, tuple[str, ...]],
    defaults: Mapping[str, Any],
) -> dict[str, str]:
    """Return the variables of a file that may not be taken from it, each with the reason.

    Args:
        arguments: Values by field.
        environment: The environment's variables.
        file: Those of the file.
        variables: The names of the variables of each field.
        defaults: What a field is if nothing is given.
    """
    given = {name.upper(): value for name, value in environment.items() if value}
    if given.get(TRUST_VARIABLE, "").strip().lower() in ("true", "1", "yes", "on", "t", "y"):
        return {}
    whose = next((name for name in _SECRETS if name in given), None)
    if whose is None:
        whose = next((field for field in _SECRETS.values() if arguments.get(field) is not None), None)
    if whose is None:
        return {}
    refused: dict[str, str] = {}
    for field, names in variables.items():
        if field in _HARMLESS or field in arguments or any(name in given for name in names):
            continue
        for name in names:
            if name in file and file[name].strip().lower() != _written(defaults.get(field)):
                refused[name] = (
                    f"stands in {FILE}, which may not decide what becomes of {whose}: set both in one place, "
                    f"or {TRUST_VARIABLE}=true in the environment"
                )
    return refused


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(str(each) for each in cast("tuple[object, ...]", default)).lower()
    return "" if default is None else str(default).lower()
