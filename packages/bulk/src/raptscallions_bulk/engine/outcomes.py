"""What a failed request means: whether it was paid, whether the row waits again, whether the run must stop."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from raptscallions_ai import (
    AiError,
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    ConnectionError,
    ContentPolicyError,
    ContextLengthError,
    InsufficientCreditsError,
    InvalidOutputError,
    InvalidResponseError,
    ModelNotAvailableError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
)
from raptscallions_ai.errors import NotSupportedError

__all__ = ["Meaning", "Verdict", "meaning_of"]

Verdict: TypeAlias = Literal["limited", "broken gateway", "poison", "answered badly", "uncertain", "hopeless"]
"""What became of a request.

- `limited`: refused for a limit; unpaid, the row waits again.
- `broken gateway`: the gateway failed or was not reached; unpaid, the row waits again, a few times.
- `poison`: this row cannot be answered; unpaid and final.
- `answered badly`: the answer came whole and was paid, but it is none that fits; final.
- `uncertain`: it may have been paid, and nobody knows its answer.
- `hopeless`: no row can be answered; unpaid, and the run stops.
"""

_NEVER_ARRIVED = ("host name not found", "connection refused", "no route to host", "network is unreachable")


class Meaning(NamedTuple):
    """What a failure means.

    Attributes:
        verdict: What became of the request.
        is_told: Whether the gateway told what it cost, so that nothing is uncertain after all.
    """

    verdict: Verdict
    is_told: bool = False


def meaning_of(error: Exception) -> Meaning:
    """Return what the failure of a row's request means."""
    if not isinstance(error, AiError):
        return Meaning("poison")  # of our own making: a row that no request can be made of
    if isinstance(error, InvalidOutputError) or (isinstance(error, ContentPolicyError) and _has_answer(error)):
        return Meaning("answered badly", is_told=True)
    if isinstance(error, AuthenticationError | InsufficientCreditsError | ModelNotAvailableError):
        return Meaning("hopeless")
    if isinstance(error, ConfigurationError | BudgetExceededError | NotSupportedError):
        return Meaning("hopeless")
    if isinstance(error, RateLimitError):
        return Meaning("limited") if not _has_answer(error) else Meaning("uncertain", _is_told(error))
    if isinstance(error, ContextLengthError | ContentPolicyError):
        return Meaning("poison")
    return _broken(error)


def _broken(error: AiError) -> Meaning:
    if isinstance(error, TimeoutError):
        return Meaning("broken gateway") if error.phase == "connect" else Meaning("uncertain", _is_told(error))
    if isinstance(error, StreamInterruptedError) or _has_answer(error):
        return Meaning("uncertain", _is_told(error))
    if isinstance(error, ConnectionError):
        reason = str(error.details.get("reason", ""))
        arrived = not (reason.startswith(_NEVER_ARRIVED) or "TLS" in reason)
        return Meaning("uncertain" if arrived else "broken gateway")
    if isinstance(error, InvalidResponseError):
        return Meaning("uncertain", _is_told(error))
    if isinstance(error, ProviderError) or error.status_code >= 500:
        return Meaning("broken gateway")
    return Meaning("poison")


def _has_answer(error: AiError) -> bool:
    partial = error.partial
    return partial is not None and bool(partial.content or partial.reasoning or partial.tool_calls or partial.refusal)


def _is_told(error: AiError) -> bool:
    return error.partial is not None and error.partial.usage.cost is not None
