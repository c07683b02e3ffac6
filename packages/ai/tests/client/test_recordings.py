"""Every recorded chat exchange of real servers, replayed through the public client, whole and in small pieces."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from raptscallions_ai import AiError, ChatResult, OpenRouterClient, StreamInterruptedError
from raptscallions_ai.testing import FakeGateway

WIRE = Path(__file__).parents[1] / "fixtures" / "wire"


@dataclass(frozen=True)
class Recording:
    path: Path
    status: int
    streamed: bool
    content: str
    reasoning: str
    finish_reasons: tuple[str, ...]
    total_tokens: int | None
    tool_names: tuple[str, ...]
    cut: bool
    error_in_stream: bool

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read what the answer is with nothing but `json` and string search, as an oracle for the real decoder."""
        text = path.read_text(encoding="utf-8")
        response = text.split("# --- response (raw, headers first)", 1)[1]
        status = re.search(r"^HTTP/1\.1 (\d+)", response, re.MULTILINE)
        chunks: list[dict[str, Any]] = [
            json.loads(line[6:]) for line in response.splitlines() if line.startswith("data: {")
        ]
        choices: list[dict[str, Any]] = [choice for chunk in chunks for choice in _each(chunk.get("choices"))]
        deltas: list[dict[str, Any]] = [choice.get("delta") or {} for choice in choices]
        usages: list[Any] = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        calls: list[Any] = [call for delta in deltas for call in _each(delta.get("tool_calls"))]
        return cls(
            path=path,
            status=int(status[1]) if status else 0,
            streamed=bool(chunks),
            content="".join(delta.get("content") or "" for delta in deltas),
            reasoning="".join(delta.get("reasoning_content") or delta.get("reasoning") or "" for delta in deltas),
            finish_reasons=tuple(choice["finish_reason"] for choice in choices if choice.get("finish_reason")),
            total_tokens=usages[-1]["total_tokens"] if usages else None,
            tool_names=tuple(call["function"]["name"] for call in calls if call.get("function", {}).get("name")),
            cut="# curl exit 0" not in text,
            error_in_stream=any("error" in chunk for chunk in chunks),
        )


def _each(items: Any) -> list[Any]:
    return items or []


# Those of other APIs are read by tests of their dialects.
ELSEWHERE = re.compile(r"/v1/messages|/api/(?:chat|generate|tags|show|version)\b")
RECORDINGS = [
    Recording.read(path)
    for path in sorted(WIRE.glob("*.txt"))
    if not ELSEWHERE.search(path.read_text(encoding="utf-8").partition("# --- request")[0])
]
STREAMS = [recording for recording in RECORDINGS if recording.streamed]
ERRORS = [recording for recording in RECORDINGS if recording.status >= 400]


def named(recording: Recording) -> str:
    return recording.path.stem


def test_there_is_something_to_replay() -> None:
    assert len(STREAMS) >= 44
    assert len(ERRORS) >= 30


@pytest.mark.parametrize("chunk_size", [None, 7], ids=["whole", "split"])
@pytest.mark.parametrize("recording", STREAMS, ids=named)
async def test_a_recorded_stream(
    client: OpenRouterClient, fake_gateway: FakeGateway, recording: Recording, chunk_size: int | None
) -> None:
    fake_gateway.replay(recording.path, chunk_size=chunk_size)
    stream = client.stream_chat("Hi", require_usage=recording.total_tokens is not None)
    kinds: list[str] = []
    text: list[str] = []
    try:
        async for piece in stream:
            kinds.append(piece.type)
            if piece.type == "content":
                text.append(piece.content)
    except AiError as error:
        assert recording.cut or recording.error_in_stream
        assert isinstance(error, StreamInterruptedError) == (not recording.error_in_stream)
        assert "done" not in kinds
        assert error.partial is not None
        result: ChatResult = error.partial
    else:
        assert not recording.cut
        assert not recording.error_in_stream
        assert kinds.count("done") == 1
        assert kinds[-1] == "done"
        result = await stream.result()
        assert result.finish_reason == recording.finish_reasons[-1]
    assert "".join(text) == result.content == recording.content
    assert result.reasoning == recording.reasoning
    assert result.usage.total_tokens == (recording.total_tokens or 0)
    assert tuple(call.name for call in result.tool_calls) == recording.tool_names
    for call in result.tool_calls:
        if result.finish_reason == "tool_calls":
            assert json.loads(call.raw_arguments) == call.arguments


@pytest.mark.parametrize("recording", ERRORS, ids=named)
async def test_a_recorded_error(client: OpenRouterClient, fake_gateway: FakeGateway, recording: Recording) -> None:
    fake_gateway.replay(recording.path)
    with pytest.raises(AiError) as caught:
        await client.chat("Hi")
    assert caught.value.message
    assert caught.value.partial is None
    assert type(caught.value) is not AiError


WHOLE = [recording for recording in RECORDINGS if recording.status == 200 and not recording.streamed]


@pytest.mark.parametrize("recording", WHOLE, ids=named)
async def test_a_recorded_body_that_was_not_streamed(
    client: OpenRouterClient, fake_gateway: FakeGateway, recording: Recording
) -> None:
    fake_gateway.replay(recording.path)
    result = await client.chat("Hi", stream=False)
    assert result.content or result.tool_calls or result.reasoning
    assert result.usage.reported
    assert result.finish_reason in ("stop", "length", "tool_calls")
