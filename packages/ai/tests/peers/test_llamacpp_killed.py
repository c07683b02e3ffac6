"""llama.cpp killed in the middle of a real answer: nothing is lost, and another gateway takes over."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from raptscallions_ai import ChatStream, OpenRouterClient, StreamInterruptedError
from raptscallions_ai.local import LocalGateway

pytestmark = [pytest.mark.timeout(240), pytest.mark.requirement("E04-T003.AC4")]
PROMPT = "Write a very long story about the sea."


@pytest_asyncio.fixture
async def doomed(local_weights: Path) -> AsyncIterator[LocalGateway]:
    """A server of its own, which the test kills."""
    assert local_weights.is_file()
    gateway = await LocalGateway(progress=False).start()
    yield gateway
    await gateway.aclose()


@pytest_asyncio.fixture
async def survivor(local_gateway: LocalGateway) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(local_gateway.api_key, local_gateway.base_url, local_gateway.model) as client:
        yield client


@pytest_asyncio.fixture
async def client(doomed: LocalGateway, survivor: OpenRouterClient) -> AsyncIterator[OpenRouterClient]:
    async with OpenRouterClient(
        doomed.api_key, doomed.base_url, doomed.model, max_retries=1, fallback_clients=[survivor]
    ) as client:
        yield client


async def text_until_killed(stream: ChatStream, doomed: LocalGateway) -> tuple[str, list[str]]:
    """Read a stream, kill its server after some text, and return the text that is valid and the chunks' types."""
    text, types = "", list[str]()
    async for chunk in stream:
        types.append(chunk.type)
        if chunk.type == "content":
            text += chunk.content
        elif chunk.type == "restarted":
            text = ""
        if types.count("content") == 5 and "restarted" not in types and doomed.process_id is not None:
            os.kill(doomed.process_id, signal.SIGKILL)
    return text, types


async def test_the_error_has_what_had_arrived(client: OpenRouterClient, doomed: LocalGateway) -> None:
    stream = client.stream_chat(PROMPT, max_tokens=400, temperature=0, on_interrupt="fail")
    with pytest.raises(StreamInterruptedError) as caught:
        await text_until_killed(stream, doomed)
    assert caught.value.partial is not None
    assert len(caught.value.partial.content) > 10


@pytest.mark.parametrize("policy", ["restart", "continue"])
async def test_another_gateway_gives_the_answer(client: OpenRouterClient, doomed: LocalGateway, policy: str) -> None:
    stream = client.stream_chat(
        PROMPT,
        max_tokens=40,
        temperature=0,
        on_interrupt="restart" if policy == "restart" else "continue",
        prefill=True,
    )
    text, types = await text_until_killed(stream, doomed)
    result = await stream.result()
    assert text == result.content
    assert result.attempts[0].error == "StreamInterruptedError"
    assert result.attempts[-1].error is None
    assert result.attempts[-1].gateway != doomed.base_url
    assert ("restarted" in types) == (policy == "restart")
