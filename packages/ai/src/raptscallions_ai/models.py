"""The gateway's catalogue of models."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

from raptscallions_ai._wire.json import json_list, json_object, parse_json
from raptscallions_ai.errors import AiError, InvalidResponseError, ModelNotAvailableError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from raptscallions_ai._wire.sdk import Connections
    from raptscallions_ai.timeouts import Timeouts

__all__ = ["ModelInfo"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model that the gateway offers.

    Attributes:
        id: What to pass as `model`.
        name: Its name for people.
        context_length: Tokens that conversation and answer may have together; None if the gateway does not say.
        prompt_price: USD per token of the conversation; None if unknown.
        completion_price: USD per token of the answer; None if unknown.
        supported_parameters: The options that at least one provider of the model supports.
        raw: The entry as the gateway sent it.
    """

    id: str
    name: str = ""
    context_length: int | None = None
    prompt_price: Decimal | None = None
    completion_price: Decimal | None = None
    supported_parameters: tuple[str, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


async def fetch_models(
    connections: Connections, timeouts: Timeouts, *, redact: Callable[[str], str]
) -> list[ModelInfo]:
    """Return the gateway's models, in the order that it lists them.

    Args:
        connections: Where to get the SDK from.
        timeouts: `first_chunk`, or `total` if that is less, limits the request.
        redact: Removes the key from a text.

    Raises:
        AiError: The list could not be had.
    """
    from raptscallions_ai._wire.foreign import ai_error
    from raptscallions_ai._wire.sdk import get_json

    limits = [limit for limit in (timeouts.first_chunk, timeouts.total) if limit is not None]
    limit = min(limits, default=None)
    error: AiError | None = None
    body = b""
    deadline = asyncio.timeout(limit)
    try:
        async with deadline:
            sdk = await connections.get()
            body = await get_json(sdk, "/models", connect_timeout=timeouts.connect)
    except asyncio.CancelledError as cancelled:
        raise cancelled.with_traceback(None) from None  # the frames below hold the key
    except Exception as exception:
        if deadline.expired():
            error = TimeoutError(round((limit or 0) * 1000), phase="total")
        else:
            error = ai_error(exception, model="", redact=redact, connect_timeout=timeouts.connect)
    if isinstance(error, ModelNotAvailableError):  # a 404, which says this of a chat
        error = InvalidResponseError("there is no list of models - check AI_GATEWAY_URL", details=error.details)
    if error is not None:
        raise error.bare()
    return _read(parse_json(body))


def _read(document: object) -> list[ModelInfo]:
    listed: object = json_object(document).get("data", document)
    if not isinstance(listed, list):
        raise InvalidResponseError("it is not a list of models - check AI_GATEWAY_URL")
    entries = map(json_object, json_list(cast("object", listed)))
    return [_model(entry) for entry in entries if isinstance(entry.get("id"), str)]


def _model(entry: dict[str, Any]) -> ModelInfo:
    prices, length = json_object(entry.get("pricing")), entry.get("context_length")
    return ModelInfo(
        id=entry["id"],
        name=str(entry.get("name") or entry["id"]),
        context_length=length if isinstance(length, int) else None,
        prompt_price=_price(prices.get("prompt")),
        completion_price=_price(prices.get("completion")),
        supported_parameters=tuple(map(str, json_list(entry.get("supported_parameters")))),
        raw=entry,
    )


def _price(value: object) -> Decimal | None:
    """Read a price; routers list -1, because theirs depends on the model that they pick."""
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price >= 0 else None
