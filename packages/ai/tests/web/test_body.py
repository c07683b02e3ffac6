"""The body itself: what it sends when, and that it lets go of its stream."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest

from raptscallions_ai import (
    AnnotationChunk,
    AuthenticationError,
    ChatResult,
    ConfigurationError,
    ContentChunk,
    ContextLengthError,
    DoneChunk,
    ImageChunk,
    RateLimitError,
    ReasoningChunk,
    RestartedChunk,
    StreamChunk,
    ToolCallChunk,
    Usage,
    WaitingChunk,
    web,
)
from raptscallions_ai.testing import ScriptedClient
from raptscallions_ai.web import sse_response_body
from raptscallions_ai.web.payloads import error_payload

pytestmark = pytest.mark.requirement("E04-T005.AC6")

ANSWER = DoneChunk(ChatResult(content="Hi", id="gen-1", model="m", finish_reason="stop", usage=Usage(1, 2, 3)))


async def endless(started: asyncio.Event, ended: asyncio.Event) -> AsyncGenerator[StreamChunk]:
    try:
        yield ContentChunk("Hi")
        started.set()
        await asyncio.get_running_loop().create_future()
    finally:
        ended.set()


async def written(*chunks: StreamChunk) -> list[dict[str, Any]]:
    async def stream() -> AsyncGenerator[StreamChunk]:
        for chunk in chunks:
            yield chunk

    return told(b"".join([data async for data in sse_response_body(stream())]))


def told(data: bytes) -> list[dict[str, Any]]:
    blocks = data.split(b"\n\n")
    assert blocks.pop() == b""
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


async def reading_is_over() -> bool:
    here = asyncio.current_task()
    for _ in range(20):
        if [task for task in asyncio.all_tasks() if task is not here] == []:
            return True
        await asyncio.sleep(0)
    return False


async def test_every_chunk_is_one_event() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    events = await written(
        WaitingChunk(),
        ReasoningChunk("Hm"),
        ContentChunk("line\nline\u2028\u0085"),
        RestartedChunk(ChatResult(content="secret"), RateLimitError(3)),
        ToolCallChunk(0, "call_1", "weather", '{"city":'),
        AnnotationChunk({"type": "file"}),
        ImageChunk(image),
        DoneChunk(
            ChatResult(
                id="gen-1",
                model="m",
                provider="P",
                finish_reason="stop",
                usage=Usage(1, 2, 3, cost=Decimal("0.00010"), cost_source="reported"),
            )
        ),
    )
    assert events[:3] == [
        {"type": "waiting"},
        {"type": "reasoning", "content": "Hm"},
        {"type": "content", "content": "line\nline\u2028\u0085"},
    ]
    assert events[3]["type"] == "restarted"
    assert events[3]["error"]["type"] == "RateLimitError"
    assert events[4:7] == [
        {"type": "tool_call", "index": 0, "id": "call_1", "name": "weather", "arguments": '{"city":'},
        {"type": "annotation", "annotation": {"type": "file"}},
        {"type": "image", "image": image},
    ]
    assert {key: events[7][key] for key in ("type", "id", "model", "provider", "finish_reason", "refusal")} == {
        "type": "done",
        "id": "gen-1",
        "model": "m",
        "provider": "P",
        "finish_reason": "stop",
        "refusal": None,
    }
    assert events[7]["usage"]["total_tokens"] == 3
    assert events[7]["usage"]["cost"] == "0.00010"
    assert len(events) == 8


async def test_a_stream_that_ends_without_done_ends_with_an_error() -> None:
    assert [event["type"] for event in await written(ContentChunk("Hi"))] == ["content", "error"]
    assert [event["type"] for event in await written()] == ["error"]


async def test_an_error_is_the_last_event() -> None:
    client = ScriptedClient(["Half", RateLimitError(30)])
    content, error = told(b"".join([data async for data in sse_response_body(client.stream_chat("Hi"))]))
    assert content["content"] == "Half"
    assert len(error["error"].pop("reference")) == 12
    assert error == {
        "type": "error",
        "error": {
            "type": "RateLimitError",
            "message": "AI API rate limit exceeded",
            "code": "AI_ERROR",
            "error_type": None,
            "status_code": 429,
            "details": {"retry_after": 30},
            "retryable": True,
            "retry_after": 30,
        },
    }


def test_the_operators_business_is_not_told() -> None:
    payload = error_payload(ConfigurationError("AI_API_KEY is missing", details={"variables": {"AI_API_KEY": "x"}}))
    assert len(payload.pop("reference")) == 12
    assert payload == {
        "type": "ConfigurationError",
        "message": "The AI gateway configuration is invalid",
        "code": "AI_ERROR",
        "error_type": None,
        "status_code": 500,
        "details": {},
        "retryable": False,
        "retry_after": None,
    }
    told = error_payload(AuthenticationError("key of account 17 is revoked", details={"reason": "revoked"}))
    assert "17" not in str(told)
    assert "revoked" not in str(told)
    sizes = ContextLengthError(max_tokens=10, requested_tokens=20, details={"upstream": "a text of the provider's"})
    assert error_payload(sizes)["details"] == {"max_tokens": 10, "requested_tokens": 20}


async def test_a_bug_in_the_service_reaches_the_server_and_not_the_browser() -> None:
    async def stream() -> AsyncGenerator[StreamChunk]:
        yield ContentChunk("Hi")
        raise KeyError("an internal name")

    seen: list[bytes] = []
    with pytest.raises(KeyError, match="an internal name"):
        async for data in sse_response_body(stream()):
            seen.append(data)
    last = told(b"".join(seen))[-1]
    assert last["type"] == "error"
    assert last["error"]["type"] == "AiError"
    assert "internal" not in str(last)


async def test_what_is_ready_leaves_in_one_piece() -> None:
    async def stream() -> AsyncGenerator[StreamChunk]:
        for _ in range(50):
            yield ContentChunk("x")
        await asyncio.sleep(0)
        yield ANSWER

    assert [len(told(data)) for data in [data async for data in sse_response_body(stream())]] == [50, 1]


async def test_no_more_is_read_than_a_slow_reader_may_have_to_wait_for() -> None:
    read = 0

    async def stream() -> AsyncGenerator[StreamChunk]:
        nonlocal read
        while read < 1000:
            read += 1
            yield ContentChunk("x" * 1000)
            await asyncio.sleep(0)
        yield ANSWER

    body = sse_response_body(stream())
    size = len(await anext(body))
    while size < 500_000:
        for _ in range(200):
            await asyncio.sleep(0)
        assert read * 1000 < size + 70_000
        size += len(await anext(body))
    await body.aclose()


async def test_comments_are_sent_while_nothing_comes() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    body = sse_response_body(endless(started, ended), keep_alive=0.01)
    seen = [await anext(body) for _ in range(3)]
    assert [data.startswith(b"data: ") for data in seen] == [True, False, False]
    assert seen[1:] == [b": ping\n\n"] * 2
    await body.aclose()
    assert ended.is_set()


async def test_opening_waits_for_the_first_chunk_but_not_longer_than_a_proxy_would() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    body = sse_response_body(endless(started, ended))
    await body.open()
    assert started.is_set()
    await body.aclose()

    async def silent() -> AsyncGenerator[StreamChunk]:
        await asyncio.get_running_loop().create_future()
        yield ANSWER

    body = sse_response_body(silent(), keep_alive=0.01)
    await body.open()
    assert await anext(body) == b": ping\n\n"
    await body.aclose()


async def test_opening_raises_what_fails_before_the_first_chunk() -> None:
    body = sse_response_body(ScriptedClient(RateLimitError()).stream_chat("Hi"))
    with pytest.raises(RateLimitError):
        await body.open()
    body = sse_response_body(ScriptedClient(["Half", RateLimitError()]).stream_chat("Hi"))
    await body.open()
    assert [event["type"] for event in told(await anext(body))] == ["content"]


async def test_closing_closes_the_stream_begun_or_not() -> None:
    client = ScriptedClient(["One", "Two"], ["One", "Two"])
    body = sse_response_body(client.stream_chat("Hi"))
    await body.aclose()
    assert client.calls[0].closed
    assert [data async for data in body] == []
    body = sse_response_body(client.stream_chat("Hi"))
    await anext(body)
    await body.aclose()
    await body.aclose()
    assert client.calls[1].closed


async def test_cancelling_the_reader_closes_the_stream() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    body = sse_response_body(endless(started, ended))

    async def read() -> None:
        async for _ in body:
            pass

    reader = asyncio.create_task(read())
    await started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await reading_is_over()
    assert ended.is_set()


async def test_a_forgotten_body_closes_its_stream() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    body = sse_response_body(endless(started, ended))
    await anext(body)
    await started.wait()
    del body
    gc.collect()
    assert await reading_is_over()
    assert ended.is_set()


async def test_a_body_that_was_read_to_its_end_leaves_nothing() -> None:
    body = sse_response_body(ScriptedClient("Hi").stream_chat("Hi"))
    assert [data async for data in body] != []
    assert await reading_is_over()
    assert [data async for data in body] == []


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_a_keep_alive_must_be_a_duration(seconds: float) -> None:
    with pytest.raises(ValueError, match="keep_alive must be more than 0"):
        sse_response_body(ScriptedClient("Hi").stream_chat("Hi"), keep_alive=seconds)


async def test_no_repr_shows_the_answer() -> None:
    body = sse_response_body(ScriptedClient("a secret answer").stream_chat("Hi"))
    assert repr(body) == "SSEBody(ChunkEvents, not started)"
    await body.open()
    assert "secret" not in repr(body)
    await body.aclose()


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def test_bodies_need_no_framework() -> None:
    code = "import sys; from raptscallions_ai.web import SSEBody, sse_response_body; print('starlette' in sys.modules)"
    assert run(code) == "False"


def test_a_missing_framework_is_reported_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "try:\n    from raptscallions_ai.web import ChatStreamResponse\n"
        "except ImportError as error:\n    print(error)"
    )
    assert run(code) == "starlette is missing: pip install 'raptscallions-ai[web]'"


def test_every_public_name_is_there_and_no_other() -> None:
    assert sorted(web.__all__) == dir(web)
    assert [name for name in web.__all__ if getattr(web, name, None) is None] == []
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = web.nothing_of_ours
