"""What a generation really cost, asked of the gateway afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from raptscallions_ai._wire.json import json_object
from raptscallions_ai._wire.redact import Redactor
from raptscallions_ai.errors import BadRequestError, InvalidResponseError
from raptscallions_ai.fetch import fetch_json
from raptscallions_ai.result import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raptscallions_ai._wire.sdk import Connections
    from raptscallions_ai.history import Spending
    from raptscallions_ai.timeouts import Timeouts

__all__ = ["GenerationInfo", "fetch_generation", "settled_usage"]

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 4.0
_PATIENCE = 15.0  # seconds; figures of an interrupted stream are late, but seldom as late as that


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """What the gateway's books say of one generation.

    Attributes:
        id: The generation's id.
        model: The model that answered.
        provider: The provider that served it.
        usage: Tokens as the provider counted them, and the cost.
        finish_reason: Why it ended.
        cancelled: Whether the client left before the end.
        latency_ms: Milliseconds to the first token; None if unknown.
        generation_time_ms: Milliseconds that the model took; None if unknown.
        raw: The entry as the gateway sent it.
    """

    id: str
    model: str
    provider: str | None
    usage: Usage
    finish_reason: str | None = None
    cancelled: bool = False
    latency_ms: float | None = None
    generation_time_ms: float | None = None
    raw: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


async def fetch_generation(
    connections: Connections, generation_id: str, timeouts: Timeouts, *, secret: str, patience: float
) -> GenerationInfo:
    """Return the gateway's books of a generation, asking again while it does not know the id yet.

    OpenRouter enters a generation half a second or more after its end, and later after a stream that was cut off
    (OpenRouter API reference, "Get a generation").

    Args:
        connections: Where to get the SDK from.
        generation_id: The id, as in `ChatResult.id`, `AiError.request_id` and `Attempt.generation_id`.
        timeouts: The deadlines of each request.
        secret: The key, which must not appear in any message.
        patience: Seconds after which an id that is not known yet is given up.

    Raises:
        BadRequestError: The gateway does not know the id; `status_code` is 404.
        AiError: The books could not be had.
    """
    give_up, pause = time.monotonic() + patience, _FIRST_PAUSE
    redact = Redactor([secret], [])
    while True:
        document = await fetch_json(connections, "/generation", timeouts, redact=redact, query={"id": generation_id})
        if document is not None:
            return _read(document)
        if time.monotonic() + pause > give_up:
            raise BadRequestError(message="The AI gateway does not know this generation", status_code=404)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def settled_usage(spendings: Sequence[Spending]) -> Usage:
    """Return the sum of what was used, with each cost that is not known looked up where the gateway can tell it.

    Raises:
        AiError: The gateway could not be asked; that it does not know a generation is no error.
    """
    usages = [await _settled(spending) for spending in spendings]
    return sum(usages[1:], usages[0]) if usages else Usage()


async def _settled(spending: Spending) -> Usage:
    if spending.is_known or spending.generation_id is None:
        return spending.usage
    route = spending.route
    try:
        info = await fetch_generation(
            route.connections, spending.generation_id, route.timeouts, secret=route.secret, patience=_PATIENCE
        )
    except BadRequestError as error:
        if error.status_code != 404:
            raise
        return spending.usage
    return info.usage


def _read(document: object) -> GenerationInfo:
    entry = json_object(json_object(document).get("data"))
    if not isinstance(generation_id := entry.get("id"), str):
        raise InvalidResponseError("it is not the entry of a generation - check AI_GATEWAY_URL")
    return GenerationInfo(
        id=generation_id,
        model=str(entry.get("model") or ""),
        provider=_text(entry.get("provider_name")),
        usage=_usage(entry),
        finish_reason=_text(entry.get("finish_reason")),
        cancelled=entry.get("cancelled") is True,
        latency_ms=_number(entry.get("latency")),
        generation_time_ms=_number(entry.get("generation_time")),
        raw=entry,
    )


def _usage(entry: dict[str, Any]) -> Usage:
    # The native counts are those of the provider's own tokenizer, which is what is billed.
    prompt = _count(entry, "native_tokens_prompt", "tokens_prompt")
    completion = _count(entry, "native_tokens_completion", "tokens_completion")
    cost = _amount(entry.get("total_cost"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        reasoning_tokens=_count(entry, "native_tokens_reasoning"),
        cached_tokens=_count(entry, "native_tokens_cached"),
        cost=cost,
        cost_source="unknown" if cost is None else "reported",
        upstream_cost=_amount(entry.get("upstream_inference_cost")),
        is_byok=entry.get("is_byok") is True,
        raw=entry,
    )


def _count(entry: dict[str, Any], *names: str) -> int:
    return next((value for name in names if isinstance(value := entry.get(name), int)), 0)


def _amount(value: object) -> Decimal | None:
    number = _number(value)
    return None if number is None else Decimal(str(value))


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
