"""What the fake servers make of scripts: other dialects' words, in the style and the cuts of the original."""

from __future__ import annotations

from pathlib import Path

import pytest

from raptscallions_ai import AsyncAnthropicClient, AsyncOllamaClient
from raptscallions_ai.testing import FakeAnthropic, FakeOllama, Pause, Reply, chunk, sse, usage
from raptscallions_ai.testing.engines.blocks import blocks_of, recut

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"
TWO = sse(chunk("Hel")) + sse(chunk("lo")) + sse(chunk(finish_reason="stop", usage=usage()))


@pytest.mark.requirement("E04-T027.AC1")
@pytest.mark.parametrize("size", [None, 1, 100])
async def test_a_recording_is_sent_as_it_is(size: int | None) -> None:
    with FakeAnthropic() as server:
        server.replay(WIRE / "llamacpp-anthropic-messages-stream.txt", chunk_size=size)
        async with AsyncAnthropicClient(server.api_key, base_url=server.base_url) as client:
            claude = await client.chat("Hi")
    with FakeOllama() as server:
        server.replay(WIRE / "aimock-ollama-chat.txt", chunk_size=size)
        async with AsyncOllamaClient(host=server.base_url) as ollama:
            answer = await ollama.chat("Hi", require_usage=False)
    assert (claude.finish_reason, claude.usage.reported) == ("length", True)
    assert answer.content == "Hello there, how can I help?"


@pytest.mark.requirement("E04-T027.AC1")
async def test_signed_thinking_can_be_scripted(anthropic: FakeAnthropic, claude: AsyncAnthropicClient) -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "index": 0},
        {"type": "reasoning.text", "signature": "c2ln", "index": 0},
        {"type": "reasoning.encrypted", "data": "aGlkZGVu", "index": 1},
    ]
    anthropic.reply(*(sse(chunk(delta={"reasoning_details": [detail]})) for detail in details), TWO)
    result = await claude.chat("Hi")
    assert (result.reasoning, result.content) == ("Hm", "Hello")
    assert result.native is not None
    assert result.native["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "aGlkZGVu"},
        {"type": "text", "text": "Hello"},
    ]


def translated(server: FakeAnthropic | FakeOllama, *steps: bytes) -> list[bytes]:
    return [step for step in server.translated(Reply(steps)).steps if isinstance(step, bytes)]


@pytest.mark.parametrize("server", [FakeAnthropic(), FakeOllama()])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_cuts_stay_as_many_and_say_the_same(server: FakeAnthropic | FakeOllama, size: int) -> None:
    pieces = [TWO[start : start + size] for start in range(0, len(TWO), size)]
    cut = translated(server, *pieces)
    assert b"".join(cut) == b"".join(translated(server, TWO))
    assert len(cut) == len(pieces)
    assert sum(map(bool, cut)) > len(pieces) / 4


def test_the_style_of_an_event_is_kept() -> None:
    style = b"id: 7\r\n: a comment\r\ndata:" + sse(chunk("Hello")).removeprefix(b"data: ").strip() + b"\r\n\r\n"
    whole = b"".join(translated(FakeAnthropic(), style))
    assert whole.startswith(b"id: 7\r\n: a comment\r\nevent: message_start\r\ndata:{")
    assert whole.count(b"\r\n\r\n") == 3
    assert b": a comment" not in whole[30:]


def test_what_is_held_back_is_said_before_a_pause() -> None:
    steps = FakeOllama().translated(Reply((sse(chunk("Hi", finish_reason="stop")), Pause(0), sse(chunk("!"))))).steps
    assert [isinstance(step, Pause) for step in steps] == [False, False, True, False]
    assert isinstance(steps[1], bytes)
    assert b'"done": true' in steps[1]


def test_blocks_are_the_whole_stream() -> None:
    for stream in (
        TWO,
        b"\n\n" + TWO,
        b"\xef\xbb\xbf" + TWO,
        TWO[:-1],
        TWO.replace(b"\n", b"\r\n"),
        b": x\r\r" + TWO[:50],
    ):
        assert b"".join(block.raw for block in blocks_of(stream)) == stream


def test_a_cut_at_the_end_of_a_block_stays_there() -> None:
    assert recut([b"ab", b"", b"cd"], [(2, b"longer"), (2, b"x")]) == [b"longer", b"", b"x"]
