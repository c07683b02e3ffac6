"""One JSON document from a gateway, under a deadline: what the look-ups beside chat have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raptscallions_ai._wire.json import parse_json
from raptscallions_ai.errors import TimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raptscallions_ai._wire.sdk import Connections
    from raptscallions_ai.errors import AiError
    from raptscallions_ai.timeouts import Timeouts

__all__ = ["fetch_json"]


async def fetch_json(
    connections: Connections,
    path: str,
    timeouts: Timeouts,
    *,
    redact: Callable[[str], str],
    query: Mapping[str, object] | None = None,
) -> object:
    """Return what the gateway answers to a GET request, parsed; None if it says 404.

    Args:
        connections: Where to get the SDK from.
        path: The path under the base URL.
        timeouts: `first_chunk`, or `total` if that is less, limits the request.
        redact: Removes the key from a text.
        query: The query parameters.

    Raises:
        AiError: There was no answer, or another than 2xx and 404.
    """
    from raptscallions_ai._wire.foreign import ai_error, is_not_found
    from raptscallions_ai._wire.sdk import get_json

    limits = [limit for limit in (timeouts.first_chunk, timeouts.total) if limit is not None]
    limit = min(limits, default=None)
    error: AiError
    deadline = asyncio.timeout(limit)
    try:
        async with deadline:
            sdk = await connections.get()
            return parse_json(await get_json(sdk, path, query or {}, connect_timeout=timeouts.connect))
    except asyncio.CancelledError as cancelled:
        raise cancelled.with_traceback(None) from None  # the frames below hold the key
    except Exception as exception:
        if is_not_found(exception):
            return None
        if deadline.expired():
            error = TimeoutError(round((limit or 0) * 1000), phase="total")
        else:
            error = ai_error(exception, model="", redact=redact, connect_timeout=timeouts.connect)
    raise error.bare()
