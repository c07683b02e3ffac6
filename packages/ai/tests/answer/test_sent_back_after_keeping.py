"""What must go back still goes back after an answer was kept: pickled, written as JSON, cached, or recorded."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ai_tests import ClientFactory

from raptscallions_ai import ChatResult
from raptscallions_ai.answer.codec import from_json, to_json
from raptscallions_ai.testing import FakeGateway, chunk, sse
from raptscallions_ai.testing.cassette import Cassette
from raptscallions_ai.testing.wire import usage
from raptscallions_ai.wrappers import CachedClient, memory_store

pytestmark = pytest.mark.requirement("E04-T018.AC1")

SIGNATURE = {"google": {"thought_signature": "c2lnbmVk"}}
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BLOCK = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
DELTAS: dict[str, list[dict[str, Any]]] = {
    "reasoning_content": [{"reasoning_content": "Hm."}, {"tool_calls": [CALL]}],
    "thinking_blocks": [{"thinking_blocks": [BLOCK]}, {"tool_calls": [CALL]}],
    "reasoning_details": [{"reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl", "index": 0}]}],
    "the signature of a call": [{"tool_calls": [{**CALL, "extra_content": SIGNATURE}]}],
    "the signature of a text": [{"content": "Hi", "extra_content": SIGNATURE}],
    "thinking among the parts": [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}],
}


async def pickled(ask: Callable[[str], Awaitable[ChatResult]]) -> ChatResult:
    return pickle.loads(pickle.dumps(await ask("Hi")))


async def as_json(ask: Callable[[str], Awaitable[ChatResult]]) -> ChatResult:
    kept = from_json(to_json(await ask("Hi")))
    assert isinstance(kept, ChatResult)
    return kept


def answer(gateway: FakeGateway, deltas: list[dict[str, Any]]) -> None:
    finish = "tool_calls" if "tool_calls" in deltas[-1] else "stop"
    pieces = [sse(chunk(delta=delta)) for delta in [*deltas, {"content": "."}]]
    gateway.reply(
        *pieces, sse(chunk("", finish_reason=finish)), sse({"choices": [], "usage": usage()}), b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize("deltas", DELTAS.values(), ids=DELTAS)
@pytest.mark.parametrize("keep", [pickled, as_json])
async def test_after_being_written(
    new_client: ClientFactory, fake_gateway: FakeGateway, deltas: list[dict[str, Any]], keep: Any
) -> None:
    answer(fake_gateway, deltas)
    answer(fake_gateway, deltas)
    client = new_client()
    assert (await keep(client.chat)).to_message().to_dict() == (await client.chat("Hi")).to_message().to_dict()


@pytest.mark.parametrize("deltas", DELTAS.values(), ids=DELTAS)
async def test_from_a_cache(new_client: ClientFactory, fake_gateway: FakeGateway, deltas: list[dict[str, Any]]) -> None:
    answer(fake_gateway, deltas)
    client = CachedClient(new_client(), memory_store())
    first, second = await client.chat("Hi"), await client.chat("Hi")
    assert first.to_message().to_dict() == second.to_message().to_dict()
    assert first.to_message().to_dict() != {"role": "assistant", "content": "."}
    assert len(fake_gateway.requests) == 1


@pytest.mark.parametrize("deltas", DELTAS.values(), ids=DELTAS)
async def test_from_a_cassette(
    new_client: ClientFactory, fake_gateway: FakeGateway, deltas: list[dict[str, Any]], tmp_path: Path
) -> None:
    answer(fake_gateway, deltas)
    messages: list[object] = []
    for _ in range(2):
        url, key = fake_gateway.base_url, fake_gateway.api_key
        with Cassette(tmp_path / "kept.jsonl", mode="once", gateway_url=url, api_key=key) as cassette:
            client = new_client(base_url=cassette.base_url, api_key=cassette.api_key)
            messages.append((await client.chat("Hi")).to_message().to_dict())
            await client.aclose()
    assert messages[0] == messages[1]
    assert len(fake_gateway.requests) == 1
