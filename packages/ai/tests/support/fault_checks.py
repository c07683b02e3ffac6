"""Playing a fault of the catalogue to one of our clients, and judging strictly what comes of it."""

from __future__ import annotations

import asyncio
import pickle
import re
import time
from dataclasses import dataclass, field

import pytest

from raptscallions_ai import AiError, ChatResult, ContentChunk, DoneChunk, StreamChunk
from raptscallions_ai.client.engine import EngineClient
from raptscallions_ai.testing import FakeGateway
from raptscallions_ai.testing.faults import PROMPT, Complete, Expected, Fails, Fault, Left, Outcome

__all__ = ["check", "hear", "outcome_of"]

OVERSHOOT = 1.0  # seconds; a machine under load delays timers, and a broken deadline misses by far more
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass
class Heard:
    """What the caller got from one call."""

    chunks: list[StreamChunk] = field(default_factory=list[StreamChunk])
    first: asyncio.Event = field(default_factory=asyncio.Event)
    result: ChatResult | None = None
    error: AiError | None = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return "".join(chunk.content for chunk in self.chunks if isinstance(chunk, ContentChunk))


async def listen(fault: Fault, client: EngineClient, heard: Heard) -> None:
    """Ask as the fault says, and read to the end or as far as its reader does."""
    if not fault.stream:
        heard.result = await client.chat(
            PROMPT, stream=False, timeout=fault.timeouts, require_usage=fault.require_usage
        )
        return
    async for chunk in client.stream_chat(
        PROMPT,
        timeout=fault.timeouts,
        require_usage=fault.require_usage,
        include_waiting=fault.include_waiting,
    ):
        heard.chunks.append(chunk)
        heard.first.set()
        if isinstance(chunk, DoneChunk):
            heard.result = chunk.result
        if fault.reader == "break_after_first" and chunk.type == "content":
            break


async def hear(fault: Fault, client: EngineClient, gateway: FakeGateway) -> Heard:
    heard = Heard()
    started = time.monotonic()
    task = asyncio.create_task(listen(fault, client, heard))
    if fault.reader == "cancel_before_first":
        assert await gateway.until(lambda: bool(gateway.requests))
        task.cancel()
    elif fault.reader == "cancel_after_first":
        await heard.first.wait()
        task.cancel()
    try:
        await task
    except AiError as error:
        heard.error = error
    except asyncio.CancelledError:
        assert fault.reader.startswith("cancel")
    heard.seconds = time.monotonic() - started
    return heard


def outcome_of(heard: Heard) -> Outcome:
    """Say what was heard as any other client's adapter would."""
    got = heard.result or (heard.error.partial if heard.error else None)
    return Outcome(
        text=got.content if got else "",
        tool_calls=got.tool_calls if got else (),
        error=heard.error,
        released=True,  # what `check_connection` has seen
        seconds=heard.seconds,
    )


def check_complete(expected: Complete, heard: Heard, gateway: FakeGateway) -> None:
    if heard.error is not None:
        raise AssertionError("the answer is complete") from heard.error
    result = heard.result
    assert result is not None
    assert result.content == expected.content
    assert result.finish_reason == expected.finish_reason
    assert result.tool_calls == expected.tool_calls
    assert (result.reasoning, result.refusal) == (expected.reasoning, expected.refusal)
    assert len(result.annotations) == expected.annotations
    assert len(result.images) == expected.images
    assert len(result.logprobs) == expected.logprobs
    assert result.usage.reported == (expected.total_tokens is not None)
    assert result.usage.total_tokens == (expected.total_tokens or 0)
    assert expected.cost is None or result.usage.cost == expected.cost
    assert expected.model is None or result.model == expected.model
    assert [attempt.error is None for attempt in result.attempts].count(True) == 1
    if heard.chunks:
        assert heard.text == expected.content
        assert [chunk.type for chunk in heard.chunks].count("done") == 1
        assert heard.chunks[-1].type == "done"
        assert expected.waiting == ("waiting" in {chunk.type for chunk in heard.chunks})
    if expected.waited:
        first, second, *_ = gateway.requests
        assert second.received_at - first.received_at >= expected.waited


def check_failure(expected: Fails, heard: Heard, gateway: FakeGateway) -> None:
    error = heard.error
    assert error is not None, f"complete with {heard.result!r}"
    assert (type(error).__name__, error.status_code) == (expected.error, expected.status_code), error.message
    assert expected.says in error.message
    assert dict(expected.details) == {key: error.details.get(key) for key in expected.details}
    assert expected.retryable is None or error.retryable == expected.retryable
    assert error.retry_after == (None if expected.retry_after is None else pytest.approx(expected.retry_after, abs=2))
    assert expected.provider is None or error.provider == expected.provider
    assert expected.error_type is None or error.error_type == expected.error_type
    assert (None if error.partial is None else error.partial.content) == expected.partial
    assert heard.text == (expected.partial or "") or not heard.chunks
    assert "done" not in {chunk.type for chunk in heard.chunks}
    assert (error.partial.usage.total_tokens if error.partial else 0) == expected.tokens
    assert len(error.attempts) == max(expected.requests, 1)
    check_silence_about(error, (gateway.api_key, PROMPT, "Ambleside-4711", *expected.hidden))


def check_silence_about(error: AiError, secrets: tuple[str, ...]) -> None:
    """Nothing that is shown, logged or pickled of an error holds a secret, or bytes that a terminal obeys."""
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.message, copy.details) == (error.message, error.details)
    assert not CONTROLS.search(error.message)
    assert len(error.message) < 700
    shown = "\n".join([str(error), repr(error), str(error.to_dict()), repr(error.attempts), repr(error.partial)])
    assert [secret for secret in secrets if secret in shown] == []
    assert (error.__cause__, error.__context__) == (None, None)


async def check_connection(fault: Fault, client: EngineClient, gateway: FakeGateway) -> None:
    if fault.connection is None:
        return
    last = gateway.requests[-1]
    assert await last.closed()
    assert last.disconnected or not isinstance(fault.expected, Left)
    assert (await client.chat("And now?")).content == "Hello from the fake gateway."
    assert (gateway.requests[-1].connection == last.connection) == (fault.connection == "reused")


async def check(fault: Fault, expected: Expected, heard: Heard, client: EngineClient, gateway: FakeGateway) -> None:
    """Assert that the outcome is what is expected, in time, by as many requests, and with the connection let go."""
    if isinstance(expected, Complete):
        check_complete(expected, heard, gateway)
    elif isinstance(expected, Fails):
        check_failure(expected, heard, gateway)
    else:
        assert (heard.text, heard.result) == (expected.received, None)
    if not isinstance(expected, Left):
        assert len(gateway.requests) == expected.requests
    limits = fault.timeouts
    assert heard.seconds < (limits.total or (limits.first_chunk or 5) + (limits.idle or 5)) + OVERSHOOT
    await check_connection(fault, client, gateway)
