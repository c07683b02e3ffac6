"""A file of settings such as `.env`, read without trusting it to be one."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from raptscallions_ai.errors import ConfigurationError

__all__ = ["read_env_file"]

_LARGEST = 256 * 1024  # bytes


def read_env_file(path: str) -> dict[str, str]:
    """Return the variables that a file sets, as they stand there: none is filled into another.

    Nothing is waited for: what is no file of reasonable size, such as a pipe or a device, is refused. A file that is
    not there sets nothing; nor does a folder that holds a virtual environment, which some people call `.env`.

    Args:
        path: The file.

    Raises:
        ConfigurationError: It cannot be read, or is no such file.
    """
    text = _text_of(path)
    if not text:
        return {}
    from dotenv import dotenv_values

    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _text_of(path: str) -> str:
    if os.path.isdir(path):  # which Windows would not open
        if Path(path, "pyvenv.cfg").is_file():
            return ""
        raise _refused(path, "is a folder")
    try:
        # A pipe without a writer would be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _refused(path, f"cannot be read ({type(error).__name__})") from None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(path, "is not a file but a pipe, a socket or a device")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _refused(path, f"is larger than {_LARGEST // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise _refused(path, "is not UTF-8 text")


def _refused(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The file {path} {why}", details={"variables": {}})
