"""Every way in which a call can end, each as a coroutine that fails when the call ends otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from raptscallions_ai import (
    AiError,
    BadRequestError,
    ChatStream,
    ConnectionError,
    InvalidResponseError,
    OpenRouterClient,
    ProviderError,
    StreamInterruptedError,
    TimeoutError,
    Timeouts,
)

__all__ = ["ENDINGS", "Ending", "WrongEndError"]

Ending = Callable[[OpenRouterClient, int], Awaitable[None]]
"""Makes one call with a client; the number tells calls apart."""

_SHORT = Timeouts(connect=10.0, first_chunk=0.1, idle=0.1)


class WrongEndError(Exception):
    """A call did not end as its scenario says."""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise WrongEndError(what)


async def _complete(client: OpenRouterClient, _: int) -> None:
    result = await client.stream_chat("Hi", model="complete").result()
    _expect(result.usage.total_tokens > 0, "an answer without usage")


async def _json(client: OpenRouterClient, _: int) -> None:
    result = await client.chat("Hi", model="json", stream=False)
    _expect(result.content == "Hello", "another answer")


async def _gzip(client: OpenRouterClient, _: int) -> None:
    _expect((await client.chat("Hi", model="gzip")).finish_reason == "stop", "no finish reason")


async def _retried(client: OpenRouterClient, number: int) -> None:
    result = await client.chat("Hi", model="retry", max_retries=1, extra_body={"user": str(number)})
    _expect(len(result.attempts) == 2, "no second attempt")


def _failing(model: str, kind: type[AiError], timeout: Timeouts | None = None) -> Ending:
    async def call(client: OpenRouterClient, _: int) -> None:
        try:
            await client.chat("Hi", model=model, timeout=timeout)
        except kind:
            return
        raise WrongEndError(f"no {kind.__name__}")

    return call


async def _started(client: OpenRouterClient) -> ChatStream:
    stream = client.stream_chat("Hi", model="stuck")
    _expect((await anext(stream)).type == "content", "no content first")
    return stream


async def _break(client: OpenRouterClient, _: int) -> None:
    async for _chunk in client.stream_chat("Hi", model="stuck"):
        break


async def _break_out_of_text(client: OpenRouterClient, _: int) -> None:
    async for _text in client.stream_chat("Hi", model="stuck").text_stream:
        break


async def _raise(client: OpenRouterClient, _: int) -> None:
    with contextlib.suppress(KeyError):
        async for _chunk in client.stream_chat("Hi", model="stuck"):
            raise KeyError


async def _cancelled(client: OpenRouterClient, model: str) -> None:
    task = asyncio.create_task(client.chat("Hi", model=model))
    _, pending = await asyncio.wait({task}, timeout=0.05)
    _expect(bool(pending), "over before it was cancelled")
    task.cancel()
    await asyncio.wait({task})
    _expect(task.cancelled(), "not cancelled")


async def _closed(client: OpenRouterClient, _: int) -> None:
    await (await _started(client)).aclose()


async def _closed_by_another_task(client: OpenRouterClient, _: int) -> None:
    stream = await _started(client)
    reader = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    await stream.aclose()
    with contextlib.suppress(StreamInterruptedError):
        await reader
        raise WrongEndError("a closed stream gave a result")


async def _left(client: OpenRouterClient, _: int) -> None:
    async with client.stream_chat("Hi", model="stuck") as stream:
        await anext(stream)


async def _dropped(client: OpenRouterClient, _: int) -> None:
    await _started(client)  # nobody holds what this returns, and nobody closes it


async def _dropped_in_a_cycle(client: OpenRouterClient, _: int) -> None:
    cycle: list[object] = [await _started(client)]
    cycle.append(cycle)  # only the garbage collector finds it


async def _never_read(client: OpenRouterClient, _: int) -> None:
    client.stream_chat("Hi", model="complete")


async def _stopped_then_reused(client: OpenRouterClient, number: int) -> None:
    async for chunk in client.stream_chat("Hi", model="complete"):
        if chunk.type == "content":
            break
    await _complete(client, number)


ENDINGS: dict[str, Ending] = {
    "complete": _complete,
    "complete, one JSON body": _json,
    "complete, compressed": _gzip,
    "complete, second attempt": _retried,
    "error before: 400": _failing("error", BadRequestError),
    "error before: 503": _failing("overloaded", ProviderError),
    "error before: HTML": _failing("html", InvalidResponseError),
    "error before: empty body": _failing("empty", InvalidResponseError),
    "error before: reset": _failing("reset", ConnectionError),
    "error before: not HTTP": _failing("not http", InvalidResponseError),
    "error inside: event": _failing("error inside", ProviderError),
    "error inside: malformed": _failing("malformed inside", InvalidResponseError),
    "error inside: reset": _failing("reset inside", StreamInterruptedError),
    "error inside: cut": _failing("cut inside", StreamInterruptedError),
    "error inside: clean end": _failing("truncated", StreamInterruptedError),
    "timeout: first content": _failing("silent", TimeoutError, _SHORT),
    "timeout: idle": _failing("stuck", TimeoutError, _SHORT),
    "timeout: keep-alives only": _failing("keep-alive", TimeoutError, _SHORT),
    "timeout: total": _failing("stuck", TimeoutError, Timeouts(total=0.1)),
    "left: break": _break,
    "left: break out of the text": _break_out_of_text,
    "left: exception": _raise,
    "left: context": _left,
    "cancelled: before the answer": lambda client, _: _cancelled(client, "silent"),
    "cancelled: inside the answer": lambda client, _: _cancelled(client, "stuck"),
    "closed: by its reader": _closed,
    "closed: by another task": _closed_by_another_task,
    "dropped": _dropped,
    "dropped in a reference cycle": _dropped_in_a_cycle,
    "never read": _never_read,
    "stopped early, then asked again": _stopped_then_reused,
}
"""Every ending by its name."""
