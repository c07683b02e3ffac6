"""The library's log, in which no line can be forged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from raptscallions_ai.errors.text import one_line

if TYPE_CHECKING:
    pass

__all__ = ["Log"]

_LONGEST = 500


class Log:
    """Writes to a logger; every text in a record is one printable line, and not a long one.

    Names of models, finish reasons and the like are what a stranger or a gateway chose. No module of the package uses a
    logger in any other way.

    Args:
        logger: Where to write; `raptscallions_ai` by default.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("raptscallions_ai")

    def is_debugging(self) -> bool:
        """Whether anybody wants to know of every chunk."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, message: str, *arguments: object) -> None:
        """Write for who looks for a mistake."""
        self._write(logging.DEBUG, message, arguments)

    def info(self, message: str, *arguments: object) -> None:
        """Write what happens."""
        self._write(logging.INFO, message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Write what is odd."""
        self._write(logging.WARNING, message, arguments)

    def error(self, message: str, *arguments: object) -> None:
        """Write what failed."""
        self._write(logging.ERROR, message, arguments)

    def content(self, message: str, content: str) -> None:
        """Write a prompt or an answer, if that is switched on: whole, with every odd character escaped."""
        if self.is_debugging():
            self._logger.debug(message, repr(content), stacklevel=2)

    def _write(self, level: int, message: str, arguments: tuple[object, ...]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, *map(_fit, arguments), stacklevel=3)


def _fit(argument: object) -> object:
    if argument is None or isinstance(argument, int | float):
        return argument
    return one_line(argument, _LONGEST)
