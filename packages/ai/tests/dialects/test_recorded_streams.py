"""Recorded streams of real servers: the same chunks and the same result at every size of read."""

import pytest
from ai_tests import Drive, Recorded

from raptscallions_ai.answer.chunks import ContentChunk, ReasoningChunk
from raptscallions_ai.errors import AiError, ProviderError, StreamInterruptedError

HELLO = "Hello there, how can I help?"
CALLS = [("get_weather", '{"city":"Paris"}'), ("get_weather", '{"city":"Rome"}')]

# name, content, reasoning, finish reason, total tokens, tool calls
ANSWERS: list[tuple[str, str, str, str, int, list[tuple[str, str]]]] = [
    ("aimock-openrouter-hello", HELLO, "", "stop", 16, []),
    ("aimock-openrouter-fallback", HELLO, "", "stop", 16, []),
    ("aimock-openrouter-hello-n", HELLO, "", "stop", 16, []),
    ("aimock-openai-hello", HELLO, "", "stop", 16, []),
    ("aimock-openrouter-think", "4", "2 plus 2 is 4.", "stop", 3, []),
    ("aimock-openrouter-tools", "", "", "tool_calls", 16, CALLS),
    ("litellm-chat-stream-length", "1. 1\n", "", "length", 45, []),
    ("litellm-json-schema-stream", '{\n    "name": "Ava",\n    "age": 25\n}', "", "stop", 64, []),
    ("llamacpp-stream-ping", "Yes", "", "stop", 1237, []),
    ("llamacpp-json-schema-nonstream", '{\n    "name": "Ava",\n    "age": 25\n}', "", "stop", 64, []),
    ("llamacpp-toolfs-required-stream", "", "", "tool_calls", 347,
     [("get_weather", '{"city": "Paris", "unit": "celsius"}')]),
    ("litellm-toolfs-required-nonstream", "", "", "tool_calls", 347,
     [("get_weather", '{"city": "Paris", "unit": "celsius"}')]),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize(
    ("name", "content", "reasoning", "finish", "tokens", "calls"), ANSWERS, ids=[answer[0] for answer in ANSWERS]
)
def test_answers(
    drive: Drive, recorded: Recorded, name: str, content: str, reasoning: str, finish: str, tokens: int,
    calls: list[tuple[str, str]], size: int | None,
) -> None:  # fmt: skip
    status, _, body, _ = recorded(name)
    chunks, result, failure = drive(body, size)
    assert (status, failure) == (200, None)
    assert result is not None
    assert (result.content, result.reasoning, result.finish_reason) == (content, reasoning, finish)
    assert result.usage.total_tokens == tokens
    assert [(call.name, call.raw_arguments) for call in result.tool_calls] == calls
    assert "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk)) == content
    assert "".join(chunk.content for chunk in chunks if isinstance(chunk, ReasoningChunk)) == reasoning


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize(
    ("name", "kind", "begins", "length"),
    [
        ("aimock-openrouter-drop", StreamInterruptedError, "This ", 5),
        ("litellm-midstream-gateway-killed", StreamInterruptedError, "The sea was", 11),
        ("litellm-midstream-upstream-killed", ProviderError, "The sea was a mysterious", 217),
        ("llamacpp-midstream-server-killed", StreamInterruptedError, "The sea was a mysterious", 592),
        ("llamacpp-chat-stream-nousage", AiError, "Hello, I'm here to help with", 28),
    ],
)
def test_failures_keep_what_came(
    drive: Drive, recorded: Recorded, name: str, kind: type[AiError], begins: str, length: int, size: int | None
) -> None:
    _, _, body, code = recorded(name)
    chunks, result, failure = drive(body, size, cut="the connection was lost (reset)" if code else None)
    assert result is None
    assert isinstance(failure, kind)
    assert failure.partial is not None
    assert failure.partial.content.startswith(begins)
    assert len(failure.partial.content) == length
    assert "".join(chunk.content for chunk in chunks if isinstance(chunk, ContentChunk)) == failure.partial.content
