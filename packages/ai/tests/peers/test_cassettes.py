"""Recordings of real servers: replayed when these are gone, they give the same answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from peer_servers import Aimock

from raptscallions_ai import OpenRouterClient, RateLimitError, StreamInterruptedError
from raptscallions_ai.local import LocalGateway
from raptscallions_ai.testing import Cassette

pytestmark = [
    pytest.mark.timeout(300),  # the first run of all installs aimock and downloads the model
    pytest.mark.requirement("E04-T005.AC10"),
]


async def talk_to_aimock(cassette: Cassette) -> list[object]:
    """Return all that a conversation with aimock gives, its failures too."""
    told: list[object] = []
    async with OpenRouterClient(cassette.api_key, cassette.base_url, "openai/gpt-4o", max_retries=0) as client:
        told += [(piece.type, getattr(piece, "content", None)) async for piece in client.stream_chat("hello")]
        told.append((await client.chat("think", model="deepseek/deepseek-r1")).reasoning)
        told.append((await client.chat("hello", stream=False)).usage)
        told.append([model.id for model in await client.models()])
        with pytest.raises(RateLimitError) as limited:
            await client.chat("too many")
        told.append(limited.value.retry_after)
        with pytest.raises(StreamInterruptedError) as interrupted:
            await client.chat("drop the line")
        told.append(interrupted.value.partial and interrupted.value.partial.content)
        stream = client.stream_chat("tell a long story")
        async for text in stream.text_stream:
            told.append(text)
            break
    return told


async def test_aimock(aimock: Aimock, tmp_path: Path) -> None:
    path = tmp_path / "aimock.jsonl"
    async with Cassette(path, mode="record", gateway_url=f"{aimock.url}/api/v1", api_key=aimock.api_key) as cassette:
        recorded = await talk_to_aimock(cassette)
    assert aimock.api_key not in path.read_text("utf-8")
    async with Cassette(path, mode="replay") as cassette:
        assert await talk_to_aimock(cassette) == recorded
    assert len(recorded) > 10


async def test_llamacpp(local_gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "llamacpp.jsonl"
    url, key = local_gateway.base_url, local_gateway.api_key
    said: list[object] = []
    for cassette in (Cassette(path, mode="record", gateway_url=url, api_key=key), Cassette(path, mode="replay")):
        async with cassette:
            async with OpenRouterClient(cassette.api_key, cassette.base_url, local_gateway.model) as client:
                both = await asyncio.gather(
                    *(client.chat(f"Name {n} fruits.", temperature=0, max_tokens=12) for n in (2, 3))
                )
                said.append([(result.content, result.usage.total_tokens, result.finish_reason) for result in both])
            async with AsyncOpenAI(api_key=cassette.api_key, base_url=cassette.base_url) as sdk:
                answer = await sdk.chat.completions.create(
                    model=local_gateway.model, messages=[{"role": "user", "content": "Hi"}], max_tokens=5, temperature=0
                )
                said.append(answer.choices[0].message.content)
    assert said[:2] == said[2:]
    assert key not in path.read_text("utf-8")
