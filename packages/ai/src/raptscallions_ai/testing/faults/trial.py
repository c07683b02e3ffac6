"""Running a fault against any client: a gateway that misbehaves, an adapter, a clock."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from raptscallions_ai.testing.faults.fault import PROMPT, Fault
from raptscallions_ai.testing.faults.outcome import Outcome
from raptscallions_ai.testing.gateway import FakeGateway
from raptscallions_ai.tools.tool_call import ToolCall

__all__ = ["Adapter", "Trial", "address", "observe"]

_LOADING = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an adapter is given: where to ask, what, and how.

    Attributes:
        base_url: The gateway's base URL.
        api_key: The key.
        model: The model.
        prompt: The user's message.
        stream: Whether to ask for a stream.
        timeout: Seconds to wait for the first content, and for each next one.
        connect_timeout: Seconds to wait for a connection.
        total_timeout: Seconds for the whole call; None for no limit.
        max_retries: How many further attempts to make.
        require_usage: Whether an answer without usage is a failure.
    """

    base_url: str
    api_key: str = field(repr=False)
    model: str
    prompt: str = field(repr=False)
    stream: bool
    timeout: float
    connect_timeout: float
    total_timeout: float | None
    max_retries: int
    require_usage: bool


Adapter: TypeAlias = Callable[[Trial], AsyncIterator[str | ToolCall]]
"""Asks a client and yields text as the client hands it over, then whole tool calls.

It ends where the client presents the answer as complete, and raises what the client raises. Text that comes with an
error only is to be yielded before the error is raised again.
"""


@dataclass(slots=True)
class _Received:
    text: list[str] = field(default_factory=list[str])
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    first: asyncio.Event = field(default_factory=asyncio.Event)


async def observe(
    fault: Fault, adapter: Adapter, *, errors: tuple[type[BaseException], ...] = (), patience: float = 3.0
) -> Outcome:
    """Play a fault to a client and return what came of it.

    Args:
        fault: What happens.
        adapter: Asks the client.
        errors: The errors that the client documents as its own; none given means that any will do.
        patience: Seconds from its first request on after which a call counts as hung; all deadlines are shorter.
    """
    received = _Received()
    async with FakeGateway() as gateway:
        fault.play(gateway)
        with address(fault, gateway) as base_url:
            started = time.monotonic()
            reading = asyncio.create_task(_read(adapter(_trial(fault, gateway, base_url)), fault, received))
            leaving = asyncio.create_task(_leave(fault, gateway, received, reading))
            try:
                if fault.address == "gateway":
                    await _first_request(gateway, reading)
                over, _ = await asyncio.wait([reading], timeout=patience)
            finally:
                seconds = time.monotonic() - started
                error = await _ended(reading)
                await _ended(leaving)
            released = await gateway.requests[0].closed(1.0) if fault.reader != "all" and gateway.requests else None
        return Outcome(
            text="".join(received.text),
            tool_calls=tuple(received.tool_calls),
            error=error,
            own_error=error is None or not errors or isinstance(error, errors),
            hung=not over,
            released=released,
            requests=len(gateway.requests),
            seconds=seconds,
        )


@contextlib.contextmanager
def address(fault: Fault, gateway: FakeGateway) -> Generator[str]:
    """Give the base URL that a fault sends the client to."""
    if fault.address == "gateway":
        yield gateway.base_url
        return
    with contextlib.ExitStack() as sockets:
        closed = sockets.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        if fault.address == "ignores":
            closed.listen(0)
            for _ in range(3):  # a full queue of connections makes the system ignore further ones
                waiting = sockets.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(closed.getsockname())
        yield f"http://127.0.0.1:{closed.getsockname()[1]}/api/v1"


def _trial(fault: Fault, gateway: FakeGateway, base_url: str) -> Trial:
    limits = fault.timeouts
    return Trial(
        base_url=base_url,
        api_key=gateway.api_key,
        model=gateway.model,
        prompt=PROMPT,
        stream=fault.stream,
        timeout=min(limits.first_chunk or 5.0, limits.idle or 5.0),
        connect_timeout=limits.connect or 5.0,
        total_timeout=limits.total,
        max_retries=fault.max_retries,
        require_usage=fault.require_usage,
    )


async def _read(pieces: AsyncIterator[str | ToolCall], fault: Fault, received: _Received) -> None:
    async for piece in pieces:
        if isinstance(piece, ToolCall):
            received.tool_calls.append(piece)
        else:
            received.text.append(piece)
        received.first.set()
        if fault.reader == "break_after_first":
            break
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


async def _leave(fault: Fault, gateway: FakeGateway, received: _Received, reading: asyncio.Task[None]) -> None:
    """Cancel the call when the fault's reader does."""
    if fault.reader == "cancel_after_first":
        await received.first.wait()
        reading.cancel()
    elif fault.reader == "cancel_before_first":
        await gateway.until(lambda: bool(gateway.requests))
        reading.cancel()


async def _first_request(gateway: FakeGateway, reading: asyncio.Task[None]) -> None:
    """Wait for the first request, unless the call ends without one; what a client loads before is none of its waits."""
    arrival = asyncio.create_task(gateway.until(lambda: bool(gateway.requests), _LOADING))
    try:
        await asyncio.wait([reading, arrival], return_when=asyncio.FIRST_COMPLETED)
    finally:
        arrival.cancel()


async def _ended(task: asyncio.Task[None]) -> BaseException | None:
    """Cancel a task if it is still running, and return what it raised; a client may even ignore cancellation."""
    task.cancel()
    await asyncio.wait([task], timeout=1.0)
    return None if not task.done() or task.cancelled() else task.exception()
