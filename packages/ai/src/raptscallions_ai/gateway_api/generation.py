"""The real cost of a generation, looked up at the gateway afterwards."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raptscallions_ai._dialects.fields import amount, count, flag, moment, number, text
from raptscallions_ai._dialects.json import json_list, json_object
from raptscallions_ai.answer.result import Usage
from raptscallions_ai.errors import BadRequestError, InvalidResponseError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from raptscallions_ai._call.document import JsonApi

__all__ = ["GenerationInfo", "booked_usage", "fetch_generation"]

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 4.0
_PATIENCE = 15.0  # seconds; figures of an interrupted stream are late, but seldom as late as that

_TEXTS = (
    *("finish_reason", "native_finish_reason", "service_tier", "router", "preset_id", "request_id", "session_id"),
    *("upstream_id", "data_region", "response_cache_source_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationInfo:
    """The gateway's record of one generation.

    Attributes:
        id: The generation's id.
        model: The model that answered.
        provider: The provider that served it.
        usage: Tokens as the provider counted them, and the cost.
        finish_reason: Why it ended.
        native_finish_reason: The provider's own word for that.
        created_at: When it was made.
        streamed: Whether the answer was streamed; None if unknown.
        cancelled: Whether the client left before the end.
        latency_ms: Milliseconds to the first token; None if unknown.
        moderation_latency_ms: Milliseconds that moderation took; None if there was none.
        generation_time_ms: Milliseconds that the model took; None if unknown.
        cache_discount: USD that a prompt cache saved, negative for what writing to it cost; None if unknown.
        service_tier: The tier that it was served in.
        router: The router that chose the model, such as `openrouter/auto`.
        preset_id: The preset that was used.
        request_id: The id of the request, which several generations may share.
        session_id: The session that it belongs to.
        upstream_id: The provider's own id of it.
        data_region: The region that its data stayed in.
        response_cache_source_id: The generation whose answer was repeated, if it came from a response cache.
        provider_responses: The answer of each provider that was tried, as the gateway sent it.
        raw: The entry as the gateway sent it.
    """

    id: str
    model: str
    provider: str | None
    usage: Usage
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    created_at: datetime | None = None
    streamed: bool | None = None
    cancelled: bool = False
    latency_ms: float | None = None
    moderation_latency_ms: float | None = None
    generation_time_ms: float | None = None
    cache_discount: Decimal | None = None
    service_tier: str | None = None
    router: str | None = None
    preset_id: str | None = None
    request_id: str | None = None
    session_id: str | None = None
    upstream_id: str | None = None
    data_region: str | None = None
    response_cache_source_id: str | None = None
    provider_responses: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


async def fetch_generation(api: JsonApi, generation_id: str, *, patience: float) -> GenerationInfo:
    """Return the gateway's books of a generation, asking again while it does not know the id yet.

    OpenRouter enters a generation half a second or more after its end, and later after a stream that was cut off
    (OpenRouter API reference, "Get a generation").

    Args:
        api: The gateway.
        generation_id: The id, as in `ChatResult.id`, `AiError.request_id` and `Attempt.generation_id`.
        patience: Seconds after which an id that is not known yet is given up.

    Raises:
        BadRequestError: The gateway does not know the id; `status_code` is 404.
        NotSupportedError: The gateway keeps no such books.
        AiError: The look-up failed.
    """
    give_up, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        document = await api.get("/generation", {"id": generation_id})
        if document is not None:
            return _read(document, api.gateway.url_name)
        if time.monotonic() + pause > give_up:
            raise BadRequestError(message="The AI gateway does not know this generation", status_code=404)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def booked_usage(api: JsonApi, generation_id: str) -> Usage | None:
    """Return the usage that the gateway recorded for a generation; None if it keeps no records or does not know the id.

    Raises:
        AiError: The gateway could not be asked.
    """
    try:
        return (await fetch_generation(api, generation_id, patience=_PATIENCE)).usage
    except NotSupportedError:
        return None
    except BadRequestError as error:
        if error.status_code != 404:
            raise
        return None


def _read(document: object, url_name: str) -> GenerationInfo:
    entry = json_object(json_object(document).get("data"))
    if (generation_id := text(entry, "id")) is None:
        raise InvalidResponseError(f"it does not describe a generation - check {url_name}")
    return GenerationInfo(
        id=generation_id,
        model=text(entry, "model") or "",
        provider=text(entry, "provider_name"),
        usage=_usage(entry),
        created_at=moment(entry, "created_at"),
        streamed=flag(entry, "streamed"),
        cancelled=entry.get("cancelled") is True,
        latency_ms=number(entry, "latency"),
        moderation_latency_ms=number(entry, "moderation_latency"),
        generation_time_ms=number(entry, "generation_time"),
        cache_discount=amount(entry, "cache_discount"),
        provider_responses=tuple(filter(None, map(json_object, json_list(entry.get("provider_responses"))))),
        raw=entry,
        **{name: text(entry, name) for name in _TEXTS},
    )


def _usage(entry: Mapping[str, Any]) -> Usage:
    # The native counts are those of the provider's own tokenizer, which is what is billed.
    prompt = count(entry, "native_tokens_prompt", "tokens_prompt") or 0
    completion = count(entry, "native_tokens_completion", "tokens_completion") or 0
    cost = amount(entry, "total_cost")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        reasoning_tokens=count(entry, "native_tokens_reasoning") or 0,
        cached_tokens=count(entry, "native_tokens_cached") or 0,
        cost=cost,
        cost_source="unknown" if cost is None else "reported",
        upstream_cost=amount(entry, "upstream_inference_cost"),
        is_byok=entry.get("is_byok") is True,
        raw=entry,
    )
