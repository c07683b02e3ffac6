"""Lines of answers: what is kept of a row's result or error, and read again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from raptscallions_ai import AiError, ChatResult, Usage
from raptscallions_bulk.money import to_decimal

__all__ = ["AnswerLine", "ErrorLine", "UsageLine", "line_of_answer", "line_of_error", "line_of_same", "read_line"]


class UsageLine(msgspec.Struct, omit_defaults=True):
    """The tokens of a request and its answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0


class ErrorLine(msgspec.Struct, omit_defaults=True):
    """What a row failed with."""

    error: str
    message: str
    status_code: int | None = None
    details: Any = None


class AnswerLine(msgspec.Struct, omit_defaults=True):
    """One line: an answer, an error, or the row whose answer it is.

    Attributes:
        row: The row's number.
        key: The row's key.
        answer: The text; or the object, where answers have a type.
        error: What it failed with.
        same_as: The number of the row that asked the same.
        cost: USD.
        seconds: What it took.
    """

    row: int
    key: str | int | None = None
    answer: Any = None
    error: ErrorLine | None = None
    same_as: int | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    model: str | None = None
    provider: str | None = None
    id: str | None = None
    usage: UsageLine | None = None
    cost: str | None = None
    seconds: float | None = None
    request: str | None = None


_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder(AnswerLine).decode


def line_of_answer(
    row: int, key: str | int, answer: Any, result: ChatResult, *, cost: int, seconds: float, request: bytes
) -> bytes:
    """Return the line of an answered row."""
    return _encode(
        AnswerLine(
            row=row,
            key=key,
            answer=answer,
            finish_reason=result.finish_reason,
            refusal=result.refusal,
            reasoning=result.reasoning or None,
            tool_calls=[call.to_dict() for call in result.tool_calls] or None,
            model=result.model,
            provider=result.provider,
            id=result.id,
            usage=_usage(result.usage),
            cost=_usd(cost),
            seconds=round(seconds, 3),
            request=request.hex(),
        )
    )


def line_of_error(row: int, key: str | int, error: Exception, *, cost: int, request: bytes | None) -> bytes:
    """Return the line of a failed row; what had arrived of its answer is in it."""
    partial = error.partial if isinstance(error, AiError) else None
    told = ErrorLine(type(error).__name__, str(error))
    if isinstance(error, AiError):
        told.status_code, told.details = error.status_code, error.details or None
    return _encode(
        AnswerLine(
            row=row,
            key=key,
            answer=(partial.content or None) if partial is not None else None,
            error=told,
            refusal=None if partial is None else partial.refusal,
            finish_reason=None if partial is None else partial.finish_reason,
            id=error.request_id if isinstance(error, AiError) else None,
            usage=None if partial is None else _usage(partial.usage),
            cost=_usd(cost),
            request=None if request is None else request.hex(),
        )
    )


def line_of_same(row: int, key: str | int, first: int) -> bytes:
    """Return the line of a row that asks what another one asks."""
    return _encode(AnswerLine(row=row, key=key, same_as=first))


def read_line(line: bytes) -> AnswerLine:
    """Return what a line says.

    Raises:
        ValueError: It is none; for instance because it was cut off.
    """
    return _decode(line)


def _usage(usage: Usage) -> UsageLine:
    return UsageLine(usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens)


def _usd(pico: int) -> str:
    return format(to_decimal(pico), "f") if pico else "0"


def cost_of(line: AnswerLine) -> Decimal:
    """Return what a line says that the row cost."""
    return Decimal(line.cost or "0")
